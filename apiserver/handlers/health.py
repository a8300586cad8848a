"""Shell: /healthz, /livez, /readyz and /metrics.

After: k8s staging/src/k8s.io/apiserver/pkg/server/healthz/healthz.go
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


async def healthz(server: Server, request: ApiRequest) -> Response:
    """All checks but those of readiness."""
    return _answer(await _live_checks(server), request)


async def livez(server: Server, request: ApiRequest) -> Response:
    """The same."""
    return _answer(await _live_checks(server), request)


async def readyz(server: Server, request: ApiRequest) -> Response:
    """Live, and fit to be sent requests."""
    checks = await _live_checks(server) | {name: check() for name, check in server.checks.items()}
    if server.stopping.is_set():
        checks["shutdown"] = "the server is stopping"
    return _answer(checks, request)


async def one(server: Server, request: ApiRequest) -> Response:
    """One check, such as /readyz/etcd."""
    name = request.info.path.rstrip("/").rpartition("/")[2]
    checks = await _live_checks(server) | {each: check() for each, check in server.checks.items()}
    if name not in checks:
        return Response("404 page not found\n", 404, media_type="text/plain")
    return _answer({name: checks[name]}, request)


async def metrics(server: Server, _: ApiRequest) -> Response:
    """Figures for Prometheus."""
    body = prometheus_client.generate_latest(server.metrics.registry)
    return Response(body, media_type=prometheus_client.CONTENT_TYPE_LATEST)


async def _live_checks(server: Server) -> dict[str, str | None]:
    return {"ping": None, "log": None, "etcd": await _store(server)}


async def _store(server: Server) -> str | None:
    try:
        async with asyncio.timeout(STORE_SECONDS):
            await server.storage.current_revision()
    except (TimeoutError, Unavailable) as error:
        return str(error) or "the store does not answer"
    return None


def _answer(checks: Mapping[str, str | None], request: ApiRequest) -> Response:
    left_out = request.query_params.getlist("exclude")
    checks = {name: error for name, error in checks.items() if name not in left_out}
    failed = any(checks.values())
    if not failed and "verbose" not in request.query_params:
        return Response("ok", media_type="text/plain")
    lines = [
        f"[+]{name} ok" if not error else f"[-]{name} failed: reason withheld"
        for name, error in checks.items()
    ]
    what = request.info.path.strip("/").partition("/")[0]
    lines.append(f"{what} check {'failed' if failed else 'passed'}")
    return Response("\n".join(lines) + "\n", 500 if failed else 200, media_type="text/plain")
