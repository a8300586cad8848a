"""Shell: the HTTPS port: the health of the process for all, and for those whom the gate lets in documents,
NodeMetrics and PodMetrics.

After: k8s staging/src/k8s.io/apiserver/pkg/server/genericapiserver.go
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping

import orjson
import yaml
from aiohttp import web
from prometheus_client import CollectorRegistry

from kube.api import errors
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.negotiation import JSON, YAML, Format, negotiate
from kube.base.health import Check, HealthServer
from kube.client.rest import ConnectionFailed
from metrics_server.answers import LIST_TARGETS, OBJECT_TARGETS, Answers
from metrics_server.asked import Asked, parse
from metrics_server.documents import DOCUMENTS
from metrics_server.gate import Gate

HEALTH = ("/healthz", "/livez", "/readyz")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class MetricsServer(HealthServer):
    """The port; `start` and `stop` are those of every process's health."""

    def __init__(
        self,
        host: str,
        port: int,
        ssl_context: ssl.SSLContext,
        checks: Mapping[str, Check],
        registry: CollectorRegistry,
        answers: Answers,
        gate: Gate,
    ) -> None:
        self._answers, self._gate = answers, gate
        super().__init__(host, port, ssl_context, checks, registry)

    def _application(self) -> web.Application:
        application = super()._application()
        application.middlewares.append(self._guard)
        application.router.add_route("*", "/{path:.*}", self._serve)
        return application

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let in who may, and answer with the Status of whatever is refused."""
        try:
            if request.path not in HEALTH:
                await self._gate.check(request, parse(request.method, request.path, request.query))
            return await handler(request)
        except StatusError as error:
            return _json(error.status(), error.code)
        except ConnectionFailed as error:
            refusal = errors.service_unavailable(f"the API server does not answer: {error}", 1)
            return _json(refusal.status(), refusal.code)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        asked = parse(request.method, request.path, request.query)
        if asked.plural:
            return await self._metrics_of(request, asked)
        document = DOCUMENTS.get(request.path.rstrip("/") or "/")
        if document is None:
            return web.Response(status=404, text="404 page not found\n")
        if request.method not in ("GET", "HEAD"):
            raise errors.method_not_allowed()
        return _json(document())

    async def _metrics_of(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        is_list, accept = asked.verb == "list", request.headers.get("Accept", "")
        wanted = negotiate(accept, LIST_TARGETS if is_list else OBJECT_TARGETS)
        answer = self._answers.list if is_list else self._answers.get
        return _written(await answer(asked, request.query, wanted), wanted)


def _written(o: Object, wanted: Format) -> web.Response:
    if wanted.is_yaml:
        return web.Response(text=yaml.safe_dump(o, sort_keys=False), content_type=YAML)
    return _json(o)


def _json(o: Object, code: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(o), status=code, content_type=JSON)
