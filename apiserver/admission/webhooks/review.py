"""Core: the question a webhook is asked, an AdmissionReview with a request in it.

After: k8s staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/request/admissionreview.go
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiserver.admission.chain import CREATE, DELETE, UPDATE, Attributes
from apiserver.admission.webhooks.view import View, gvk_of
from apiserver.authentication.user import User
from kube.api.gvk import GroupVersionKind
from kube.api.meta import Object
from kube.api.resources import NAMESPACES, Resource

KIND, GROUP = "AdmissionReview", "admission.k8s.io"
VERSIONS = ("v1", "v1beta1")
OPTIONS = {CREATE: "CreateOptions", UPDATE: "UpdateOptions", DELETE: "DeleteOptions"}


def version_for(accepted: Sequence[str]) -> str:
    """The first version that a webhook accepts and we speak, empty where there is none."""
    return next((each for each in accepted if each in VERSIONS), "")


def request(view: View, uid: str, o: Object, old: Object | None, *, is_settled: bool) -> dict[str, Any]:
    """The AdmissionRequest; is_settled: nobody can change the object any more."""
    attributes = view.attributes
    asked = attributes.requested or attributes.resource
    deleting = attributes.operation == DELETE
    before = o if deleting else old
    told = {
        "uid": uid,
        "kind": _kind(view.gvk),
        "resource": _resource(view.resource),
        "subResource": attributes.subresource,
        "requestKind": _kind(gvk_of(attributes, o, asked)),
        "requestResource": _resource(asked),
        "requestSubResource": attributes.subresource,
        "name": _name(attributes, is_settled=is_settled),
        "namespace": namespace(attributes),
        "operation": attributes.operation,
    }
    return {key: value for key, value in told.items() if value} | {
        "userInfo": _user(attributes.user),
        "object": None if deleting else view.shown(o, is_settled=is_settled),
        "oldObject": view.shown(before) if before is not None else None,
        "dryRun": attributes.dry_run,
        "options": _options(attributes),
    }


def review(version: str, asked: dict[str, Any]) -> dict[str, Any]:
    """The AdmissionReview that carries a request."""
    return {"kind": KIND, "apiVersion": f"{GROUP}/{version}", "request": asked}


def namespace(attributes: Attributes) -> str:
    """A Namespace counts as being in itself."""
    return attributes.name if attributes.resource is NAMESPACES else attributes.namespace


def _name(attributes: Attributes, *, is_settled: bool) -> str:
    return attributes.name if is_settled or not attributes.has_generated_name else ""


def _kind(gvk: GroupVersionKind) -> dict[str, str]:
    return {"group": gvk.group, "version": gvk.version, "kind": gvk.kind}


def _resource(resource: Resource) -> dict[str, str]:
    return {"group": resource.group, "version": resource.version, "resource": resource.plural}


def _user(user: User) -> dict[str, Any]:
    told = {"username": user.name, "uid": user.uid, "groups": list(user.groups), "extra": user.extra}
    return {key: value for key, value in told.items() if value}


def _options(attributes: Attributes) -> dict[str, Any] | None:
    """What is asked for beside the object; nothing can be asked for who is to be connected."""
    kind = OPTIONS.get(attributes.operation)
    return {"kind": kind, "apiVersion": "meta.k8s.io/v1", **attributes.options} if kind else None
