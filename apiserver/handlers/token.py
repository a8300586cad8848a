"""Shell: POST /serviceaccounts/X/token: a token for an account, for a while.

After: k8s pkg/registry/core/serviceaccount/storage/token.go
"""

from __future__ import annotations

from starlette.responses import Response

from apiserver.handlers.body import read_object
from apiserver.handlers.get import find
from apiserver.handlers.options import WriteOptions
from apiserver.handlers.respond import respond
from apiserver.request import ApiRequest
from apiserver.server import Server
from kube.api import errors, meta
from kube.api.errors import FieldError
from kube.api.gvk import GroupVersionKind
from kube.api.meta import Object
from kube.api.resources import PODS

TOKEN_REQUEST = GroupVersionKind("authentication.k8s.io", "v1", "TokenRequest")
SECONDS_DEFAULT, SECONDS_MIN, SECONDS_MAX = 3600, 600, 1 << 32


async def create_token(server: Server, request: ApiRequest) -> Response:
    """Answer with the TokenRequest and the token in its status."""
    options = WriteOptions.read("CreateOptions", request.query_params)
    wanted, _ = await read_object(request, options)
    account = (await find(server, request)).decode()
    spec = wanted.get("spec") or {}
    seconds = spec.get("expirationSeconds") or SECONDS_DEFAULT
    _check_seconds(seconds)
    audiences = spec.get("audiences") or [server.tokens.issuer]
    pod = _bound_pod(server, meta.namespace(account), spec.get("boundObjectRef"))
    token, expires_at = server.tokens.sign(account, audiences, seconds, server.new_uid(), pod)
    shown = {
        "kind": TOKEN_REQUEST.kind,
        "apiVersion": TOKEN_REQUEST.api_version,
        "metadata": {"name": meta.name(account), "namespace": meta.namespace(account)},
        "spec": spec | {"audiences": audiences, "expirationSeconds": seconds},
        "status": {"token": token, "expirationTimestamp": meta.format_time(expires_at)},
    }
    return respond(shown, 201)


def _check_seconds(seconds: int) -> None:
    path = "spec.expirationSeconds"
    if seconds < SECONDS_MIN:
        found = FieldError.invalid(path, seconds, "may not specify a duration less than 10 minutes")
        raise errors.invalid(TOKEN_REQUEST, "", [found])
    if seconds > SECONDS_MAX:
        found = FieldError.invalid(path, seconds, "may not specify a duration larger than 2^32 seconds")
        raise errors.invalid(TOKEN_REQUEST, "", [found])


def _bound_pod(server: Server, namespace: str, reference: Object | None) -> Object | None:
    """The pod a token is for; StatusError 404 or 409 when it is not that one any more."""
    if not reference or reference.get("kind") != "Pod":
        return None
    name = reference.get("name") or ""
    entry = server.cache.get(PODS, namespace, name)
    if entry is None:
        raise errors.not_found(PODS, name)
    pod = entry.decode()
    if reference.get("uid") and reference["uid"] != meta.uid(pod):
        why = f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record."
        raise errors.conflict(PODS, name, why)
    return pod
