"""The real API server in this process: its real HTTP protocol on a loopback port, over a store in memory."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from cryptography.hazmat.primitives.asymmetric import ec

from apiserver import app, bootstrap
from apiserver.audit.auditor import Auditor
from apiserver.authentication.authenticator import Peer
from apiserver.authentication.tokens import KeyPair
from apiserver.authentication.user import MASTERS, User
from apiserver.http_protocol import HttpServer, bind
from apiserver.main import DEFAULTS, Flags, wire
from apiserver.server import Server
from apiserver.storage.interface import Change, Storage
from kube.base.tasks import Tasks
from tests.support.memory_storage import MemoryStorage

ADMIN = User("kubernetes-admin", (MASTERS, "system:authenticated"))
JSON = "application/json"


@dataclass
class Answer:
    """What the server said."""

    code: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class As:
    """Puts a user into the scope, as the TLS layer does for a client certificate."""

    def __init__(self, application: Any, user: User | None) -> None:
        self.application, self.user = application, user

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope["state"]["peer"] = Peer(self.user)
        await self.application(scope, receive, send)


class Api:
    """A client without a mind of its own: what it sends and gets is what the test sees."""

    def __init__(self, server: Server, session: aiohttp.ClientSession, base: str) -> None:
        self.server, self.session, self.base = server, session, base

    async def __call__(
        self, method: str, path: str, body: Any = None, content_type: str = JSON, **headers: str
    ) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent_bytes = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        data = None if sent_bytes is None else io.BytesIO(sent_bytes)
        if data is not None and content_type:
            sent["Content-Type"] = content_type
        options = {"skip_auto_headers": ("Content-Type",), "allow_redirects": False}
        async with self.session.request(
            method, self.base + path, data=data, headers=sent, **options
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def ok(
        self, method: str, path: str, body: Any = None, content_type: str = JSON, **headers: str
    ) -> Any:
        answer = await self(method, path, body, content_type, **headers)
        assert answer.code in (200, 201), answer.body.decode()
        return answer.json

    @asynccontextmanager
    async def watch(self, path: str, **headers: str) -> AsyncIterator[AsyncIterator[Any]]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.get(self.base + path, headers=sent) as answer:
            assert answer.status == 200, await answer.text()
            yield _documents(answer)


async def _documents(answer: aiohttp.ClientResponse) -> AsyncIterator[Any]:
    async for line in answer.content:
        yield orjson.loads(line)


# What a fresh store holds once a server has started on it; made by the first test that starts one.
fresh: list[Change] = []


@asynccontextmanager
async def serving(
    storage: Storage | None = None,
    user: User | None = ADMIN,
    behind: Callable[[Any], Any] = lambda application: application,
    auditor: Auditor | None = None,
    flags: Flags = DEFAULTS,
) -> AsyncIterator[Api]:
    """A server with the bootstrap objects and the ServiceAccount `default/default`; behind: what stands
    before it, if anything.
    """
    private = ec.generate_private_key(ec.SECP256R1())
    keys = KeyPair.of(private)
    async with aiohttp.ClientSession() as session, aiohttp.ClientSession() as kubelets, Tasks() as tasks:
        memory = MemoryStorage(fresh)
        server = wire(storage or memory, keys, (kubelets, kubelets), flags, "127.0.0.1:0", auditor)
        tasks.start("watch cache", server.cache.run)
        await server.cache.at_least(1)
        if storage is not None or not fresh:
            await prepare(server)
            fresh[:] = memory.log
        http = HttpServer(behind(As(app.Application(server), user)), None)
        listener = bind("127.0.0.1", 0, "--secure-port")
        port = listener.getsockname()[1]
        await http.listen(listener)
        try:
            yield Api(server, session, f"http://127.0.0.1:{port}")
        finally:
            server.stopping.set()
            await http.stop()
            if auditor is not None:
                await auditor.log.close()
            await server.webhooks.close()
            await server.evaluator.close()


async def prepare(server: Server) -> None:
    """Do what the server does at its start, and what the controllers do then."""
    await bootstrap.ensure(server, Flags().service_cluster_ip_range, 6450)
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": "default"},
    }
    await bootstrap.apply(server.registry, server.cache, account)
