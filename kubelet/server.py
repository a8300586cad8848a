"""Shell: the kubelet's HTTPS port: /healthz /livez /readyz /metrics as every process has them, and /pods.

Only clients with a certificate of the cluster's authority are let in; the API server is the usual one.

Absent: /containerLogs, /exec, /attach, /portForward.
After: k8s pkg/kubelet/server/server.go.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping

import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry

from kube.api.meta import Object
from kube.base.health import Check, HealthServer


class KubeletServer(HealthServer):
    """The health of the process, and what the kubelet knows."""

    def __init__(
        self,
        host: str,
        port: int,
        ssl_context: ssl.SSLContext,
        checks: Mapping[str, Check],
        registry: CollectorRegistry,
        list_pods: Callable[[], list[Object]],
    ) -> None:
        self._list_pods = list_pods
        super().__init__(host, port, ssl_context, checks, registry)

    def _application(self) -> web.Application:
        application = super()._application()
        application.router.add_get("/pods", self._pods)
        return application

    async def _pods(self, _: web.Request) -> web.Response:
        pods = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": self._list_pods()}
        return web.Response(body=orjson.dumps(pods), content_type="application/json")
