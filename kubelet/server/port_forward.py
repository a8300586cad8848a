"""Shell: /portForward: joins a client's WebSocket with ports of a pod, until the client leaves.

SPDY/3.1+portforward.k8s.io   SPDY frames as messages: any number of connections, as kubectl has them
v4.channel.k8s.io             one connection to each port of the query, as the Python clients have them
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from aiohttp import WSMsgType, web

from kube.api import meta
from kube.base.logs import logger
from kube.base.spdy import SpdyError
from kubelet.server.served import Served
from kubelet.streaming.channels import V4
from kubelet.streaming.port_channels import PortChannels, ports_of
from kubelet.streaming.port_forward import PortForward
from kubelet.streaming.presence import until_gone
from kubelet.streaming.remote_command import MESSAGE_BYTES_MAX
from kubelet.streaming.tunnel import AddressOf

log = logger(__name__)

PROTOCOL = "SPDY/3.1+portforward.k8s.io"


async def port_forward(served: Served, request: web.Request) -> web.StreamResponse:
    """Join a client with ports of a pod."""
    pod = served.pod(request)
    sandbox = served.runtime.sandbox_of(meta.uid(pod))
    if sandbox is None or not sandbox.ready:
        raise web.HTTPBadRequest(text=f'pod "{meta.key(pod)}" is not running')
    socket = web.WebSocketResponse(protocols=[PROTOCOL, V4], max_msg_size=MESSAGE_BYTES_MAX)
    can = socket.can_prepare(request)
    try:
        ports = [] if can.protocol == PROTOCOL else ports_of(request.query.getall("port", []))
    except ValueError as error:
        raise web.HTTPBadRequest(text=str(error)) from error
    if not can.ok:
        raise web.HTTPBadRequest(text=f"only WebSockets are served, with {PROTOCOL} or {V4}")
    await socket.prepare(request)
    name, address_of = meta.key(pod), partial(served.runtime.address_of, meta.uid(pod))
    if can.protocol == PROTOCOL:
        await _serve_spdy(socket, name, address_of)
    else:
        await _serve_channels(socket, name, ports, address_of)
    return socket


async def _serve_spdy(socket: web.WebSocketResponse, name: str, address_of: AddressOf) -> None:
    forward = PortForward(name, address_of, socket.send_bytes)

    async def listen() -> None:
        async for message in socket:
            if message.type is not WSMsgType.BINARY or not await forward.receive(message.data):
                break

    try:
        await _until_one_ends(listen, partial(until_gone, socket))
    except SpdyError as error:
        log.warning("a client forwards ports in a way we do not know", pod=name, error=error)
    finally:
        await forward.close()


async def _serve_channels(
    socket: web.WebSocketResponse, name: str, ports: Sequence[int], address_of: AddressOf
) -> None:
    channels = PortChannels(name, ports, address_of, socket.send_bytes)

    async def listen() -> None:
        async for message in socket:
            if message.type is WSMsgType.BINARY and message.data:
                await channels.receive(message.data)

    await _until_one_ends(listen, channels.run, partial(until_gone, socket))
    await socket.close()


async def _until_one_ends(*functions: Callable[[], Coroutine[Any, Any, None]]) -> None:
    tasks = [asyncio.ensure_future(each()) for each in functions]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in tasks:
            each.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception) and not isinstance(outcome, ConnectionError):
            raise outcome
