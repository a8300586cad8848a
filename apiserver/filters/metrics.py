"""Shell: counts and times requests by verb, resource and code, and the store's, under Kubernetes' names.

A request is counted when its answer is ready, or its stream begins; streams are counted while they last.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/metrics/metrics.go, pkg/storage/etcd3/metrics/metrics.go
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from starlette.responses import Response

from apiserver.request import ApiRequest, Handler
from apiserver.server import Server
from kube.api.resources import RESOURCES

BELOW_SECOND = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
SECONDS = (*BELOW_SECOND, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0)
SIZES = tuple(1000.0 * 10**power for power in range(7))
WHAT = ("verb", "group", "version", "resource", "subresource", "scope", "component")
# The API's verbs as metrics have them; others are methods already.
VERBS = {"create": "POST", "update": "PUT", "get": "GET"}
LONG_RUNNING_SUBRESOURCES = ("attach", "exec", "log", "portforward", "proxy")
COMPONENT = "apiserver"
# The second part of a key -> whose objects lie there.
STORED = {each.storage_prefix().split("/", 2)[2]: (each.group, each.plural) for each in RESOURCES}

Labels = tuple[str, ...]


class Metrics:
    """The API server's own figures; `_children` holds the series that were met."""

    def __init__(self, registry: CollectorRegistry, build: Mapping[str, str]) -> None:
        self.registry = registry
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "apiserver_request",
            "Requests by verb, dry run, group, version, resource, scope and the code of the answer.",
            (*WHAT, "dry_run", "code"),
            registry=registry,
        )
        self._seconds = Histogram(
            "apiserver_request_duration_seconds",
            "Seconds until the answer was ready, or its stream began.",
            (*WHAT, "dry_run"),
            buckets=SECONDS,
            registry=registry,
        )
        self._sizes = Histogram(
            "apiserver_response_sizes", "Response size in bytes.", WHAT, buckets=SIZES, registry=registry
        )
        self._in_flight = Gauge(
            "apiserver_current_inflight_requests",
            "Requests being handled now, streams left out.",
            ("request_kind",),
            registry=registry,
        )
        self._streams = Gauge(
            "apiserver_longrunning_requests",
            "Watches and other streams that are open now.",
            WHAT,
            registry=registry,
        )
        self._store_seconds = Histogram(
            "etcd_request_duration_seconds",
            "Etcd request latency in seconds for each operation and object type.",
            ("operation", "group", "resource"),
            buckets=SECONDS,
            registry=registry,
        )
        self._store_errors = Counter(
            "etcd_request_errors",
            "Etcd failed request counts for each operation and object type.",
            ("operation", "group", "resource"),
            registry=registry,
        )
        Gauge("kubernetes_build_info", "What this is like.", tuple(build), registry=registry).labels(
            **build
        ).set(1)
        self._mutating = self._in_flight.labels("mutating")
        self._reading = self._in_flight.labels("readOnly")
        self._children: dict[tuple[Labels, str, str], tuple[Counter, Histogram, Histogram]] = {}

    @contextmanager
    def under_way(self, request: ApiRequest) -> Iterator[None]:
        """While it is being handled."""
        gauge = self._reading if request.method in ("GET", "HEAD") else self._mutating
        gauge.inc()
        try:
            yield
        finally:
            gauge.dec()

    def answered(self, request: ApiRequest, response: Response, seconds: float) -> None:
        """Count it."""
        labels, code = labels_of(request), str(response.status_code)
        dry_run = "All" if "dryRun" in request.query_params else ""
        key = (labels, dry_run, code)
        found = self._children.get(key)
        if found is None:
            found = self._children[key] = (
                self._requests.labels(*labels, dry_run, code),
                self._seconds.labels(*labels, dry_run),
                self._sizes.labels(*labels),
            )
        counter, histogram, sizes = found
        counter.inc()
        histogram.observe(seconds)
        if body := getattr(response, "body", b""):
            sizes.observe(len(body))

    @contextmanager
    def streaming(self, request: ApiRequest) -> Iterator[None]:
        """While its answer is sent, if that has no end of its own."""
        if not is_long_running(request):
            yield
            return
        gauge = self._streams.labels(*labels_of(request))
        gauge.inc()
        try:
            yield
        finally:
            gauge.dec()

    def store_answered(self, operation: str, key: str, seconds: float, failed: bool) -> None:
        """Count a request to the store."""
        group, resource = _stored(key)
        self._store_seconds.labels(operation, group, resource).observe(seconds)
        if failed:
            self._store_errors.labels(operation, group, resource).inc()


def labels_of(request: ApiRequest) -> Labels:
    """The values of WHAT; what is not known here is nothing, so that nobody can make up series."""
    info = request.info
    if request.resource is None:
        return (request.method, "", "", "", "", "", COMPONENT)
    verb = (
        "CONNECT"
        if info.subresource in LONG_RUNNING_SUBRESOURCES
        else VERBS.get(info.verb, info.verb.upper())
    )
    if verb == "PATCH" and request.headers.get("content-type", "").startswith("application/apply-patch"):
        verb = "APPLY"
    scope = "resource" if info.name else "namespace" if info.namespace else "cluster"
    known = request.resource.subresource(info.subresource) is not None
    subresource = info.subresource if known else ""
    return (verb, info.group, info.version, info.plural, subresource, scope, COMPONENT)


def is_long_running(request: ApiRequest) -> bool:
    """True for watches, and for what joins a client with a container."""
    return request.info.verb == "watch" or request.info.subresource in LONG_RUNNING_SUBRESOURCES


def _stored(key: str) -> tuple[str, str]:
    """Group and resource of a key of the store."""
    parts = key.split("/", 4)
    if len(parts) < 3:
        return "", ""
    return STORED.get(parts[2]) or STORED.get("/".join(parts[2:4])) or ("", "")


def measure(server: Server, inner: Handler) -> Handler:
    """Count each request once it is answered (or its stream begins)."""

    async def handle(request: ApiRequest) -> Response:
        now = asyncio.get_running_loop().time
        began = now()
        with server.metrics.under_way(request):
            response = await inner(request)
        server.metrics.answered(request, response, now() - began)
        return response

    return handle
