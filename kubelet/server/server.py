"""Shell: the kubelet's HTTPS port: one table of what it serves, beside the health of every process
(/healthz /livez /readyz /metrics).

Who may ask what: gate.py. The API server is the usual caller.

After: k8s pkg/kubelet/server/server.go.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from aiohttp import web
from prometheus_client import CollectorRegistry

from kube.base.health import Check, HealthServer
from kubelet.server.commands import attach, execute, run
from kubelet.server.gate import Gate, Handler
from kubelet.server.logs import container_logs
from kubelet.server.pods import list_pods, running_pods
from kubelet.server.port_forward import port_forward
from kubelet.server.served import Served
from kubelet.server.stats import metrics_resource, stats_summary

Handle = Callable[[Served, web.Request], Awaitable[web.StreamResponse]]

CONTAINER = "{namespace}/{pod}/{container}"
CONTAINER_BY_UID = "{namespace}/{pod}/{uid}/{container}"
ROUTES: tuple[tuple[str, str, Handle], ...] = (
    ("GET", "/pods", list_pods),
    ("GET", "/runningpods/", running_pods),
    ("GET", "/metrics/resource", metrics_resource),
    ("GET", "/stats/summary", stats_summary),
    ("GET", f"/containerLogs/{CONTAINER}", container_logs),
    ("GET", f"/exec/{CONTAINER}", execute),
    ("GET", f"/exec/{CONTAINER_BY_UID}", execute),
    ("GET", f"/attach/{CONTAINER}", attach),
    ("GET", f"/attach/{CONTAINER_BY_UID}", attach),
    ("POST", f"/run/{CONTAINER}", run),
    ("POST", f"/run/{CONTAINER_BY_UID}", run),
    ("GET", "/portForward/{namespace}/{pod}", port_forward),
    ("GET", "/portForward/{namespace}/{pod}/{uid}", port_forward),
)


class KubeletServer(HealthServer):
    """The health of the process, and what the kubelet and its runtime know; only tests have no gate."""

    def __init__(
        self,
        host: str,
        port: int,
        ssl_context: ssl.SSLContext | None,
        checks: Mapping[str, Check],
        registry: CollectorRegistry,
        served: Served,
        gate: Gate | None,
    ) -> None:
        self._served, self._gate = served, gate
        super().__init__(host, port, ssl_context, checks, registry)

    def _application(self) -> web.Application:
        application = super()._application()
        if self._gate is not None:
            application.middlewares.append(self._guard)
        for method, path, handle in ROUTES:
            application.router.add_route(method, path, partial(handle, self._served))
        return application

    async def stop(self) -> None:
        await super().stop()
        self._served.changes.close()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        assert self._gate is not None, "without a gate nobody stands guard"
        return await self._gate.pass_through(request, handler)
