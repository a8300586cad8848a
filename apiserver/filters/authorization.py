"""Shell: asks the authorizer whether the caller may do what he asks for; if not, 403 in Kubernetes' words.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/filters/authorization.go
"""

from __future__ import annotations

from starlette.responses import Response

from apiserver.authentication.user import User
from apiserver.request import ApiRequest, Handler, RequestInfo
from apiserver.server import Server
from kube.api import errors
from kube.api.errors import StatusError
from kube.api.resources import Resource

# What audit events say of it.
DECISION, REASON = "authorization.k8s.io/decision", "authorization.k8s.io/reason"


def authorize(server: Server, inner: Handler) -> Handler:
    """Refuse what the caller may not do."""

    async def handle(request: ApiRequest) -> Response:
        decision = await server.authorizer.decide_surely(request.caller, request.info)
        if request.audit.level:
            request.audit.annotate(DECISION, "allow" if decision.allowed else "forbid")
            request.audit.annotate(REASON, decision.reason)
        if not decision.allowed:
            raise forbidden(request.caller, request.info, decision.reason)
        return await inner(request)

    return handle


def forbidden(user: User, info: RequestInfo, reason: str = "") -> StatusError:
    """The refusal, as Kubernetes words it."""
    said = f": {reason}" if reason else ""
    if not info.is_resource:
        return errors.forbidden_path(f'User "{user.name}" cannot {info.verb} path "{info.path}"{said}')
    what = f"{info.plural}/{info.subresource}" if info.subresource else info.plural
    why = f'User "{user.name}" cannot {info.verb} resource "{what}" in API group "{info.group}"'
    resource = Resource(info.group, info.version, info.plural, info.plural, namespaced=bool(info.namespace))
    namespace = "" if info.plural == "namespaces" else info.namespace
    where = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
    return errors.forbidden(resource, info.name, why + where + said)
