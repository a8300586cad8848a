"""Shell: counts the calls of a gRPC server, by service, method and outcome, around the handlers themselves.

An interceptor could do it, too, at several times the cost a call.

After: go-grpc-prometheus, whose names etcd exports.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import grpc

from etcdlite.errors import Code
from etcdlite.stats import CALL_BOUNDS, Histogram

KINDS = {
    (False, False): ("unary", "unary_unary"),
    (False, True): ("server_stream", "unary_stream"),
    (True, False): ("client_stream", "stream_unary"),
    (True, True): ("bidi_stream", "stream_stream"),
}
GO_NAMES = {code.value: "".join(word.title() for word in code.name.split("_")) for code in Code}
GO_NAMES |= {
    0: "OK",
    Code.CANCELLED.value: "Canceled",
    6: "AlreadyExists",
    10: "Aborted",
    16: "Unauthenticated",
}


@dataclass(slots=True)
class Method:
    """One method, and what happened to its calls; `seconds` is None if nobody wants to know."""

    service: str
    name: str
    kind: str
    seconds: Histogram | None
    started: int = 0
    handled: Counter[str] = field(default_factory=lambda: Counter({"OK": 0}))
    received: int = 0
    sent: int = 0

    @property
    def labels(self) -> dict[str, str]:
        return {"grpc_method": self.name, "grpc_service": self.service, "grpc_type": self.kind}


class Calls:
    """All methods of a server. It stands in for the server where services are added."""

    def __init__(self, server: Any, *, is_extensive: bool) -> None:
        self.methods: list[Method] = []
        self.received_bytes = 0
        self.sent_bytes = 0
        self._server = server
        self._is_extensive = is_extensive

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        """Nothing: the generated code also calls the other one, with names."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        counted = {name: self._counted(service, name, handler) for name, handler in handlers.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, counted),))

    def _counted(self, service: str, name: str, handler: Any) -> Any:
        kind, attribute = KINDS[handler.request_streaming, handler.response_streaming]
        method = Method(service, name, kind, Histogram(CALL_BOUNDS) if self._is_extensive else None)
        self.methods.append(method)
        return getattr(grpc, f"{attribute}_rpc_method_handler")(
            counting(method, getattr(handler, attribute)),
            self._counting_requests(method, handler.request_deserializer),
            self._counting_responses(method, handler.response_serializer),
        )

    def _counting_requests(self, method: Method, parse: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
        def counted(data: bytes) -> Any:
            method.received += 1
            self.received_bytes += len(data)
            return parse(data)

        return counted

    def _counting_responses(self, method: Method, encode: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
        def counted(message: Any) -> bytes:
            data = encode(message)
            method.sent += 1
            self.sent_bytes += len(data)
            return data

        return counted


def counting(method: Method, behavior: Any) -> Any:
    """The handler with a count before and after."""
    if inspect.isasyncgenfunction(behavior):

        async def generate(request: Any, context: Any) -> Any:
            method.started += 1
            started_at = perf_counter()
            try:
                async for response in behavior(request, context):
                    yield response
            except BaseException as error:
                _ended(method, started_at, _outcome(error, context))
                raise
            _ended(method, started_at, "OK")

        return generate

    async def handle(request: Any, context: Any) -> Any:
        method.started += 1
        started_at = perf_counter()
        try:
            response = await behavior(request, context)
        except BaseException as error:
            _ended(method, started_at, _outcome(error, context))
            raise
        _ended(method, started_at, "OK")
        return response

    return handle


def _ended(method: Method, started_at: float, code: str) -> None:
    method.handled[code] += 1
    if method.seconds is not None:
        method.seconds.observe(perf_counter() - started_at)


def _outcome(error: BaseException, context: Any) -> str:
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return GO_NAMES[Code.CANCELLED]
    code = context.code()
    number = code.value[0] if isinstance(code, grpc.StatusCode) else code
    return GO_NAMES.get(number or Code.UNKNOWN, "Unknown")
