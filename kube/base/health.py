"""Shell: /healthz, /livez, /readyz and /metrics of a process, over TLS.

A check is a function that says what is wrong, or None. All answer 200 `ok` or 500 with the failing
checks named; `?verbose` lists every check, as Kubernetes' components do. /livez leaves out the checks of
readiness: a process that waits for the API server lives and should not be restarted.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping

import prometheus_client
from aiohttp import web

from kube.base.run import StartupError

Check = Callable[[], str | None]


class HealthServer:
    """Serves the health of one process; `start` raises StartupError when the port is not to be had."""

    def __init__(
        self,
        host: str,
        port: int,
        ssl_context: ssl.SSLContext | None,
        checks: Mapping[str, Check],
        registry: prometheus_client.CollectorRegistry = prometheus_client.REGISTRY,
    ) -> None:
        self._host, self._port, self._ssl_context = host, port, ssl_context
        self._checks, self._registry = checks, registry
        # A client that leaves ends what is still being done for it, such as a followed log.
        self._runner = web.AppRunner(
            self._application(), access_log=None, shutdown_timeout=1.0, handler_cancellation=True
        )

    async def start(self) -> None:
        """Listen; everything in `checks` is asked anew for each request."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port, ssl_context=self._ssl_context)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            why = os.strerror(error.errno) if error.errno else str(error)
            raise StartupError(f"cannot listen on {self._host}:{self._port}: {why}") from error

    @property
    def port(self) -> int:
        """The port it listens on: the one chosen by the system if 0 was asked for."""
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        await self._runner.cleanup()

    def _application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/livez", self._live)
        application.router.add_get("/healthz", self._ready)
        application.router.add_get("/readyz", self._ready)
        application.router.add_get("/metrics", self._metrics)
        return application

    async def _live(self, request: web.Request) -> web.Response:
        return _answer({"ping": None}, "livez", verbose="verbose" in request.query)

    async def _ready(self, request: web.Request) -> web.Response:
        results = {"ping": None} | {name: check() for name, check in self._checks.items()}
        return _answer(results, request.path.strip("/"), verbose="verbose" in request.query)

    async def _metrics(self, _: web.Request) -> web.Response:
        body = prometheus_client.generate_latest(self._registry)
        return web.Response(body=body, headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST})


def _answer(results: Mapping[str, str | None], what: str, *, verbose: bool) -> web.Response:
    """The text Kubernetes' components answer with."""
    failed = [name for name, error in results.items() if error is not None]
    if not failed and not verbose:
        return web.Response(text="ok")
    lines = [
        f"[+]{name} ok" if error is None else f"[-]{name} failed: {error}" for name, error in results.items()
    ]
    lines.append(f"{what} check {'failed' if failed else 'passed'}")
    return web.Response(text="\n".join(lines) + "\n", status=500 if failed else 200)
