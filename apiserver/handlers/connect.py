"""Shell: pods/X/exec, attach and portforward: finds the pod's kubelet and joins the client with it.

Whoever may only `get` may not run commands: both ways to ask, GET for a WebSocket and POST, need the verb
`create`.

Absent: proxy; HTTP upgrades to SPDY, which kubectl tries only where a WebSocket fails.
After: k8s pkg/registry/core/pod/rest/subresources.go (ExecREST, AttachREST, PortForwardREST),
pkg/registry/core/pod/strategy.go (streamLocation), pkg/registry/core/pod/rest/authorization.go
"""

from __future__ import annotations

from dataclasses import replace

import aiohttp
import orjson
from starlette.responses import Response
from starlette.websockets import WebSocket

from apiserver.filters.authorization import forbidden
from apiserver.handlers.get import find
from apiserver.handlers.pod_log import chosen_container, kubelet_address
from apiserver.handlers.relay import KubeletRefusal, Query, Upgrade, chosen_protocol, join, to_kubelet
from apiserver.request import ApiRequest
from apiserver.server import Server
from kube.api import errors, meta
from kube.api.errors import StatusError
from kube.api.meta import Object

PORT_FORWARD = "SPDY/3.1+portforward.k8s.io"
V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
# The channel of exec and attach that tells how it ended.
STATUS_CHANNEL = b"\x03"
# What the API calls a stream, and what the kubelet calls it.
STREAMS = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}


async def port_forward(server: Server, request: ApiRequest) -> Response:
    """Forward connections to ports of a pod."""
    _ensure_may_create(server, request)
    pod = (await find(server, request)).decode()
    url = _kubelet_url(server, pod, "portForward")
    protocol = chosen_protocol(request, (PORT_FORWARD,))
    try:
        upstream = await to_kubelet(server, url, (), protocol)
    except KubeletRefusal as refusal:
        raise _upgrade_failed(refusal) from refusal

    async def relay(client: WebSocket) -> None:
        await client.accept(subprotocol=protocol)
        await join(client, upstream)

    return Upgrade(relay)


async def execute(server: Server, request: ApiRequest) -> Response:
    """Run a command in a container."""
    command = [("command", word) for word in request.query_params.getlist("command")]
    return await _remote_command(server, request, "exec", command)


async def attach(server: Server, request: ApiRequest) -> Response:
    """Be at a container's own streams."""
    return await _remote_command(server, request, "attach", [])


async def _remote_command(server: Server, request: ApiRequest, what: str, command: Query) -> Response:
    _ensure_may_create(server, request)
    pod = (await find(server, request)).decode()
    container = chosen_container(pod, request.parameter("container"))
    url = f"{_kubelet_url(server, pod, what)}/{container}"
    protocol = chosen_protocol(request, (V5, V4))
    wanted = [name for name in STREAMS if request.parameter(name) in ("true", "1")]
    query = [*command, *((STREAMS[name], "1") for name in wanted)]
    try:
        joined: aiohttp.ClientWebSocketResponse | StatusError = await to_kubelet(server, url, query, protocol)
    except KubeletRefusal as refusal:
        if protocol != V5:
            raise _upgrade_failed(refusal) from refusal
        joined = _upgrade_failed(refusal)
    broke_off = errors.internal(f"the kubelet of {pod['spec']['nodeName']} broke off the connection")

    async def relay(client: WebSocket) -> None:
        await client.accept(subprotocol=protocol)
        if isinstance(joined, StatusError):
            # As the real one: it upgrades before it asks the kubelet.
            await client.send_bytes(_last_words(joined))
            await client.close()
        else:
            await join(client, joined, _last_words(broke_off))

    return Upgrade(relay)


def _last_words(error: StatusError) -> bytes:
    return STATUS_CHANNEL + orjson.dumps(error.status())


def _upgrade_failed(refusal: KubeletRefusal) -> StatusError:
    return errors.internal(f"unable to upgrade connection: {refusal}")


def _ensure_may_create(server: Server, request: ApiRequest) -> None:
    info = replace(request.info, verb="create")
    if not server.authorizer.allows(request.caller, info):
        raise forbidden(request.caller, info)


def _kubelet_url(server: Server, pod: Object, what: str) -> str:
    """Where the kubelet serves it; StatusError 400 for a pod without a node."""
    node = meta.get(pod, "spec", "nodeName", default="")
    if not node:
        raise errors.bad_request(f"pod {meta.name(pod)} does not have a host assigned")
    return f"https://{kubelet_address(server, node)}/{what}/{meta.namespace(pod)}/{meta.name(pod)}"
