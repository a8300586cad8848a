"""Shell: the application: a request passes the filters from top to bottom, then its handler, and the answer
comes back up.

After: k8s staging/src/k8s.io/apiserver/pkg/server/config.go, DefaultBuildHandlerChain
"""

from __future__ import annotations

from functools import partial

from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from apiserver.filters.audit import audit
from apiserver.filters.authentication import authenticate
from apiserver.filters.authorization import authorize
from apiserver.filters.compression import compress
from apiserver.filters.errors import translate
from apiserver.filters.impersonation import impersonate
from apiserver.filters.metrics import measure
from apiserver.filters.priority_and_fairness import give_seats
from apiserver.filters.resolve import resolve
from apiserver.filters.stamp import stamp
from apiserver.filters.warning import warn_caller
from apiserver.handlers.relay import Upgrade
from apiserver.handlers.watch import WatchStream
from apiserver.request import ApiRequest, Handler
from apiserver.routes import dispatch
from apiserver.server import Server

FILTERS = (
    stamp,  # a number for each request
    measure,  # counts the answer, whatever becomes of the request
    compress,  # large answers, for those who take gzip
    warn_caller,  # beside the answer, what authentication and admission have to say
    translate,  # exceptions -> Status
    resolve,  # URL -> verb, resource, name
    authenticate,  # certificate or token -> user
    audit,  # tells of it, if the policy wants that
    impersonate,  # that user -> whom he acts as
    give_seats,  # now, or when it is his turn
    authorize,  # user + verb + resource -> may he?
)


class Application(FastAPI):
    """The whole application: FastAPI's place in the server, with our filters where its own would be.

    Those would cost a tenth of a write, find no route in URLs that are data, and tell of a bug in plain text.
    """

    def __init__(self, server: Server) -> None:
        super().__init__(openapi_url=None, docs_url=None, redoc_url=None)
        self._chain = Chain(server)

    def build_middleware_stack(self) -> ASGIApp:
        """The filters, and nothing around them."""
        return self._chain


class Chain:
    """The filters around the handlers, as an ASGI application."""

    def __init__(self, server: Server) -> None:
        handler: Handler = partial(dispatch, server)
        for each in reversed(FILTERS):
            handler = each(server, handler)
        self._handler = handler
        self._metrics, self._auditor = server.metrics, server.auditor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A WebSocket's handshake is a GET through the same filters."""
        is_socket = scope["type"] == "websocket"
        asked = {**scope, "type": "http", "method": "GET"} if is_socket else scope
        request = ApiRequest(asked) if is_socket else ApiRequest(asked, receive, send)
        try:
            response = await self._handler(request)
            if self._auditor is not None:
                send = self._auditor.ending(request.audit, send)
            with self._metrics.streaming(request):
                if is_socket:
                    await _relay(response, WebSocket(scope, receive, send))
                else:
                    await response(scope, receive, send)
        finally:
            request.release()
            if self._auditor is not None:
                await self._auditor.end(request.audit)


async def _relay(response: Response, socket: WebSocket) -> None:
    """Go on as a WebSocket; what cannot refuses it."""
    if isinstance(response, Upgrade | WatchStream):
        await response.relay(socket)
    else:
        await socket.send_denial_response(response)
