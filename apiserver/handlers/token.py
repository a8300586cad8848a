"""Shell: POST /serviceaccounts/X/token: a token for an account, for a while.

After: k8s pkg/registry/core/serviceaccount/storage/token.go
"""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import Response

from apiserver.admission.chain import CREATE
from apiserver.authentication.tokens import Bound
from apiserver.handlers.body import attributes, read_object
from apiserver.handlers.get import find
from apiserver.handlers.options import WriteOptions
from apiserver.handlers.respond import respond
from apiserver.request import ApiRequest
from apiserver.server import Server
from kube.api import errors, meta
from kube.api.errors import FieldError
from kube.api.gvk import GroupVersionKind
from kube.api.meta import Object
from kube.api.resources import NODES, PODS, SECRETS

TOKEN_REQUEST = GroupVersionKind("authentication.k8s.io", "v1", "TokenRequest")
BOUND_KINDS = {"Pod": PODS, "Secret": SECRETS, "Node": NODES}
SECONDS_DEFAULT, SECONDS_MIN, SECONDS_MAX = 3600, 600, 1 << 32


async def create_token(server: Server, request: ApiRequest) -> Response:
    """Answer with the TokenRequest and the token in its status."""
    options = WriteOptions.read("CreateOptions", request.query_params)
    wanted, _ = await read_object(request, options)
    account = (await find(server, request)).decode()
    await server.registry.admission.ask(attributes(request, CREATE, dry_run=options.dry_run), wanted)
    spec = wanted.get("spec") or {}
    seconds = spec.get("expirationSeconds") or SECONDS_DEFAULT
    _check_seconds(seconds)
    audiences = spec.get("audiences") or [*server.tokens.audiences]
    bound = _bound(server, account, spec.get("boundObjectRef"))
    if bound is not None:
        bound |= _node_of(server, bound)
    token, expires_at = server.tokens.sign(account, audiences, seconds, server.new_uid(), bound)
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


def _node_of(server: Server, bound: Bound) -> Bound:
    """The node of a pod, which the token tells, too."""
    name = meta.get(bound.get("pod", {}), "spec", "nodeName", default="")
    entry = server.cache.get(NODES, "", name) if name else None
    return {"node": entry.decode()} if entry is not None else {}


def _bound(server: Server, account: Object, reference: Object | None) -> Bound | None:
    """The object whose end is the token's end, by its kind in lower case; StatusError if it is another."""
    if not reference:
        return None
    kind, name = reference.get("kind") or "", reference.get("name") or ""
    resource = BOUND_KINDS.get(kind) if reference.get("apiVersion", "v1") == "v1" else None
    if resource is None:
        group, _, version = (reference.get("apiVersion") or "").rpartition("/")
        raise errors.bad_request(f"cannot bind token to object of type {group}/{version}, Kind={kind}")
    entry = server.cache.get(resource, meta.namespace(account) if resource.namespaced else "", name)
    if entry is None:
        raise errors.not_found(resource, name)
    o = entry.decode()
    runs_as = meta.get(o, "spec", "serviceAccountName", default="")
    if resource is PODS and runs_as != meta.name(account):
        text = f'cannot bind token for serviceaccount "{meta.name(account)}" to pod running with '
        raise errors.bad_request(f'{text}serviceaccount "{runs_as}"')
    wanted = reference.get("uid")
    if wanted and wanted != meta.uid(o):
        why = f"the UID in the bound object reference ({wanted}) does not match the UID in record "
        why += f"({meta.uid(o)}). The object might have been deleted and then recreated"
        raise errors.conflict(replace(resource, plural=kind), name, why)
    return {kind.lower(): o}
