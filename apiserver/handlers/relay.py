"""Shell: a client's connection joined with a WebSocket to a kubelet, message by message.

The handshake is a GET like any other: it passes all filters and is answered here, with an Upgrade in place
of a body.

After: k8s staging/src/k8s.io/apimachinery/pkg/util/proxy/upgradeaware.go,
staging/src/k8s.io/apiserver/pkg/util/proxy (streamtranslator.go, websocket.go)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, cast

import aiohttp
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from apiserver.handlers.dialects import Dialect
from apiserver.http_protocol import GONE, MESSAGE_BYTES_MAX, OFFERED_PROTOCOLS
from apiserver.request import ApiRequest
from apiserver.server import Server
from kube.api import errors

CHUNK_BYTES = 32 * 1024
# How long either side may take to answer the end of a stream.
CLOSE_SECONDS = 2.0
NORMAL_CLOSURE, INTERNAL_ERROR = 1000, 1011
UPGRADE = "Upgrade request required"

Query = Sequence[tuple[str, str]]
Upstream = aiohttp.ClientWebSocketResponse


class Upgrade(Response):
    """The answer that makes a connection a WebSocket: `relay` then has it to itself."""

    def __init__(self, relay: Callable[[WebSocket], Awaitable[None]]) -> None:
        super().__init__(status_code=101)
        self.relay = relay


def chosen_dialect(request: ApiRequest, served: Sequence[Dialect]) -> Dialect:
    """The first served one that the client offers; StatusError 400 where it offers none of them."""
    if "sec-websocket-key" not in request.headers:
        raise errors.bad_request(UPGRADE)
    offered = request.headers.get(OFFERED_PROTOCOLS.decode(), "").replace(" ", "").split(",")
    found = next((dialect for dialect in served if dialect.name in offered), None)
    if found is None:
        names = " or ".join(dialect.name for dialect in served if dialect.name)
        raise errors.bad_request(f"unable to upgrade: only WebSockets with protocol {names} are served")
    return found


class KubeletRefusal(Exception):
    """The kubelet answered, but not with a WebSocket; the text is its own."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


async def to_kubelet(server: Server, url: str, query: Query, protocol: str) -> Upstream:
    """A WebSocket to a kubelet; KubeletRefusal, or StatusError 500 where nobody answers."""
    kubelets = server.kubelets
    try:
        try:
            return await kubelets.ws_connect(
                url, params=query, protocols=[protocol], max_msg_size=MESSAGE_BYTES_MAX
            )
        except aiohttp.WSServerHandshakeError as error:
            # Only its code can be seen of this answer; asked without a WebSocket the kubelet says why.
            async with kubelets.get(url, params=query) as answer:
                raise KubeletRefusal(error.status, (await answer.text()).strip()) from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise errors.internal(f'Get "{url}": {error}') from error


async def join(
    client: WebSocket,
    dialect: Dialect,
    upstream: Upstream,
    last_words: bytes = b"",
    quiet_seconds: float = 0.0,
) -> None:
    """Copy messages both ways until either side leaves; `last_words` for one whose kubelet breaks off. The
    client is told nothing for some seconds.
    """
    up = asyncio.ensure_future(_up(client, dialect, upstream))
    down = asyncio.ensure_future(_down(client, dialect, upstream, quiet_seconds))
    # Seen by nobody who reads, while a kubelet takes no more of what the client sends.
    gone = asyncio.ensure_future(client.scope["state"][GONE].wait())
    try:
        await asyncio.wait({up, down, gone}, return_when=asyncio.FIRST_COMPLETED)
        if down.done() and not up.done():
            await _end(client, dialect, upstream, last_words)
    finally:
        for each in (up, down, gone):
            each.cancel()
        await asyncio.gather(up, down, gone, return_exceptions=True)
        await _leave(upstream)


async def say(client: WebSocket, message: bytes | str) -> None:
    """Send a message, as text or as it is."""
    if isinstance(message, str):
        await client.send_text(message)
    elif message:
        await client.send_bytes(message)


async def _leave(upstream: Upstream) -> None:
    """Close as a friend if the kubelet reads, else at once: what it does not read would wait for ever."""
    connection = cast(Any, upstream)._response.connection
    transport = connection and connection.transport
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await upstream.close()
    except TimeoutError:
        return
    finally:
        if transport:
            transport.abort()


async def _up(client: WebSocket, dialect: Dialect, upstream: Upstream) -> None:
    """Until the client leaves. What a kubelet does not take any more is dropped: how it ended is still to be
    told, and a connection cut with unread data in it would take that along.
    """
    while (message := await client.receive())["type"] != "websocket.disconnect":
        if data := dialect.heard(message.get("bytes") or message.get("text") or b""):
            with suppress(ConnectionError):
                await upstream.send_bytes(data)


async def _down(client: WebSocket, dialect: Dialect, upstream: Upstream, quiet_seconds: float) -> None:
    await asyncio.sleep(quiet_seconds)
    async for message in upstream:
        if message.type is aiohttp.WSMsgType.BINARY:
            await say(client, dialect.said(message.data))


async def _end(client: WebSocket, dialect: Dialect, upstream: Upstream, last_words: bytes) -> None:
    """Close as the kubelet did; where it broke off, never as if all had gone well."""
    is_whole = upstream.close_code == NORMAL_CLOSURE
    try:
        if not is_whole and last_words:
            await say(client, dialect.said(last_words))
        await client.close(NORMAL_CLOSURE if is_whole or last_words else INTERNAL_ERROR)
    except (WebSocketDisconnect, RuntimeError):
        # The client left at the same time.
        return


async def join_bytes(upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy bytes of a connection that was taken over, both ways, until either side leaves.

    A client is read on for a while, so that it hears the end.
    """

    async def up() -> None:
        while data := await reader.read(CHUNK_BYTES):
            with suppress(ConnectionError):
                await upstream.send_bytes(data)

    async def down() -> None:
        async for message in upstream:
            if message.type is aiohttp.WSMsgType.BINARY:
                writer.write(message.data)
                await writer.drain()

    tasks = [asyncio.ensure_future(up()), asyncio.ensure_future(down())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait(tasks[:1], timeout=CLOSE_SECONDS)
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await _leave(upstream)
