"""Shell: pods/X/exec, attach and portforward: finds the pod's kubelet and joins the client with it.

    client: WebSocket (dialects.py), or SPDY on a connection taken over (takeover.py)  ---  kubelet: WebSocket

Whoever may only `get` may not run commands: both ways to ask, GET for a WebSocket and POST, need the verb
`create`.

After: k8s pkg/registry/core/pod/rest/subresources.go (ExecREST, AttachREST, PortForwardREST),
pkg/registry/core/pod/strategy.go (streamLocation), pkg/registry/core/pod/rest/authorization.go
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

import orjson
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from apiserver.filters.authorization import forbidden
from apiserver.handlers import spdy_command
from apiserver.handlers.connecting import ask_to_connect
from apiserver.handlers.dialects import COMMAND_DIALECTS, FORWARD_DIALECTS, STATUS, TUNNEL, V5, Dialect
from apiserver.handlers.get import find
from apiserver.handlers.pod_log import chosen_container, kubelet_address
from apiserver.handlers.relay import (
    KubeletRefusal,
    Query,
    Upgrade,
    Upstream,
    chosen_dialect,
    join,
    join_bytes,
    say,
    to_kubelet,
)
from apiserver.handlers.spdy_command import SpdyCommand, expected_streams
from apiserver.handlers.takeover import Takeover, chosen_version, wants_spdy
from apiserver.request import ApiRequest
from apiserver.server import Server
from kube.api import errors, meta
from kube.api.errors import StatusError
from kube.api.meta import Object

PORT_FORWARD_V1 = "portforward.k8s.io"
# From the handshake to the first message. kubectl 1.30 to 1.32 reads messages while it still makes its
# streams and throws away those of streams that it has not made ("Unknown stream id 1"; k8s issue 131189). A
# real command takes its time to begin; a pretended one would answer at once.
STREAMS_SECONDS = 0.05
# What the API calls a stream, and what the kubelet calls it.
STREAMS = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}


async def port_forward(server: Server, request: ApiRequest) -> Response:
    """Forward connections to ports of a pod."""
    pod = await _pod(server, request)
    url = _kubelet_url(server, pod, "portForward")
    if wants_spdy(request):
        version = chosen_version(request, (PORT_FORWARD_V1,))
        return await _taken_over(server, url, (), TUNNEL, version)
    dialect = chosen_dialect(request, FORWARD_DIALECTS)
    ports = request.query_params.getlist("ports")
    try:
        upstream = await to_kubelet(server, url, [("port", each) for each in ports], dialect.upstream)
    except KubeletRefusal as refusal:
        raise _upgrade_failed(refusal) from refusal

    async def relay(client: WebSocket) -> None:
        await client.accept(subprotocol=dialect.name or None)
        await join(client, dialect, upstream)

    return Upgrade(relay)


async def _taken_over(server: Server, url: str, query: Query, protocol: str, version: str) -> Response:
    try:
        upstream = await to_kubelet(server, url, query, protocol)
    except KubeletRefusal as refusal:
        return _in_its_words(refusal)
    return Takeover(version, partial(join_bytes, upstream))


async def execute(server: Server, request: ApiRequest) -> Response:
    """Run a command in a container."""
    command = [("command", word) for word in request.query_params.getlist("command")]
    return await _remote_command(server, request, "exec", command)


async def attach(server: Server, request: ApiRequest) -> Response:
    """Be at a container's own streams."""
    return await _remote_command(server, request, "attach", [])


async def _remote_command(server: Server, request: ApiRequest, what: str, command: Query) -> Response:
    pod = await _pod(server, request)
    container = chosen_container(pod, request.parameter("container"))
    url = f"{_kubelet_url(server, pod, what)}/{container}"
    wanted = [name for name in STREAMS if request.parameter(name) in ("true", "1")]
    query = [*command, *((STREAMS[name], "1") for name in wanted)]
    broke_off = errors.internal(f"the kubelet of {pod['spec']['nodeName']} broke off the connection")
    if wants_spdy(request):
        return await _spdy_command(server, request, url, query, wanted, broke_off)
    dialect = chosen_dialect(request, COMMAND_DIALECTS)
    connect = partial(_to_command, server, url, query, dialect.upstream)
    # kubectl misses what comes before it has looked at the answer to its handshake. So, as the real one: the
    # newest protocol is switched to before the kubelet is asked, and a refusal told in it.
    joined = None if dialect.name == V5 else await connect()
    return Upgrade(partial(_join_command, dialect, joined, connect, _last_words(broke_off)))


async def _to_command(server: Server, url: str, query: Query, protocol: str) -> Upstream:
    try:
        return await to_kubelet(server, url, query, protocol)
    except KubeletRefusal as refusal:
        raise _upgrade_failed(refusal) from refusal


async def _join_command(
    dialect: Dialect,
    joined: Upstream | None,
    connect: Callable[[], Awaitable[Upstream]],
    last_words: bytes,
    client: WebSocket,
) -> None:
    """Join a client with its command, which is connected to now if it is not joined yet."""
    await client.accept(subprotocol=dialect.name or None)
    try:
        upstream = joined or await connect()
    except StatusError as error:
        await asyncio.sleep(STREAMS_SECONDS)
        # The client may have left meanwhile.
        with suppress(WebSocketDisconnect, RuntimeError):
            await say(client, dialect.said(_last_words(error)))
            await client.close()
    else:
        await join(client, dialect, upstream, last_words, 0.0 if joined else STREAMS_SECONDS)


async def _spdy_command(
    server: Server,
    request: ApiRequest,
    url: str,
    query: Query,
    wanted: Sequence[str],
    broke_off: StatusError,
) -> Response:
    version = chosen_version(request, spdy_command.VERSIONS)
    try:
        upstream = await to_kubelet(server, url, query, V5)
    except KubeletRefusal as refusal:
        return _in_its_words(refusal)
    last_words = orjson.dumps(broke_off.status())
    command = SpdyCommand(upstream, version, expected_streams(wanted, version), last_words)
    return Takeover(version, command.relay)


def _last_words(error: StatusError) -> bytes:
    return bytes([STATUS]) + orjson.dumps(error.status())


def _upgrade_failed(refusal: KubeletRefusal) -> StatusError:
    return errors.internal(f"unable to upgrade connection: {refusal}")


def _in_its_words(refusal: KubeletRefusal) -> Response:
    """A kubelet's refusal as it is: a client of SPDY says itself what it could not do."""
    return Response(str(refusal), refusal.code, media_type="text/plain")


async def _pod(server: Server, request: ApiRequest) -> Object:
    """The pod, for who may do more than look, and if no plug-in minds."""
    info = replace(request.info, verb="create")
    if not server.authorizer.allows(request.caller, info):
        raise forbidden(request.caller, info)
    pod = (await find(server, request)).decode()
    await ask_to_connect(server, request)
    return pod


def _kubelet_url(server: Server, pod: Object, what: str) -> str:
    """Where the kubelet serves it; StatusError 400 for a pod without a node."""
    node = meta.get(pod, "spec", "nodeName", default="")
    if not node:
        raise errors.bad_request(f"pod {meta.name(pod)} does not have a host assigned")
    return f"https://{kubelet_address(server, node)}/{what}/{meta.namespace(pod)}/{meta.name(pod)}"
