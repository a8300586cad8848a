"""Shell: the kubelet's HTTPS port: /healthz /livez /readyz /metrics as every process has them, /pods,
/containerLogs, /exec, /attach, /portForward.

Only clients with a certificate of the cluster's authority are let in; the API server is the usual one.

Absent: /run, and who of those let in may do what.
After: k8s pkg/kubelet/server/server.go.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path

import orjson
from aiohttp import WSMsgType, web
from prometheus_client import CollectorRegistry

from kube.api import meta
from kube.api.meta import Object
from kube.base.clock import Clock
from kube.base.health import Check, HealthServer
from kube.base.logs import logger
from kube.client.store import Store
from kubelet.container_logs import LogOptions, select
from kubelet.pod.plan import PodState, init_containers
from kubelet.runtime.interface import Container, Runtime
from kubelet.streaming import remote_command
from kubelet.streaming.channels import Options
from kubelet.streaming.port_forward import PortForward
from kubelet.streaming.remote_command import RemoteCommand
from kubelet.streaming.spdy import SpdyError

log = logger(__name__)

PORT_FORWARD_PROTOCOL = "SPDY/3.1+portforward.k8s.io"
MESSAGE_BYTES_MAX = 1 << 22
# How often a followed log is looked at for new lines.
FOLLOW_SECONDS = 0.2


class KubeletServer(HealthServer):
    """The health of the process, and what the kubelet and its runtime know."""

    def __init__(
        self,
        host: str,
        port: int,
        ssl_context: ssl.SSLContext | None,
        checks: Mapping[str, Check],
        registry: CollectorRegistry,
        pods: Store,
        runtime: Runtime,
        clock: Clock,
    ) -> None:
        self._pods, self._runtime, self._clock = pods, runtime, clock
        super().__init__(host, port, ssl_context, checks, registry)

    def _application(self) -> web.Application:
        application = super()._application()
        application.router.add_get("/pods", self._list_pods)
        application.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._container_logs)
        application.router.add_get("/portForward/{namespace}/{pod}", self._port_forward)
        for place in ("{namespace}/{pod}/{container}", "{namespace}/{pod}/{uid}/{container}"):
            application.router.add_get(f"/exec/{place}", self._exec)
            application.router.add_get(f"/attach/{place}", self._attach)
        return application

    async def _list_pods(self, _: web.Request) -> web.Response:
        pods = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": self._pods.list()}
        return web.Response(body=orjson.dumps(pods), content_type="application/json")

    async def _container_logs(self, request: web.Request) -> web.StreamResponse:
        try:
            options = LogOptions.parse(request.query, self._clock.now())
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        pod = self._pod(request)
        name = request.match_info["container"]
        container = self._container(pod, name, options.previous)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        await self._send_log(response, container, options)
        return response

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        """Run a command in a container with the client's streams."""
        container, options = self._running(request), _stream_options(request)
        command = request.query.getall("command", [])
        if not command:
            raise web.HTTPBadRequest(text="you must specify at least one command for the container")

        async def run(streams: RemoteCommand) -> int:
            return await self._runtime.exec(container.id, command, streams, is_terminal=options.is_terminal)

        return await remote_command.serve(request, options, run)

    async def _attach(self, request: web.Request) -> web.StreamResponse:
        """Show what a container writes from now on; it reads nothing."""
        container, options = self._running(request), _stream_options(request)

        async def run(streams: RemoteCommand) -> int:
            path = self._runtime.log_path(container.id)
            async for lines in self._follow(container, path.stat().st_size if path.exists() else 0):
                text = select(lines, LogOptions())
                await streams.write(text.replace(b"\n", b"\r\n") if options.is_terminal else text)
            return 0

        return await remote_command.serve(request, options, run)

    async def _port_forward(self, request: web.Request) -> web.WebSocketResponse:
        """SPDY frames as WebSocket messages, until the client leaves."""
        pod = self._pod(request)
        sandbox = self._runtime.sandbox_of(meta.uid(pod))
        if sandbox is None or not sandbox.ready:
            raise web.HTTPBadRequest(text=f'pod "{meta.key(pod)}" is not running')
        socket = web.WebSocketResponse(protocols=[PORT_FORWARD_PROTOCOL], max_msg_size=MESSAGE_BYTES_MAX)
        await socket.prepare(request)
        address_of = partial(self._runtime.address_of, meta.uid(pod))
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

    def _pod(self, request: web.Request) -> Object:
        key = f"{request.match_info['namespace']}/{request.match_info['pod']}"
        pod = self._pods.get(key)
        if pod is None:
            raise web.HTTPNotFound(text=f'pod "{key}" does not exist')
        return pod

    def _container(self, pod: Object, name: str, previous: bool) -> Container:
        """The container meant; 404 and 400 with the kubelet's words where there is none, or none yet."""
        specs = [*init_containers(pod), *pod["spec"]["containers"]]
        if all(spec["name"] != name for spec in specs):
            raise web.HTTPNotFound(text=f'container "{name}" in pod "{meta.name(pod)}" is not available')
        uid = meta.uid(pod)
        state = PodState(self._runtime.sandbox_of(uid), self._runtime.containers_of(uid))
        found = state.previous(name) if previous else state.latest(name)
        if found is None or found.started_at is None:
            who = f'container "{name}" in pod "{meta.name(pod)}"'
            missing = f"previous terminated {who} not found"
            waiting = f"{who} is waiting to start: ContainerCreating"
            raise web.HTTPBadRequest(text=missing if previous else waiting)
        return found

    def _running(self, request: web.Request) -> Container:
        """The running container meant; 404 with the kubelet's words where there is none."""
        pod, name = self._pod(request), request.match_info["container"]
        uid = request.match_info.get("uid", meta.uid(pod))
        found = PodState(None, self._runtime.containers_of(uid)).latest(name)
        if found is None or not found.is_running:
            raise web.HTTPNotFound(text=f'container not found ("{name}")')
        return found

    async def _send_log(
        self, response: web.StreamResponse, container: Container, options: LogOptions
    ) -> None:
        """Send what there is; with `follow` also what comes, until the container ends."""
        lines, position = _read_lines(self._runtime.log_path(container.id), 0)
        await response.write(select(lines, options))
        if options.follow:
            async for more in self._follow(container, position):
                await response.write(select(more, LogOptions(timestamps=options.timestamps)))

    async def _follow(self, container: Container, position: int) -> AsyncIterator[list[str]]:
        """The lines after a position as they come, until the container ends."""
        path = self._runtime.log_path(container.id)
        while True:
            containers = self._runtime.containers_of(container.pod_uid)
            is_running = any(each.id == container.id and each.is_running for each in containers)
            lines, position = _read_lines(path, position)
            if lines:
                yield lines
            elif not is_running:
                return
            else:
                await asyncio.sleep(FOLLOW_SECONDS)


def _stream_options(request: web.Request) -> Options:
    try:
        return Options.parse(request.query)
    except ValueError as error:
        raise web.HTTPBadRequest(text=str(error)) from error


def _read_lines(path: Path, position: int) -> tuple[list[str], int]:
    """The whole lines after a position, and the position after them."""
    if not path.exists():
        return [], position
    with path.open("rb") as log:
        log.seek(position if position <= path.stat().st_size else 0)
        data = log.read()
        end = data.rfind(b"\n") + 1
        return data[:end].decode().splitlines(keepends=True), log.tell() - len(data) + end
