"""Shell: GET /pods/X/portforward as a WebSocket: joined with one to the pod's kubelet, message by message.

The handshake is a GET like any other: it passes all filters and is answered here, with an Upgrade in place
of a body.

Absent: exec, attach and proxy; port-forwarding by HTTP upgrade (SPDY), which kubectl tries only where this
fails.
After: k8s pkg/registry/core/pod/rest/subresources.go, PortForwardREST
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from apiserver.handlers.get import find
from apiserver.handlers.pod_log import kubelet_address
from apiserver.http_protocol import OFFERED_PROTOCOLS
from apiserver.request import ApiRequest
from apiserver.server import Server
from kube.api import errors, meta

PORT_FORWARD = "SPDY/3.1+portforward.k8s.io"
MESSAGE_BYTES_MAX = 1 << 22


class Upgrade(Response):
    """The answer that makes a connection a WebSocket: `relay` then has it to itself."""

    def __init__(self, relay: Callable[[WebSocket], Awaitable[None]]) -> None:
        super().__init__(status_code=101)
        self.relay = relay


async def port_forward(server: Server, request: ApiRequest) -> Response:
    """Join the client with the kubelet that runs the pod."""
    offered = request.headers.get(OFFERED_PROTOCOLS.decode(), "").replace(" ", "").split(",")
    if PORT_FORWARD not in offered:
        raise errors.bad_request(
            f"unable to upgrade: only WebSockets with protocol {PORT_FORWARD} are served"
        )
    pod = (await find(server, request)).decode()
    node = meta.get(pod, "spec", "nodeName", default="")
    if not node:
        raise errors.bad_request(f"pod {meta.name(pod)} does not have a host assigned")
    url = f"https://{kubelet_address(server, node)}/portForward/{meta.namespace(pod)}/{meta.name(pod)}"
    try:
        upstream = await server.kubelets.ws_connect(
            url, protocols=[PORT_FORWARD], max_msg_size=MESSAGE_BYTES_MAX
        )
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise errors.internal(f'Get "{url}": {error}') from error

    async def relay(client: WebSocket) -> None:
        await client.accept(subprotocol=PORT_FORWARD)
        await _join(client, upstream)

    return Upgrade(relay)


async def _join(client: WebSocket, upstream: aiohttp.ClientWebSocketResponse) -> None:
    """Copy messages both ways until either side leaves."""
    directions = [asyncio.ensure_future(each) for each in (_up(client, upstream), _down(client, upstream))]
    try:
        await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in directions:
            each.cancel()
        await asyncio.gather(*directions, return_exceptions=True)
        await upstream.close()


async def _up(client: WebSocket, upstream: aiohttp.ClientWebSocketResponse) -> None:
    try:
        while True:
            await upstream.send_bytes(await client.receive_bytes())
    except (WebSocketDisconnect, ConnectionError):
        return


async def _down(client: WebSocket, upstream: aiohttp.ClientWebSocketResponse) -> None:
    async for message in upstream:
        if message.type is aiohttp.WSMsgType.BINARY:
            await client.send_bytes(message.data)
    await client.close()
