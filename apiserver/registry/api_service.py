"""Core: what is special about APIServices: those that are served here are available at once.

After: k8s staging/src/k8s.io/kube-aggregator/pkg/registry/apiservice/strategy.go
"""

from __future__ import annotations

import base64

from apiserver.registry import names
from apiserver.registry.strategy import Errors, Strategy
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.meta import Object


def prepare_create(o: Object) -> None:
    """What no Service stands for is served by whoever is asked."""
    if meta.get(o, "spec", "service", default=None):
        return
    available = {
        "type": "Available",
        "status": "True",
        "reason": "Local",
        "message": "Local APIServices are always available",
        "lastTransitionTime": o["metadata"]["creationTimestamp"],
    }
    o["status"] = {"conditions": [available]}


def validate(o: Object) -> Errors:
    """The name says what is served; who else serves it is said wholly, or not at all."""
    spec = o.get("spec") or {}
    group, version, service = spec.get("group") or "", spec.get("version") or "", spec.get("service")
    return [
        *_name_errors(meta.name(o), f"{version}.{group}"),
        *_group_errors(group, version),
        *(FieldError.invalid("spec.version", version, each) for each in names.dns_1035_label(version)),
        *_priority_errors(spec, "groupPriorityMinimum", 20000),
        *_priority_errors(spec, "versionPriority", 1000),
        *(_local_errors(spec) if service is None else _service_errors(spec, service)),
    ]


def _name_errors(name: str, wanted: str) -> Errors:
    if name == wanted:
        return []
    return [FieldError.invalid("metadata.name", name, f'must be `spec.version+"."+spec.group`: "{wanted}"')]


def _group_errors(group: str, version: str) -> Errors:
    if not group and version != "v1":
        text = "only v1 may have an empty group and it better be legacy kube"
        return [FieldError.required("spec.group", text)]
    return (
        [FieldError.invalid("spec.group", group, each) for each in names.dns_subdomain(group)]
        if group
        else []
    )


def _priority_errors(spec: Object, field: str, maximum: int) -> Errors:
    value = spec.get(field) or 0
    if 0 < value <= maximum:
        return []
    return [FieldError.invalid(f"spec.{field}", value, f"must be positive and less than {maximum}")]


def _local_errors(spec: Object) -> Errors:
    found = []
    if bundle := spec.get("caBundle"):
        size = f"{len(base64.b64decode(bundle))} bytes"
        found.append(FieldError.invalid("spec.caBundle", size, "local APIServices may not have a caBundle"))
    if spec.get("insecureSkipTLSVerify"):
        text = "local APIServices may not have insecureSkipTLSVerify"
        found.append(FieldError.invalid("spec.insecureSkipTLSVerify", True, text))
    return found


def _service_errors(spec: Object, service: Object) -> Errors:
    found = [
        FieldError.required(f"spec.service.{field}")
        for field in ("namespace", "name")
        if not service.get(field)
    ]
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        text = "may not be true if caBundle is present"
        found.append(FieldError.invalid("spec.insecureSkipTLSVerify", True, text))
    return found


STRATEGY = Strategy(name_errors=names.path_segment, prepare_create=prepare_create, validate=validate)
