"""Core: one or two rules each for kinds that need no file of their own.

After: k8s pkg/apis/{scheduling,coordination,storage,certificates}/validation/validation.go
"""

from __future__ import annotations

from apiserver.registry.strategy import Errors, immutable
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.meta import Object

USER_PRIORITY_MAX = 1_000_000_000
POLICIES = ("Never", "PreemptLowerPriority")


def validate_priority_class(o: Object) -> Errors:
    """Users' priorities stay below the system's."""
    value = o.get("value") or 0
    errors: Errors = []
    if value > USER_PRIORITY_MAX and not meta.name(o).startswith("system-"):
        text = f"maximum allowed value of a user defined priority is {USER_PRIORITY_MAX}"
        errors.append(FieldError.forbidden("value", text))
    if o.get("preemptionPolicy") not in (None, *POLICIES):
        errors.append(FieldError.not_supported("preemptionPolicy", o["preemptionPolicy"], POLICIES))
    return errors


def priority_class_changes(new: Object, old: Object) -> Errors:
    """Pods have copied the value."""
    if (new.get("value") or 0) != (old.get("value") or 0):
        return [FieldError.forbidden("value", "may not be changed in an update.")]
    return immutable(new, old, "preemptionPolicy")


def validate_lease(o: Object) -> Errors:
    """Numbers that count up from one."""
    spec = o.get("spec") or {}
    errors: Errors = []
    duration = spec.get("leaseDurationSeconds")
    if duration is not None and duration <= 0:
        errors.append(FieldError.invalid("spec.leaseDurationSeconds", duration, "must be greater than 0"))
    transitions = spec.get("leaseTransitions")
    if transitions is not None and transitions < 0:
        text = "must be greater than or equal to 0"
        errors.append(FieldError.invalid("spec.leaseTransitions", transitions, text))
    return errors


def storage_class_changes(new: Object, old: Object) -> Errors:
    """Volumes were made with it."""
    errors: Errors = []
    if (new.get("parameters") or {}) != (old.get("parameters") or {}):
        errors.append(FieldError.forbidden("parameters", "updates to parameters are forbidden."))
    if new.get("provisioner") != old.get("provisioner"):
        errors.append(FieldError.forbidden("provisioner", "updates to provisioner are forbidden."))
    if new.get("reclaimPolicy") != old.get("reclaimPolicy"):
        errors.append(FieldError.forbidden("reclaimPolicy", "updates to reclaimPolicy are forbidden."))
    return errors + immutable(new, old, "volumeBindingMode")


def revision_changes(new: Object, old: Object) -> Errors:
    """A ControllerRevision records the past."""
    return immutable(new, old, "data")


def request_changes(new: Object, old: Object) -> Errors:
    """What was asked for stays what was asked for."""
    return immutable(new, old, "spec")
