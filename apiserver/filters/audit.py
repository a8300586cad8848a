"""Shell: tells of each request what the audit policy wants told: who asked what, and what came of it.

It stands behind authentication and before all else that may refuse. Whom the caller acts as and whether he
may is found out behind it, and noted in the request's `audit`. Here it must be known what the client is
answered, so exceptions are translated here. The end is told in app.py, when the answer is sent.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/filters/{audit,authn_audit}.go
"""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response

from apiserver import codec
from apiserver.audit.event import RequestAudit
from apiserver.audit.policy import Stage
from apiserver.filters.errors import translate
from apiserver.filters.metrics import is_long_running
from apiserver.request import ApiRequest, Handler
from apiserver.server import Server
from kube.api.errors import StatusError
from kube.api.negotiation import JSON, YAML

# How every Status begins that is written here.
STATUS = b'{"kind":"Status"'


def audit(server: Server, inner: Handler) -> Handler:
    """Tell of a request when it comes and when its answer streams; note what is answered."""
    auditor = server.auditor
    if auditor is None:
        return inner
    translated = translate(server, inner)

    async def handle(request: ApiRequest) -> Response:
        request.audit = auditor.begin(request, request.caller)
        if not request.audit.level:
            return await inner(request)
        await auditor.received(request.audit)
        response = await translated(request)
        request.audit.answered(response.status_code, answered_object(request.audit, response))
        if is_long_running(request):
            await auditor.tell(request.audit, Stage.STARTED)
        return response

    return handle


async def audit_refusal(server: Server, request: ApiRequest, error: StatusError) -> None:
    """Tell of a request whose credential is refused: once, for nobody knows whose it is."""
    if server.auditor is not None:
        refused = server.auditor.begin(request, None)
        refused.answered(error.code, error.status())
        if refused.level:
            await server.auditor.tell(refused, Stage.STARTED)


def answered_object(audit: RequestAudit, response: Response) -> Any:
    """The object in an answer, if it is wanted: a Status is, since the event says how the request ended."""
    # Streams have no body.
    body: bytes = getattr(response, "body", b"")
    is_status = response.status_code >= 400 or body.startswith(STATUS)
    if not body or not (is_status or audit.wants_answer):
        return None
    media_type = codec.media_type(response.headers.get("content-type", "none"))
    if media_type == YAML:
        return codec.read_yaml(body, "")[0]
    if media_type != JSON:
        return None
    is_read = is_status or audit.decision.omit_managed_fields
    return orjson.loads(body) if is_read else orjson.Fragment(body)
