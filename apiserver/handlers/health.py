"""Shell: /healthz, /livez, /readyz with their checks, and /metrics.

    /readyz?verbose            a line for each check       /readyz?exclude=etcd    without one
    /readyz/etcd               one alone

After: k8s staging/src/k8s.io/apiserver/pkg/server/{healthz/healthz,healthz}.go
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import prometheus_client
from starlette.responses import Response

from apiserver.request import ApiRequest
from apiserver.server import Server
from apiserver.storage.interface import Unavailable

STORE_SECONDS = 2.0
# What is done before the first port is listened on, under the names that Kubernetes has for it.
HOOKS = (
    "storage-object-count-tracker-hook",
    "start-system-namespaces-controller",
    "start-cluster-authentication-info-controller",
    "start-kube-apiserver-identity-lease-controller",
    "start-kube-apiserver-identity-lease-garbage-collector",
    "start-service-ip-repair-controllers",
    "rbac/bootstrap-roles",
    "scheduling/bootstrap-system-priority-classes",
    "priority-and-fairness-config-producer",
    "bootstrap-controller",
    "start-kubernetes-service-cidr-controller",
    "apiservice-status-local-available-controller",
    "kube-apiserver-autoregistration",
)
LIVE = ("ping", "log", "etcd", *(f"poststarthook/{name}" for name in HOOKS), "autoregister-completion")
READY = (*LIVE, "etcd-readiness", "informer-sync", "shutdown")
PLAIN = "text/plain"
HEADERS = {"X-Content-Type-Options": "nosniff"}

# Each check's name, and what is wrong.
Checks = Mapping[str, str | None]


async def healthz(server: Server, request: ApiRequest) -> Response:
    """All checks but those of readiness."""
    return _answer(await _live_checks(server), request)


async def livez(server: Server, request: ApiRequest) -> Response:
    """The same."""
    return _answer(await _live_checks(server), request)


async def readyz(server: Server, request: ApiRequest) -> Response:
    """Live, and fit to be sent requests."""
    return _answer(await _ready_checks(server), request)


async def one(server: Server, request: ApiRequest) -> Response:
    """One check, such as /readyz/etcd or /livez/poststarthook/rbac/bootstrap-roles."""
    what, _, name = request.info.path.strip("/").partition("/")
    checks = await (_ready_checks(server) if what == "readyz" else _live_checks(server))
    if name not in checks:
        return Response("404 page not found\n", 404, HEADERS, PLAIN)
    if error := checks[name]:
        return Response(f"internal server error: {error}\n", 500, HEADERS, PLAIN)
    return Response("ok", 200, HEADERS, PLAIN)


async def metrics(server: Server, _: ApiRequest) -> Response:
    """Figures for Prometheus."""
    body = prometheus_client.generate_latest(server.metrics.registry)
    return Response(body, media_type=prometheus_client.CONTENT_TYPE_LATEST)


async def _live_checks(server: Server) -> Checks:
    return {**dict.fromkeys(LIVE), "etcd": await _store(server)}


async def _ready_checks(server: Server) -> Checks:
    live = await _live_checks(server)
    cache = None if server.cache.revision else "the watch cache is not filled"
    stopping = "process is shutting down" if server.stopping.is_set() else None
    return {**live, "etcd-readiness": live["etcd"], "informer-sync": cache, "shutdown": stopping}


async def _store(server: Server) -> str | None:
    try:
        async with asyncio.timeout(STORE_SECONDS):
            await server.storage.current_revision()
    except (TimeoutError, Unavailable) as error:
        return str(error) or "the store does not answer"
    return None


def _answer(checks: Checks, request: ApiRequest) -> Response:
    left_out = set(request.query_params.getlist("exclude"))
    failed = any(error for name, error in checks.items() if name not in left_out)
    if not failed and "verbose" not in request.query_params:
        return Response("ok", 200, HEADERS, PLAIN)
    lines = [_line(name, error, name in left_out) for name, error in checks.items()]
    if unknown := sorted(left_out - set(checks)):
        matches = ",".join(f'"{name}"' for name in unknown)
        lines.append(f"warn: some health checks cannot be excluded: no matches for {matches}")
    what = request.info.path.strip("/").partition("/")[0]
    lines.append(f"{what} check {'failed' if failed else 'passed'}")
    return Response("\n".join(lines) + "\n", 500 if failed else 200, HEADERS, PLAIN)


def _line(name: str, error: str | None, is_left_out: bool) -> str:
    if is_left_out:
        return f"[+]{name} excluded: ok"
    return f"[-]{name} failed: reason withheld" if error else f"[+]{name} ok"
