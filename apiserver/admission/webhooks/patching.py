"""Core: carries out the patch of a mutating webhook.

What comes out must be an object of the same kind by the published schema; fields that the kind does not have
are left out. A patch that does not fit is the webhook's mistake: the client is told of an internal error.

After: k8s staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/mutating/dispatcher.go,
callAttrMutatingHook
"""

from __future__ import annotations

from typing import Any

from apiserver.admission.chain import DELETE
from apiserver.admission.webhooks.view import View
from kube.api.errors import StatusError, internal, quote
from kube.api.meta import Object
from kube.api.patch import json_patch
from kube.api.schema import Schemas


def patched(name: str, view: View, patch: list[Any], o: Object, old: Object | None) -> Object:
    """The object as the webhook wants it; StatusError where that cannot be."""
    if view.attributes.operation == DELETE:
        text = f"admission webhook {quote(name)} attempted to modify the object, "
        raise internal(f"{text}which is not supported for this operation")
    shown = view.shown(o, is_settled=False)
    try:
        changed = json_patch.apply(shown, patch)
    except StatusError as error:
        raise internal(f"the patch of admission webhook {quote(name)} does not fit: {_why(error)}") from error
    return view.taken(_decoded(name, view, changed), o, old)


def _why(error: StatusError) -> str:
    return str(error.__cause__ or error.message)


def _decoded(name: str, view: View, changed: Object) -> Object:
    """As if a client had sent it; raises StatusError."""
    gvk = view.gvk
    kind = (changed.get("apiVersion") or gvk.api_version, changed.get("kind") or gvk.kind)
    if kind != (gvk.api_version, gvk.kind):
        text = f"admission webhook {quote(name)} attempted to change the kind of the object from "
        raise internal(f"{text}{gvk.api_version}, Kind={gvk.kind} to {kind[0]}, Kind={kind[1]}")
    rest = {key: value for key, value in changed.items() if key not in ("apiVersion", "kind")}
    whole = {"apiVersion": kind[0], "kind": kind[1], **rest}
    try:
        Schemas.load().prune(gvk, whole)
    except StatusError as error:
        raise internal(error.message) from error
    return whole
