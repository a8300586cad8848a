"""The server's end: what is still being answered then is not answered with a lie."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from apiserver import http_protocol
from apiserver.http_protocol import HttpServer, bind
from kube.base import tls
from tests.support.certificates import Authority, make_authority
from tests.support.wait import until_async

HOST = "127.0.0.1"


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_request_that_is_not_answered_in_time_ends_with_its_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encrypted: bool
) -> None:
    """Not with 500, which says that it is over: a write may have happened."""
    monkeypatch.setattr(http_protocol, "SHUTDOWN_SECONDS", 0.1)
    arrived = asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        arrived.set()
        await asyncio.Event().wait()

    here, there = contexts(make_authority(tmp_path)) if encrypted else (None, None)
    listener = bind(HOST, 0, "--secure-port")
    url = f"http{'s' if encrypted else ''}://127.0.0.1:{listener.getsockname()[1]}/"
    server = HttpServer(application, here)
    await server.listen(listener)
    async with aiohttp.ClientSession() as session:
        asking = asyncio.ensure_future(session.post(url, ssl=there or True))
        await arrived.wait()
        await server.stop()
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await asking


async def test_a_body_does_not_wait_until_its_head_is_acknowledged() -> None:
    """Nagle's delay is off on every connection of a bound socket, whatever loop accepts it."""
    accepted: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()

    class Accepting(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.set_result(transport.get_extra_info("socket"))

    listener = bind(HOST, 0, "--secure-port")
    server = await asyncio.get_running_loop().create_server(Accepting, sock=listener)
    _, writer = await asyncio.open_connection(*listener.getsockname())
    assert (await accepted).getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    writer.close()
    server.close()


async def test_no_request_begins_when_the_server_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor on a connection that was just being made: its request would be cancelled, and answered with 500."""
    monkeypatch.setattr(http_protocol, "SHUTDOWN_SECONDS", 0.5)
    begun: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        begun.append(scope["path"])
        await asyncio.Event().wait()

    here, there = contexts(make_authority(tmp_path))
    listener = bind(HOST, 0, "--secure-port")
    server, address = HttpServer(application, here), listener.getsockname()
    await server.listen(listener)
    with socket.create_connection(address) as late:
        late.setblocking(False)
        # When these have been served, the late one has been accepted, too.
        busy = asyncio.ensure_future(get(*await connect(address, there), "/busy"))
        idle = await connect(address, there)
        await until_async("the busy one has begun", lambda: begun)
        stopping = asyncio.ensure_future(server.stop())
        await asyncio.sleep(0)
        assert await get(*idle, "/idle") == b""
        try:
            answer = await get(
                *await asyncio.open_connection(sock=late, ssl=there, server_hostname=HOST), "/late"
            )
        except ConnectionError:
            answer = b""
        assert answer == b""
        await stopping
    assert await busy == b""
    assert begun == ["/busy"]


async def connect(address: Any, context: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*address, ssl=context, server_hostname=HOST)


async def get(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> bytes:
    """Everything that comes until the connection ends."""
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


def contexts(authority: Authority) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's and the client's."""
    server = tls.server_context(*authority.pair("server"), authority.ca)
    return server, tls.client_context(authority.ca, *authority.pair("client"))


async def test_who_sends_too_slowly_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, within and after the headers of a first and of a second request."""
    monkeypatch.setattr(http_protocol, "HEADER_SECONDS", 0.2)
    monkeypatch.setattr(http_protocol, "BODY_SECONDS", 0.2)
    async with plain(echo) as address:
        assert await said(address, b"") == b""
        assert await said(address, b"GET / HT") == b""
        assert await said(address, b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n1234") == b""
        second = await said(address, REQUEST + b"GET / HTTP/1.1\r\nHost:")
        assert (second.count(b"200 OK"), second.count(b"echo /")) == (1, 1)


async def test_who_waits_for_an_answer_is_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long after its request: so long that who came later, and said nothing, was cut off meanwhile."""
    monkeypatch.setattr(http_protocol, "HEADER_SECONDS", 0.2)
    monkeypatch.setattr(http_protocol, "BODY_SECONDS", 0.2)
    begun, may_answer = asyncio.Event(), asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await may_answer.wait()
        await echo(scope, receive, send)

    async with plain(slow) as address:
        request = b"GET /slow HTTP/1.1\r\nConnection: close\r\n\r\n"
        waiting = asyncio.create_task(said(address, request))
        await begun.wait()
        assert await said(address, b"") == b""
        may_answer.set()
        assert (await waiting).endswith(b"echo /slow")


async def test_headers_have_an_end() -> None:
    large = b"GET / HTTP/1.1\r\nX: " + b"x" * (http_protocol.HEADER_BYTES_MAX + 1)
    async with plain(echo) as address:
        assert (await said(address, large)).startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
        # A body may be larger, and many requests together.
        body = b"x" * (http_protocol.HEADER_BYTES_MAX * 2)
        length = f"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        assert (await said(address, length + body)).endswith(b"echo /")


async def test_a_bug_is_told_as_a_status() -> None:
    async def buggy(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError(scope["path"])

    async with plain(buggy) as address:
        head, _, body = (await said(address, REQUEST)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 500 ")
    assert b'"kind":"Status"' in body
    assert b'"reason":"InternalError"' in body


async def test_a_request_that_is_cancelled_is_not_answered() -> None:
    async def cancelled(scope: Any, receive: Any, send: Any) -> None:
        raise asyncio.CancelledError

    async with plain(cancelled) as address:
        assert await said(address, REQUEST) == b""


REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Read the body, and answer with the path."""
    while (await receive()).get("more_body"):
        pass
    body = f"echo {scope['path']}".encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def plain(application: Any) -> AsyncIterator[Any]:
    """A server without TLS: its address."""
    listener = bind(HOST, 0, "--secure-port")
    server = HttpServer(application, None)
    await server.listen(listener)
    yield listener.getsockname()
    await server.stop()


async def said(address: Any, request: bytes) -> bytes:
    """What the server says until it closes the connection."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(request)
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


async def test_a_web_socket_knows_its_peer_as_a_request_does(tmp_path: Path) -> None:
    peers: dict[str, Any] = {}

    async def application(scope: Any, receive: Any, send: Any) -> None:
        peers[scope["type"]] = scope["state"]["peer"].user.name
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close"})
        else:
            await echo(scope, receive, send)

    here, there = contexts(make_authority(tmp_path))
    listener = bind(HOST, 0, "--secure-port")
    server, port = HttpServer(application, here), listener.getsockname()[1]
    await server.listen(listener)
    async with aiohttp.ClientSession() as session:
        await session.get(f"https://{HOST}:{port}/", ssl=there)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(f"https://{HOST}:{port}/", ssl=there)
    await server.stop()
    assert peers == {"http": "client", "websocket": "client"}
