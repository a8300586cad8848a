"""Core: what expressions are told about a request: the variables object, oldObject, request, namespaceObject.

After: k8s staging/src/k8s.io/apiserver/pkg/admission/plugin/cel/condition.go, CreateAdmissionRequest
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.admission.chain import CONNECT, CREATE, DELETE, UPDATE, Attributes
from apiserver.admission.policies.matching import Asked
from apiserver.registry.conversion import from_stored
from apiserver.registry.scale import scale_of
from kube.api.gvk import GroupVersionKind
from kube.api.meta import Object
from kube.api.resources import Resource

OPTIONS = {CREATE: "CreateOptions", UPDATE: "UpdateOptions", DELETE: "DeleteOptions"}
# What is kept of the Namespace: not who wrote what.
HIDDEN = ("managedFields", "ownerReferences", "selfLink")


def asked_about(attributes: Attributes, o: Object, old: Object | None) -> Asked:
    """The request, from what a plug-in is handed."""
    return Asked(attributes, None, o) if attributes.operation == DELETE else Asked(attributes, o, old)


def inputs(asked: Asked, resource: Resource, namespace: Object | None) -> dict[str, Any]:
    """The variables, with the objects as `resource`, a version of theirs."""
    return {
        "object": _as(resource, asked.attributes, asked.new),
        "oldObject": _as(resource, asked.attributes, asked.old),
        "request": request(asked, resource),
        "namespaceObject": None if namespace is None else _shown(namespace),
    }


def _as(resource: Resource, attributes: Attributes, o: Object | None) -> Object | None:
    """An object in the version of a rule. A scale has only one, and so have the options of a connection."""
    if o is None:
        return None
    if attributes.operation == CONNECT:
        return {key: part for key, part in o.items() if key != "metadata"}
    return scale_of(o) if attributes.subresource == "scale" else from_stored(resource, o)


def _shown(namespace: Object) -> Object:
    metadata: Mapping[str, Any] = namespace["metadata"]
    kept = {key: value for key, value in metadata.items() if key not in HIDDEN}
    return {part: namespace[part] for part in ("spec", "status") if part in namespace} | {"metadata": kept}


def request(asked: Asked, resource: Resource) -> dict[str, Any]:
    """The AdmissionRequest, without the objects; `resource`: as what it has matched."""
    attributes, user = asked.attributes, asked.attributes.user
    kind = OPTIONS.get(attributes.operation)
    options = {"kind": kind, "apiVersion": "meta.k8s.io/v1"} if kind else {}
    return {
        "kind": _kind(resource, attributes.subresource),
        "resource": _resource(resource),
        "subResource": attributes.subresource,
        "requestKind": _kind(attributes.resource, attributes.subresource),
        "requestResource": _resource(attributes.resource),
        "requestSubResource": attributes.subresource,
        "name": attributes.name,
        "namespace": asked.namespace,
        "operation": attributes.operation,
        "userInfo": {
            "username": user.name,
            "uid": user.uid,
            "groups": list(user.groups),
            "extra": {key: list(values) for key, values in user.extra.items()},
        },
        "dryRun": attributes.dry_run,
        "options": options,
    }


def _kind(resource: Resource, subresource: str) -> dict[str, str]:
    part = resource.subresource(subresource) if subresource else None
    kind: GroupVersionKind = part.gvk if part else resource.gvk
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _resource(resource: Resource) -> dict[str, str]:
    return {"group": resource.group, "version": resource.version, "resource": resource.plural}
