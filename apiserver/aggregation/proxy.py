"""Shell: a request for a group version that another server serves goes on to it.

    client --request--> filters --> here --the same, with X-Remote-User ..--> extension API server
           <-------------------------------answer, stream, WebSocket---------

The other server believes our certificate, and us whom we name; so what a client says of himself in such
headers, and whom he asked to act as, which was granted before this, is left out.

Absent: other upgrades than WebSockets.
After: k8s staging/src/k8s.io/kube-aggregator/pkg/apiserver/handler_proxy.go;
staging/src/k8s.io/apimachinery/pkg/util/proxy/upgradeaware.go
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import aiohttp
from starlette.responses import Response, StreamingResponse

from apiserver.aggregation.api_service import ApiService
from apiserver.aggregation.connections import BadAuthority
from apiserver.authentication.request_header import RequestHeader
from apiserver.authentication.user import User
from apiserver.filters.metrics import is_long_running
from apiserver.handlers.forward import (
    Headers,
    Target,
    Unreachable,
    chunks,
    forward,
    is_socket,
    join_socket,
    own_headers,
)
from apiserver.handlers.proxy_target import HOP_BY_HOP
from apiserver.request import ApiRequest
from apiserver.server import Server
from kube.api import errors, front_proxy
from kube.api.front_proxy import identity_headers

# Until the answer begins, but for watches.
ANSWER_SECONDS = 60.0
UNAVAILABLE = "service unavailable"
REDIRECTED = "the backend attempted to redirect this request, which is not permitted"
IMPERSONATE = "impersonate-"
# Of an answer: those that are for one connection, and those that this server says itself.
DROPPED = HOP_BY_HOP | {b"audit-id"}
CROSS_ORIGIN = b"access-control-"


async def proxy(
    server: Server, request: ApiRequest, api_service: ApiService, user: User | None = None
) -> Response:
    """Let the server of an APIService answer; user: for whom, if not for the caller."""
    if not api_service.is_available:
        return _text(UNAVAILABLE, 503)
    try:
        targets = server.aggregation.connections.targets(api_service)
    except BadAuthority as error:
        return _text(str(error), 500)
    if not targets:
        return _text(UNAVAILABLE, 503)
    headers = outgoing(own_headers(request), user or request.caller, server.request_header)
    try:
        return await _pass_on(request, targets[0], headers)
    except Unreachable as error:
        server.aggregation.suspect(api_service)
        return _text(f"error trying to reach service: {error}", 503)


async def _pass_on(request: ApiRequest, target: Target, headers: Headers) -> Response:
    query = request.scope["query_string"].decode("latin-1")
    url = target.url(f"{request.scope['raw_path'].decode('latin-1')}{'?' * bool(query)}{query}")
    if is_socket(request):
        return await join_socket(request, target, url, headers)
    try:
        async with asyncio.timeout(None if is_long_running(request) else ANSWER_SECONDS):
            answer = await forward(request, target, url, headers)
    except TimeoutError as error:
        raise errors.timeout("Timeout: request did not complete within the allotted timeout") from error
    if 300 <= answer.status < 400 and "Location" in answer.headers:
        answer.close()
        return _text(REDIRECTED, 502)
    return _streamed(answer)


def _streamed(answer: aiohttp.ClientResponse) -> Response:
    response = StreamingResponse(chunks(answer), answer.status)
    response.raw_headers = [
        (name.lower(), value)
        for name, value in answer.raw_headers
        if name.lower() not in DROPPED and not name.lower().startswith(CROSS_ORIGIN)
    ]
    return response


def outgoing(headers: Headers, user: User, config: RequestHeader) -> Headers:
    """The headers of a request, with the identity that we have found and no other."""
    names = _lower((*config.username_headers, *config.group_headers, *config.uid_headers))
    names |= _lower((front_proxy.USER, front_proxy.GROUP, front_proxy.UID))
    starts = (*_lower((*config.extra_prefixes, front_proxy.EXTRA)), IMPERSONATE)
    kept = [each for each in headers if each[0].lower() not in names]
    kept = [each for each in kept if not each[0].lower().startswith(starts)]
    return [*kept, *identity_headers(user.name, user.groups, user.uid, user.extra)]


def _lower(names: Iterable[str]) -> set[str]:
    return {each.lower() for each in names}


def _text(text: str, code: int) -> Response:
    """An error as Go's http.Error writes it, which is how an aggregator answers."""
    return Response(f"{text}\n", code, media_type="text/plain")
