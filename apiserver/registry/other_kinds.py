"""Core: one or two rules each for kinds that need no file of their own.

After: k8s pkg/apis/{scheduling,coordination,node,apps}/validation/validation.go
"""

from __future__ import annotations

from typing import Any

from apiserver.registry import formats, names
from apiserver.registry.pods.pod_placement import tolerations
from apiserver.registry.resource_amounts import requirements
from apiserver.registry.strategy import Errors, Strategy, immutable
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.meta import Object

USER_PRIORITY_MAX = 1_000_000_000
SYSTEM_PRIORITIES = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}
SYSTEM_PREFIX = "system-"
POLICIES = ("PreemptLowerPriority", "Never")
LEASE_STRATEGIES = ("OldestEmulationVersion",)


def validate_priority_class(o: Object) -> Errors:
    """Users' priorities stay below the system's, and their names out of its way."""
    name, value = meta.name(o), o.get("value") or 0
    errors: Errors = []
    if name.startswith(SYSTEM_PREFIX):
        if wrong := _not_system(name, value, o.get("globalDefault") or False):
            text = f"priority class names with '{SYSTEM_PREFIX}' prefix are reserved for system use only. "
            errors.append(FieldError.forbidden("metadata.name", f"{text}error: {wrong}"))
    elif value > USER_PRIORITY_MAX:
        text = f"maximum allowed value of a user defined priority is {USER_PRIORITY_MAX}"
        errors.append(FieldError.forbidden("value", text))
    policy = o.get("preemptionPolicy")
    return errors + (formats.choice(policy, "preemptionPolicy", POLICIES) if policy is not None else [])


def _not_system(name: str, value: int, default: bool) -> str:
    known = SYSTEM_PRIORITIES.get(name)
    if known is None:
        return f"{name} is not a known system priority class"
    if value != known:
        return f"value of {name} PriorityClass must be {known}"
    return f"globalDefault of {name} PriorityClass must be false" if default else ""


def priority_class_changes(new: Object, old: Object) -> Errors:
    """Pods have copied the value."""
    errors = immutable(new, old, "preemptionPolicy")
    if (new.get("value") or 0) != (old.get("value") or 0):
        errors.insert(0, FieldError.forbidden("value", "may not be changed in an update."))
    return errors


def validate_lease(o: Object) -> Errors:
    """Numbers that count up from one."""
    spec = o.get("spec") or {}
    errors: Errors = []
    duration, strategy = spec.get("leaseDurationSeconds"), spec.get("strategy")
    if duration is not None and duration <= 0:
        errors.append(FieldError.invalid("spec.leaseDurationSeconds", duration, "must be greater than 0"))
    errors += formats.non_negative(spec.get("leaseTransitions"), "spec.leaseTransitions")
    if strategy is not None:
        path = "spec.strategy.strategy"
        own = formats.optional_choice(strategy, path, LEASE_STRATEGIES)
        errors += formats.qualified_name(strategy, path) if "/" in strategy else own
    if spec.get("preferredHolder") and not strategy:
        text = "may only be specified if `strategy` is defined"
        errors.append(FieldError.forbidden("spec.preferredHolder", text))
    return errors


def validate_runtime_class(o: Object) -> Errors:
    """A handler, what it costs, and where it is to be found."""
    errors = formats.dns_label(o.get("handler") or "", "handler")
    if (fixed := meta.get(o, "overhead", "podFixed")) is not None:
        errors += requirements({"limits": fixed}, "overhead")
    scheduling: Any = o.get("scheduling") or {}
    errors += names.check_labels(scheduling.get("nodeSelector") or {}, "scheduling.nodeSelector")
    return errors + tolerations(scheduling.get("tolerations") or [], "scheduling.tolerations")


def validate_revision(o: Object) -> Errors:
    """A number, and what stood then."""
    errors = [] if o.get("data") is not None else [FieldError.required("data", "data is mandatory")]
    return errors + formats.non_negative(o.get("revision"), "revision")


PRIORITY_CLASS = Strategy(
    is_complete=True,
    counts_generation=True,
    validate=validate_priority_class,
    validate_update=priority_class_changes,
)
LEASE = Strategy(is_complete=True, creates_on_update=True, needs_version=True, validate=validate_lease)
RUNTIME_CLASS = Strategy(
    is_complete=True,
    creates_on_update=True,
    needs_version=True,
    validate=validate_runtime_class,
    validate_update=lambda new, old: immutable(new, old, "handler"),
)
# A ControllerRevision records the past.
CONTROLLER_REVISION = Strategy(
    is_complete=True, validate=validate_revision, validate_update=lambda new, old: immutable(new, old, "data")
)
