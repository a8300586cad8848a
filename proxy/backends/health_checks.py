"""Shell: answers a load balancer's question whether a node is of use to a Service.

    GET anything -> 200, or 503 where no ready endpoint is on the node, or the node is being left
    {"service": {"namespace": "default", "name": "web"}, "localEndpoints": 2, "serviceProxyHealthy": true}

After: k8s pkg/proxy/healthcheck/service_health.go
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from proxy.rules import HealthCheck, Listener


class HealthCheckListener:
    """On one address of one node."""

    def __init__(self, listener: Listener, check: HealthCheck) -> None:
        self._listener, self._check = listener, check
        self._http = web.Server(self._answer)
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._http, self._listener.address, self._listener.port)

    def replace(self, check: HealthCheck) -> None:
        self._check = check

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _answer(self, _: web.BaseRequest) -> web.Response:
        namespace, name = self._check.service.split("/")
        document = {
            "service": {"namespace": namespace, "name": name},
            "localEndpoints": self._check.local_endpoints,
            "serviceProxyHealthy": self._check.is_healthy,
        }
        is_of_use = self._check.local_endpoints and self._check.is_healthy
        answer = web.json_response(document, status=200 if is_of_use else 503)
        answer.headers["X-Content-Type-Options"] = "nosniff"
        # Nothing is left of a connection when the port goes.
        answer.force_close()
        return answer
