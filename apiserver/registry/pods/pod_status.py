"""Core: what a pod's status may not say: lives that begin again, addresses that are none.

After: k8s pkg/apis/core/validation/validation.go, ValidatePodStatusUpdate
"""

from __future__ import annotations

from typing import Any

from apiserver.registry import formats
from apiserver.registry.pods import pod_annotations
from apiserver.registry.strategy import Errors
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.meta import Object

SYSTEM_CONDITIONS = ("PodScheduled", "Ready", "Initialized")
REBORN = "may not be transitioned to non-terminated state"


def changes(new: Object, old: Object) -> Errors:
    """What is wrong with a new status."""
    status, former, spec = new.get("status") or {}, old.get("status") or {}, old.get("spec") or {}
    errors = pod_annotations.changes(meta.annotations(new), meta.annotations(old), "metadata.annotations")
    for index, condition in enumerate(status.get("conditions") or ()):
        kind = condition.get("type") or ""
        if kind not in SYSTEM_CONDITIONS:
            errors += formats.qualified_name(kind, f"metadata.conditions[{index}].Type")
    nominated = status.get("nominatedNodeName")
    if nominated and nominated != former.get("nominatedNodeName"):
        errors += formats.dns_subdomain(nominated, "status.nominatedNodeName")
    if status.get("qosClass") != former.get("qosClass"):
        errors.append(FieldError.invalid("status.qosClass", status.get("qosClass"), "field is immutable"))
    errors += _lives(spec, "containers", status, former, "containerStatuses")
    errors += _lives(spec, "initContainers", status, former, "initContainerStatuses")
    errors += _lives({"restartPolicy": "Never"}, "", status, former, "ephemeralContainerStatuses")
    errors += _addresses(status.get("podIPs") or (), "status.podIPs")
    return errors + _host_addresses(status)


def _lives(spec: Object, field: str, status: Object, former: Object, listed: str) -> Errors:
    """A container that ended for good does not run again, unless a rule of its own says so."""
    policy = spec.get("restartPolicy")
    if policy == "Always":
        return []
    errors: Errors = []
    own = [each.get("name") for each in spec.get(field) or () if each.get("restartPolicy")]
    for index, was in enumerate(former.get(listed) or ()):
        ended = (was.get("state") or {}).get("terminated")
        if not ended or (ended.get("exitCode") and policy == "OnFailure") or was.get("name") in own:
            continue
        for now in status.get(listed) or ():
            if now.get("name") == was.get("name") and not (now.get("state") or {}).get("terminated"):
                errors.append(FieldError.forbidden(f"status.{listed}[{index}].state", REBORN))
    return errors


def _addresses(addresses: Any, path: str) -> Errors:
    """At most one of each family."""
    errors: Errors = []
    given = [each.get("ip") or "" for each in addresses]
    for index, ip in enumerate(given):
        errors += formats.address(ip, f"{path}[{index}]")
    if len(given) > 1:
        families = {":" in ip for ip in given}
        if len(families) < 2 or len(given) > 2:
            text = "may specify no more than one IP for each IP family"
            errors.append(FieldError.invalid(path, addresses, text))
        errors += [
            FieldError.duplicate(f"{path}[{index}]", addresses[index])
            for index, ip in enumerate(given)
            if ip in given[:index]
        ]
    return errors


def _host_addresses(status: Object) -> Errors:
    addresses = status.get("hostIPs") or ()
    if not addresses:
        return []
    errors: Errors = []
    if addresses[0].get("ip") != status.get("hostIP"):
        text = "must be equal to `hostIP`"
        errors.append(FieldError.invalid("status.hostIPs[0].ip", addresses[0].get("ip") or "", text))
    return errors + _addresses(addresses, "status.hostIPs")
