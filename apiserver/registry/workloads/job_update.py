"""Core: what may change in a Job: how much is done at once and when it is given up.

While it is suspended its template may say anew where its pods will run and what they ask for.

After: k8s pkg/apis/batch/validation/validation.go, ValidateJobSpecUpdate; pkg/registry/batch/job/strategy.go
"""

from __future__ import annotations

from typing import Any

from apiserver.registry.strategy import Errors, immutable
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.meta import Object

LAST = ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")


def changes(new: Object, old: Object) -> Errors:
    """What may not change."""
    before, after = old.get("spec") or {}, new.get("spec") or {}
    errors = _completions(before, after) + immutable(new, old, "spec.selector")
    former = before.get("template")
    if before.get("suspend") and not meta.get(old, "status", "startTime"):
        former = _rescheduled(before.get("template") or {}, after.get("template") or {})
    if before.get("suspend"):
        former = _with_resources(former or {}, after.get("template") or {})
    if former != after.get("template"):
        errors.append(FieldError.invalid("spec.template", after.get("template"), "field is immutable"))
    return errors + immutable(new, old, *(f"spec.{field}" for field in LAST))


def _completions(before: Any, after: Any) -> Errors:
    """A Job with an index for each pod may grow, in step with its parallelism."""
    was, now = before.get("completions"), after.get("completions")
    if was == now:
        return []
    if after.get("completionMode") != "Indexed":
        return [FieldError.invalid("spec.completions", now, "field is immutable")]
    if now is None or now == after.get("parallelism"):
        return []
    text = "can only be modified in tandem with spec.parallelism"
    return [FieldError.invalid("spec.completions", now, text)]


def _rescheduled(before: Any, after: Any) -> Any:
    """The old template with the new one's wishes for a place to run."""
    metadata = dict(before.get("metadata") or {})
    spec = dict(before.get("spec") or {})
    wanted, given = after.get("spec") or {}, after.get("metadata") or {}
    for target, source, fields in (
        (metadata, given, ("labels", "annotations")),
        (spec, wanted, ("nodeSelector", "tolerations", "schedulingGates")),
    ):
        for field in fields:
            target.pop(field, None)
            if field in source:
                target[field] = source[field]
    affinity = {**(spec.pop("affinity", None) or {})}
    affinity.pop("nodeAffinity", None)
    if "nodeAffinity" in (wanted.get("affinity") or {}):
        affinity["nodeAffinity"] = wanted["affinity"]["nodeAffinity"]
    if affinity or "affinity" in wanted:
        spec["affinity"] = affinity
    return {**before, "metadata": metadata, "spec": spec}


def _with_resources(before: Any, after: Any) -> Any:
    """The old template with what the new one's containers ask for."""
    spec, wanted = dict(before.get("spec") or {}), after.get("spec") or {}
    for field in ("containers", "initContainers"):
        was, now = spec.get(field) or [], wanted.get(field) or []
        if was and [each.get("name") for each in was] == [each.get("name") for each in now]:
            pairs = zip(was, now, strict=True)
            spec[field] = [{**one, "resources": other.get("resources") or {}} for one, other in pairs]
    return {**before, "spec": spec}
