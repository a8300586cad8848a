"""Shell: /portForward: SPDY frames as WebSocket messages, until the client leaves."""

from __future__ import annotations

from functools import partial

from aiohttp import WSMsgType, web

from kube.api import meta
from kube.base.logs import logger
from kubelet.server.served import Served
from kubelet.streaming.port_forward import PortForward
from kubelet.streaming.spdy import SpdyError

log = logger(__name__)

PROTOCOL = "SPDY/3.1+portforward.k8s.io"
MESSAGE_BYTES_MAX = 1 << 22


async def port_forward(served: Served, request: web.Request) -> web.StreamResponse:
    """Join a client with ports of a pod."""
    pod = served.pod(request)
    sandbox = served.runtime.sandbox_of(meta.uid(pod))
    if sandbox is None or not sandbox.ready:
        raise web.HTTPBadRequest(text=f'pod "{meta.key(pod)}" is not running')
    socket = web.WebSocketResponse(protocols=[PROTOCOL], max_msg_size=MESSAGE_BYTES_MAX)
    await socket.prepare(request)
    address_of = partial(served.runtime.address_of, meta.uid(pod))
    forward = PortForward(meta.key(pod), address_of, socket.send_bytes)
    try:
        async for message in socket:
            if message.type is not WSMsgType.BINARY or not await forward.receive(message.data):
                break
    except SpdyError as error:
        log.warning("a client forwards ports in a way we do not know", pod=meta.key(pod), error=error)
    finally:
        await forward.close()
    return socket
