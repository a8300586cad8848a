"""An admission webhook as people write them: an HTTPS server on loopback that answers AdmissionReviews."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from kube.base import tls
from tests.support.certificates import Authority
from tests.support.runners import end

Respond = Callable[[dict[str, Any]], Any]


def allow(_: dict[str, Any]) -> dict[str, Any]:
    return {"allowed": True}


def patch(*operations: Any) -> Respond:
    encoded = base64.b64encode(orjson.dumps(operations)).decode()
    return lambda _: {"allowed": True, "patchType": "JSONPatch", "patch": encoded}


def deny(**status: Any) -> Respond:
    return lambda _: {"allowed": False, "status": status}


@dataclass
class WebhookServer:
    """What it answers at each path, and what it was asked.

    What a function gives is the `response` of a review, or all that goes out; None: no answer until the end.
    """

    port: int
    bundle: str
    paths: dict[str, Respond] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    connections: set[int] = field(default_factory=set)

    def at(self, path: str, respond: Respond = allow) -> dict[str, Any]:
        """The clientConfig of a webhook that answers so."""
        self.paths[path] = respond
        return {"url": f"https://127.0.0.1:{self.port}{path}", "caBundle": self.bundle}

    def requests(self, path: str) -> list[dict[str, Any]]:
        return [request for at, request in self.asked if at == path]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        review = orjson.loads(await request.read())
        self.asked.append((request.path, review["request"]))
        assert request.transport is not None
        self.connections.add(request.transport.get_extra_info("peername")[1])
        response = self.paths[request.path](review["request"])
        if response is None:
            await self.released.wait()
            response = {"allowed": True}
        if isinstance(response, web.StreamResponse):
            return response
        told = {"uid": review["request"]["uid"], **response}
        body = {"kind": review["kind"], "apiVersion": review["apiVersion"], "response": told}
        return web.Response(body=orjson.dumps(body), content_type="application/json")


@asynccontextmanager
async def answering(authority: Authority, pair: tuple[str, str]) -> AsyncIterator[WebhookServer]:
    """A server with a certificate of that authority, and its key."""
    context = tls.server_context(*pair, None, require_client=False)
    bundle = base64.b64encode(await asyncio.to_thread(Path(authority.ca).read_bytes)).decode()
    server = WebhookServer(0, bundle)
    runner = web.ServerRunner(web.Server(server.handle), shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        server.released.set()
        await end(runner)


def configuration(kind: str, name: str, *webhooks: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": list(webhooks),
    }


def webhook(name: str, client: dict[str, Any], *rules: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A webhook for ConfigMaps, unless there are rules."""
    return {
        "name": name,
        "clientConfig": client,
        "rules": list(rules) or [rule("configmaps")],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        **fields,
    }


def rule(*resources: str, operations: Any = ("*",), groups: Any = ("*",), **fields: Any) -> dict[str, Any]:
    return {
        "operations": list(operations),
        "apiGroups": list(groups),
        "apiVersions": ["*"],
        "resources": list(resources),
        **fields,
    }
