"""An HTTPS server that answers by script: for what happens on the wire, not for what the API means."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from kube.api.errors import StatusError
from kube.base import tls
from kube.client.config import ClientConfig
from tests.support.certificates import Authority

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ScriptedServer:
    """Gives each request the next answer of the script and remembers the request."""

    def __init__(self, authority: Authority, *script: Answer) -> None:
        self.script = list(script)
        self.requests: list[web.Request] = []
        self.bodies: list[Any] = []
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        self._context = tls.server_context(*authority.pair("server"), authority.ca)
        self.port = 0

    async def __aenter__(self) -> ScriptedServer:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._context).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def stop_listening(self) -> None:
        """Take no more connections; those there are stay."""
        for site in tuple(self._runner.sites):
            assert isinstance(site, web.TCPSite)
            assert site._server is not None
            site._server.close()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        body = await request.read()
        self.bodies.append(json.loads(body) if body else None)
        assert self.script, f"no answer left for {request.method} {request.path_qs}"
        return await self.script.pop(0)(request)


def config(authority: Authority, *servers: str) -> ClientConfig:
    return ClientConfig(servers, tls.client_context(authority.ca, *authority.pair("client")))


def answer(body: Any, status: int = 200, **headers: str) -> Answer:
    async def respond(_: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status, headers=headers)

    return respond


def refuse(error: StatusError, **headers: str) -> Answer:
    return answer(error.status(), error.code, **headers)


def stream(*chunks: str, cut: bool = False, after: Callable[[], Awaitable[Any]] | None = None) -> Answer:
    """Send chunks; then end the stream, or cut the connection, once `after()` allows it."""

    async def respond(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk.encode())
        if after is not None:
            await after()
        if cut:
            assert request.transport is not None
            request.transport.abort()
        return response

    return respond


def hang_up(request: web.Request) -> Awaitable[web.StreamResponse]:
    """Close the connection without an answer."""

    async def respond() -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    return respond()


def line(type: str, name: str, version: str, **metadata: Any) -> str:
    """One watch event of a pod."""
    return json.dumps({"type": type, "object": pod(name, version, **metadata)}) + "\n"


def pod(name: str, version: str, uid: str = "", **metadata: Any) -> dict[str, Any]:
    identity = {"name": name, "namespace": "default", "uid": uid or f"uid-{name}"}
    return {"metadata": {**identity, "resourceVersion": version, **metadata}}


def pod_list(version: str, *pods: dict[str, Any]) -> Answer:
    return answer({"kind": "PodList", "metadata": {"resourceVersion": version}, "items": list(pods)})
