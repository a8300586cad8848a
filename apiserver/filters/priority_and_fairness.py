"""Shell: lets a request in when there are seats for it, in its turn; who waits too long is refused with 429.

    a request      holds its seats while its handler works: sending the answer waits for the client alone
    a watch        until its initial events are sent
    exec, attach, port-forward, proxy, logs: never

After: k8s staging/src/k8s.io/apiserver/pkg/server/filters/priority-and-fairness.go
"""

from __future__ import annotations

import asyncio
from functools import partial

from starlette.responses import Response

from apiserver.filters.metrics import is_long_running
from apiserver.flow_control.flow_control import Flow, FlowControl, Pass
from apiserver.flow_control.width import seats_of_list
from apiserver.handlers.watch import WatchStream
from apiserver.http_protocol import GONE
from apiserver.request import ApiRequest, Handler
from apiserver.server import Server
from kube.base.flags import parse_duration

# What a request may last, unless it says so itself; a fourth of it is for waiting.
REQUEST_SECONDS = 60.0
WAIT_SECONDS_MAX = 60.0
RETRY_AFTER = {"Retry-After": "1", "X-Content-Type-Options": "nosniff"}
TOO_MANY = "Too many requests, please try again later.\n"


def give_seats(server: Server, inner: Handler) -> Handler:
    """Let the request wait for its seats and hold them; 429 when it cannot have them."""
    control = server.flow_control
    if control is None:
        return inner

    async def handle(request: ApiRequest) -> Response:
        is_watch = request.info.verb == "watch"
        if is_long_running(request) and not is_watch:
            return await inner(request)
        let_in = await _enter(server, control, request)
        if isinstance(let_in, Flow):
            await asyncio.sleep(control.refusal_delay(let_in))
            return Response(TOO_MANY, 429, RETRY_AFTER, "text/plain")
        request.release = partial(control.leave, let_in)
        response: Response | None = None
        try:
            response = await inner(request)
        finally:
            if not isinstance(response, WatchStream):
                request.release()
        return response

    return handle


async def _enter(server: Server, control: FlowControl, request: ApiRequest) -> Pass | Flow:
    """The request's pass, once it has its seats; its flow, if it is refused."""
    flow = control.classify(request.caller, request.info)
    request.stamps += flow.headers
    let_in = control.enter(flow, _seats(server, request), asyncio.get_running_loop().time())
    if isinstance(let_in, str):
        return flow
    if let_in.seated is not None:
        gone = request.scope.get("state", {}).get(GONE)
        if not await control.wait(let_in, _wait_seconds(request), gone):
            return flow
    return let_in


def _seats(server: Server, request: ApiRequest) -> int:
    """How many the request takes: one, unless it reads a whole kind."""
    info, resource = request.info, request.resource
    if resource is None or "list" not in resource.verbs or info.subresource:
        return 1
    is_list = info.verb == "list" or (info.verb == "watch" and "sendInitialEvents" in request.query_params)
    if not is_list:
        return 1
    log = server.cache.find_log(resource)
    return seats_of_list(log.objects, info.namespace, info.name) if log is not None else 1


def _wait_seconds(request: ApiRequest) -> float:
    """How long it may wait: a fourth of the time it gives itself, but for watches, which last long."""
    said = request.parameter("timeout") if request.info.verb != "watch" else ""
    seconds = parse_duration(said) if said else None
    return min((seconds or REQUEST_SECONDS) / 4, WAIT_SECONDS_MAX)
