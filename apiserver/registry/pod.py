"""Core: what is special about Pods: their first status, and how little of a spec may change.

After: k8s pkg/registry/core/pod/strategy.go; pkg/apis/core/validation/validation.go, ValidatePodUpdate
"""

from __future__ import annotations

from typing import Any

from apiserver.registry import pod_spec
from apiserver.registry.strategy import Errors, Strategy
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.meta import Object

GATED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "SchedulingGated",
    "message": "Scheduling is blocked due to non-empty scheduling gates",
}
FORBIDDEN = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` "
    "(only additions to existing tolerations),`spec.terminationGracePeriodSeconds` "
    "(allow it to be set to 1 if it was previously negative)"
)


def prepare_create(o: Object) -> None:
    """A gated pod says that it waits."""
    if meta.get(o, "spec", "schedulingGates"):
        o["status"]["conditions"] = [dict(GATED)]


def prepare_update(new: Object, _old: Object) -> None:
    """Gates gone: the scheduler may look at the pod."""
    if not meta.get(new, "spec", "schedulingGates"):
        status = new.get("status") or {}
        conditions = [
            each for each in status.get("conditions") or [] if each.get("reason") != "SchedulingGated"
        ]
        if "conditions" in status:
            status["conditions"] = conditions
            if not conditions:
                del status["conditions"]


def validate(o: Object) -> Errors:
    """What is wrong with a pod."""
    spec = o.get("spec") or {}
    errors = pod_spec.validate(spec, "spec")
    if spec.get("nodeName") and spec.get("schedulingGates"):
        errors.append(
            FieldError.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared")
        )
    return errors


def validate_update(new: Object, old: Object) -> Errors:
    """Images, deadlines, and more tolerations may change; nothing else."""
    before, after = meta.deep_copy(old["spec"]), meta.deep_copy(new["spec"])
    errors: Errors = []
    for field in ("containers", "initContainers"):
        if len(before.get(field) or []) != len(after.get(field) or []):
            text = "pod updates may not add or remove containers"
            return [FieldError.forbidden(f"spec.{field}", text)]
        for was, now in zip(before.get(field) or [], after.get(field) or [], strict=True):
            now["image"] = was.get("image")
    if "activeDeadlineSeconds" in after:
        before["activeDeadlineSeconds"] = after["activeDeadlineSeconds"]
    was_tolerated = before.pop("tolerations", None) or []
    is_tolerated = after.pop("tolerations", None) or []
    errors += _only_additions(was_tolerated, is_tolerated)
    if (before.get("terminationGracePeriodSeconds") or 0) < 0 and after.get(
        "terminationGracePeriodSeconds"
    ) == 1:
        before["terminationGracePeriodSeconds"] = 1
    gates_before, gates = before.pop("schedulingGates", None) or [], after.pop("schedulingGates", None) or []
    if any(gate not in gates_before for gate in gates):
        text = "only deletion is allowed, but found new scheduling gate"
        errors.append(FieldError.forbidden("spec.schedulingGates", text))
    if gates_before:
        for field in ("nodeSelector", "affinity"):
            before[field] = after.get(field)
            if field not in after:
                before.pop(field)
    if before != after:
        errors.append(FieldError.forbidden("spec", FORBIDDEN))
    return errors


def _only_additions(before: list[Any], after: list[Any]) -> Errors:
    """Old tolerations stay, but for a shorter or longer tolerationSeconds."""
    bare = [{key: value for key, value in each.items() if key != "tolerationSeconds"} for each in after]
    for each in before:
        if {key: value for key, value in each.items() if key != "tolerationSeconds"} not in bare:
            text = "existing toleration can not be modified except its tolerationSeconds"
            return [FieldError.forbidden("spec.tolerations", text)]
    return []


STRATEGY = Strategy(
    returns_deleted=True,
    is_graceful=True,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    validate_update=validate_update,
)
