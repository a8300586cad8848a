"""Shell: counts and times requests, by verb, resource and code.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/metrics/metrics.go
"""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.responses import Response

from apiserver.request import ApiRequest, Handler
from apiserver.server import Server

SECONDS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2, 5, 10, 30, 60)


class Metrics:
    """The API server's own figures."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        names = ("verb", "group", "version", "resource", "subresource")
        self.requests = Counter(
            "apiserver_request", "Requests by verb, resource and code.", (*names, "code"), registry=registry
        )
        self.seconds = Histogram(
            "apiserver_request_duration_seconds",
            "Seconds until the answer began.",
            ("verb", "resource"),
            buckets=SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "apiserver_current_inflight_requests",
            "Requests being handled, without watches.",
            registry=registry,
        )


def measure(server: Server, inner: Handler) -> Handler:
    """Count each request once it is answered (or its stream begins)."""

    async def handle(request: ApiRequest) -> Response:
        now = asyncio.get_running_loop().time
        began = now()
        server.metrics.in_flight.inc()
        try:
            response = await inner(request)
        finally:
            server.metrics.in_flight.dec()
        info, code = request.info, str(response.status_code)
        known = request.resource is not None
        labels = (info.group, info.version, info.plural, info.subresource) if known else ("", "", "", "")
        server.metrics.requests.labels(info.verb.upper(), *labels, code).inc()
        server.metrics.seconds.labels(info.verb.upper(), labels[2]).observe(now() - began)
        return response

    return handle
