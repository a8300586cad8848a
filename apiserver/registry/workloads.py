"""Core: what Deployments, ReplicaSets, StatefulSets, DaemonSets and ReplicationControllers have in common:
a selector that must fit the template and never changes, and a number of replicas.

After: k8s pkg/apis/apps/validation/validation.go
"""

from __future__ import annotations

from typing import Any

from apiserver.registry import pod_template, selectors
from apiserver.registry.strategy import Errors, Strategy, immutable, within
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.labels import Selector
from kube.api.meta import Object

STATEFUL_SET_MUTABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


def validate(o: Object) -> Errors:
    """Replicas, selector and template."""
    spec = o.get("spec") or {}
    errors = within(spec.get("replicas"), "spec.replicas", 0)
    errors += within(spec.get("minReadySeconds"), "spec.minReadySeconds", 0)
    errors += within(spec.get("revisionHistoryLimit"), "spec.revisionHistoryLimit", 0)
    selector, template = spec.get("selector"), spec.get("template") or {}
    if selector is None:
        errors.append(FieldError.required("spec.selector"))
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        text = "empty selector is invalid for " + o["kind"].lower()
        errors.append(FieldError.invalid("spec.selector", {}, text))
    elif wrong := selectors.label_selector(selector, "spec.selector"):
        errors += wrong
    elif not Selector.from_label_selector(selector).matches(meta.labels(template)):
        text = "`selector` does not match template `labels`"
        errors.append(FieldError.invalid("spec.template.metadata.labels", meta.labels(template), text))
    return errors + pod_template.of_controller(template, "spec.template", "ReplicaSet")


def validate_deployment(o: Object) -> Errors:
    """A rollout that could not move is refused."""
    errors = validate(o)
    spec = o.get("spec") or {}
    strategy = spec.get("strategy") or {}
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind not in ("Recreate", "RollingUpdate"):
        errors.append(
            FieldError.not_supported("spec.strategy.type", kind or "", ("Recreate", "RollingUpdate"))
        )
    if kind == "Recreate" and rolling:
        text = "may not be specified when strategy `type` is 'Recreate'"
        errors.append(FieldError.forbidden("spec.strategy.rollingUpdate", text))
    if rolling and _is_zero(rolling.get("maxUnavailable")) and _is_zero(rolling.get("maxSurge")):
        path = "spec.strategy.rollingUpdate.maxUnavailable"
        text = "may not be 0 when `maxSurge` is 0"
        errors.append(FieldError.invalid(path, rolling.get("maxUnavailable"), text))
    deadline, ready = spec.get("progressDeadlineSeconds"), spec.get("minReadySeconds") or 0
    errors += within(deadline, "spec.progressDeadlineSeconds", 0)
    if isinstance(deadline, int) and deadline <= ready:
        errors.append(
            FieldError.invalid(
                "spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"
            )
        )
    return errors


def _is_zero(value: Any) -> bool:
    return value in (0, "0%", None)


def same_selector(new: Object, old: Object) -> Errors:
    """The selector never changes: the pods it selects could be lost."""
    return immutable(new, old, "spec.selector")


def stateful_set_changes(new: Object, old: Object) -> Errors:
    """Only a few fields of a StatefulSet's spec may change."""
    after = {key: value for key, value in new["spec"].items() if key not in STATEFUL_SET_MUTABLE}
    before = {key: value for key, value in old["spec"].items() if key not in STATEFUL_SET_MUTABLE}
    if after == before:
        return []
    allowed = ", ".join(f"'{each}'" for each in STATEFUL_SET_MUTABLE[:-1])
    text = f"updates to statefulset spec for fields other than {allowed} and 'minReadySeconds' are forbidden"
    return [FieldError.forbidden("spec", text)]


def validate_controller(o: Object) -> Errors:
    """A ReplicationController's selector is a plain map."""
    spec = o.get("spec") or {}
    selector, template = spec.get("selector") or {}, spec.get("template") or {}
    errors = within(spec.get("replicas"), "spec.replicas", 0)
    if not selector:
        errors.append(FieldError.required("spec.selector"))
    elif not Selector.from_set(selector).matches(meta.labels(template)):
        text = "`selector` does not match template `labels`"
        errors.append(FieldError.invalid("spec.template.metadata.labels", meta.labels(template), text))
    return errors + pod_template.of_controller(template, "spec.template", "ReplicaSet")


def validate_pod_template(o: Object) -> Errors:
    """The template in a PodTemplate."""
    return pod_template.check(o.get("template") or {}, "template")


def begin_daemon_set(o: Object) -> None:
    """The template's generation, which old clients read from an annotation."""
    o["metadata"].setdefault("annotations", {}).setdefault("deprecated.daemonset.template.generation", "1")


def change_daemon_set(new: Object, old: Object) -> None:
    """A changed template has the next generation."""
    if meta.get(new, "spec", "template") != meta.get(old, "spec", "template"):
        key = "deprecated.daemonset.template.generation"
        annotations = new["metadata"].setdefault("annotations", {})
        annotations[key] = str(int(meta.annotations(old).get(key, "0")) + 1)


DEPLOYMENT = Strategy(counts_generation=True, validate=validate_deployment, validate_update=same_selector)
REPLICA_SET = Strategy(counts_generation=True, validate=validate, validate_update=same_selector)
STATEFUL_SET = Strategy(counts_generation=True, validate=validate, validate_update=stateful_set_changes)
DAEMON_SET = Strategy(
    counts_generation=True,
    prepare_create=begin_daemon_set,
    prepare_update=change_daemon_set,
    validate=validate,
    validate_update=same_selector,
)
REPLICATION_CONTROLLER = Strategy(
    counts_generation=True, orphans_by_default=True, validate=validate_controller
)
POD_TEMPLATE = Strategy(counts_generation=True, returns_deleted=True, validate=validate_pod_template)
