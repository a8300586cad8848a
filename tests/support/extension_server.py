"""A small API server of others, in this process: HTTPS on a loopback port, a group of one resource, and all
that it was asked.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import WSMsgType, web

from tests.support.certificates import Authority, make_authority
from tests.support.runners import end

GROUP, VERSION = "wardle.example.com", "v1alpha1"
NAME = f"{VERSION}.{GROUP}"
PATH = f"/apis/{GROUP}/{VERSION}"
FLUNDERS = f"{PATH}/namespaces/default/flunders"
RESOURCES = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": f"{GROUP}/{VERSION}",
    "resources": [
        {
            "name": "flunders",
            "singularName": "flunder",
            "namespaced": True,
            "kind": "Flunder",
            "verbs": ["create", "get", "list", "watch"],
            "shortNames": ["fl"],
        },
        {
            "name": "flunders/status",
            "singularName": "",
            "namespaced": True,
            "kind": "Flunder",
            "verbs": ["get"],
        },
    ],
}
DOCUMENT = {"openapi": "3.0.0", "info": {"title": "wardle"}, "paths": {}, "components": {"schemas": {}}}
INDEX = {"paths": {PATH.strip("/"): {"serverRelativeURL": f"/openapi/v3{PATH}?hash=ABC"}}}


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: bytes
    peer: str

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass
class ExtensionServer:
    """`port` is where it listens, `authority` who signed its certificate.

    code: with what it answers to discovery; held: it answers nothing while this is set and not set free.
    ends_at: the path at which it ends the connection. events: what a watch sends next.
    """

    authority: Authority
    port: int = 0
    code: int = 200
    held: asyncio.Event | None = None
    ends_at: str = ""
    asked: list[Asked] = field(default_factory=list)
    events: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(maxsize=10))

    def last(self, path: str) -> Asked:
        return next(each for each in reversed(self.asked) if each.path == path)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        tls: ssl.SSLObject | None = request.get_extra_info("ssl_object")
        subject = ((tls and tls.getpeercert()) or {}).get("subject", ())
        peer = next((value for pairs in subject for key, value in pairs if key == "commonName"), "")
        headers = [*request.headers.items()]
        body = await request.read()
        self.asked.append(
            Asked(request.method, request.path, request.rel_url.raw_query_string, headers, body, peer)
        )
        if self.held is not None:
            await self.held.wait()
        if request.path == self.ends_at and request.transport is not None:
            request.transport.abort()
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._echo(request)
        if request.path == PATH:
            return web.json_response(RESOURCES, status=self.code)
        if request.path == "/openapi/v3":
            return web.json_response(INDEX)
        if request.path == f"/openapi/v3{PATH}":
            return web.json_response(DOCUMENT)
        if request.path.endswith("/moved"):
            return web.Response(status=302, headers={"Location": "https://elsewhere.example.com/"})
        if "watch" in request.query:
            return await self._watch(request)
        return web.json_response({"kind": "Flunder", "body": body.decode()}, status=201 if body else 200)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while event := await self.events.get():
            await response.write(event + b"\n")
        return response

    async def _echo(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=("echo",))
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            else:
                await socket.send_bytes(message.data)
        return socket


@asynccontextmanager
async def extension_server(folder: Path, proxies: Authority, service: str) -> AsyncIterator[ExtensionServer]:
    """One for the Service `service` in the namespace `default`, that sees who of `proxies` asks."""
    authority = make_authority(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.pair(service, names=[f"{service}.default.svc"]))
    context.load_verify_locations(proxies.ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    server = ExtensionServer(authority)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    server.port = int(runner.addresses[0][1])
    try:
        yield server
    finally:
        await end(runner)
