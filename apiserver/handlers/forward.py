"""Shell: a request goes on to another server as it comes, body, query and all, and the answer comes back as
it comes; a WebSocket goes on as one, whatever is spoken in it.

After: k8s staging/src/k8s.io/apimachinery/pkg/util/proxy/upgradeaware.go
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import aiohttp
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.websockets import WebSocket
from yarl import URL

from apiserver.handlers.proxy_target import forwarded
from apiserver.handlers.relay import Upgrade
from apiserver.http_protocol import MESSAGE_BYTES_MAX, OFFERED_PROTOCOLS, TOKEN_PROTOCOL
from apiserver.request import ApiRequest
from kube.api import errors

Headers = Sequence[tuple[str, str]]
# What aiohttp would say of itself where the client says nothing.
NOT_ADDED = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class Unreachable(Exception):
    """The other side does not answer; the text says why, as Kubernetes does."""


@dataclass(frozen=True, slots=True)
class Target:
    """The other side: who may be asked by which session.

    ssl: how its certificate is checked, where the session does not know; server_name: whose it must be.
    """

    session: aiohttp.ClientSession
    scheme: str
    host: str
    ssl: ssl.SSLContext | bool = True
    server_name: str | None = None

    def url(self, path_and_query: str) -> URL:
        return URL(f"{self.scheme}://{self.host}{path_and_query}", encoded=True)


def is_socket(request: ApiRequest) -> bool:
    """True for the handshake of a WebSocket."""
    return "sec-websocket-key" in request.headers


def own_headers(request: ApiRequest) -> list[tuple[str, str]]:
    """The client's headers, as far as they go on."""
    client = request.client.host if request.client else ""
    return forwarded(request.headers.raw, client, request.scope["path"], request.headers.get("host", ""))


async def forward(request: ApiRequest, target: Target, url: URL, headers: Headers) -> aiohttp.ClientResponse:
    """The head of the answer; raises Unreachable."""
    has_body = "transfer-encoding" in request.headers or int(request.headers.get("content-length") or 0) > 0
    try:
        return await target.session.request(
            request.method,
            url,
            headers=headers,
            data=request.stream() if has_body else None,
            allow_redirects=False,
            skip_auto_headers=NOT_ADDED,
            ssl=target.ssl,
            server_hostname=target.server_name,
        )
    except ClientDisconnect:
        raise
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise Unreachable(why_unreachable(target.host, error)) from error


def why_unreachable(host: str, error: Exception) -> str:
    """What went wrong, in Go's words where there are some."""
    if isinstance(error, OSError) and error.errno:
        return f"dial tcp {host}: connect: {os.strerror(error.errno).lower()}"
    return str(error) or type(error).__name__


async def chunks(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The answer's body, as it comes."""
    try:
        async for chunk in answer.content.iter_any():
            yield chunk
    finally:
        answer.close()


async def join_socket(request: ApiRequest, target: Target, url: URL, headers: Headers) -> Response:
    """Join a client's WebSocket with one to the other side; raises Unreachable."""
    words = request.headers.get(OFFERED_PROTOCOLS.decode(), "").replace(" ", "").split(",")
    offered = [each for each in words if each and not each.startswith(TOKEN_PROTOCOL)]
    try:
        upstream = await target.session.ws_connect(
            url,
            protocols=offered,
            headers=[each for each in headers if each[0].encode() != OFFERED_PROTOCOLS],
            max_msg_size=MESSAGE_BYTES_MAX,
            ssl=target.ssl,
            server_hostname=target.server_name,
        )
    except aiohttp.WSServerHandshakeError as error:
        raise errors.StatusError(
            error.status, "InternalError", f"unable to upgrade: {error.message}"
        ) from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise Unreachable(why_unreachable(target.host, error)) from error

    async def relay(client: WebSocket) -> None:
        await client.accept(subprotocol=upstream.protocol)
        await _copy(client, upstream)

    return Upgrade(relay)


async def _copy(client: WebSocket, upstream: aiohttp.ClientWebSocketResponse) -> None:
    async def up() -> None:
        while (message := await client.receive())["type"] != "websocket.disconnect":
            if message.get("text") is not None:
                await upstream.send_str(message["text"])
            else:
                await upstream.send_bytes(message.get("bytes") or b"")

    async def down() -> None:
        async for message in upstream:
            if message.type is aiohttp.WSMsgType.TEXT:
                await client.send_text(message.data)
            elif message.type is aiohttp.WSMsgType.BINARY:
                await client.send_bytes(message.data)
        await client.close(upstream.close_code or 1000)

    tasks = [asyncio.ensure_future(up()), asyncio.ensure_future(down())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await upstream.close()
