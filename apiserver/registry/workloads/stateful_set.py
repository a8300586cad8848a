"""Core: what is special about StatefulSets: pods with names and claims of their own. Little of it may change.

After: k8s pkg/apis/apps/validation/validation.go, ValidateStatefulSetSpec, ValidateStatefulSetUpdate
"""

from __future__ import annotations

from typing import Any

from apiserver.registry import formats, names, selectors
from apiserver.registry.pods import pod_template
from apiserver.registry.strategy import Errors, Strategy
from apiserver.registry.workloads import workload_status
from kube.api.errors import FieldError
from kube.api.meta import Object

MUTABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
RETENTIONS = ("Retain", "Delete")


def validate(o: Object) -> Errors:
    """What is wrong with a StatefulSet."""
    spec = o.get("spec") or {}
    errors = _management(spec.get("podManagementPolicy") or "", "spec.podManagementPolicy")
    errors += _strategy(spec.get("updateStrategy") or {}, "spec.updateStrategy")
    retention = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    for field, policy in retention.items():
        if policy not in RETENTIONS:
            path = f"spec.persistentVolumeClaimRetentionPolicy.{field}"
            errors.append(FieldError.not_supported(path, policy, RETENTIONS))
    errors += formats.non_negative(spec.get("replicas"), "spec.replicas")
    errors += formats.non_negative(spec.get("minReadySeconds"), "spec.minReadySeconds")
    errors += formats.non_negative((spec.get("ordinals") or {}).get("start"), "spec.ordinals.start")
    errors += selectors.own_selector(spec, "statefulset", unreadable="")
    template = _with_claims(spec)
    errors += pod_template.of_controller(template, "spec.template", "StatefulSet")
    return errors + formats.non_negative(spec.get("revisionHistoryLimit"), "spec.revisionHistoryLimit")


def _with_claims(spec: Any) -> Any:
    """The template as its pods will have it: each claim is a volume."""
    template = spec.get("template") or {}
    inner = template.get("spec") or {}
    claims = [(each.get("metadata") or {}).get("name") for each in spec.get("volumeClaimTemplates") or ()]
    # A volume of the same name gives way to the claim.
    own = [each for each in inner.get("volumes") or () if each.get("name") not in claims]
    made = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims if name]
    return {**template, "spec": {**inner, "volumes": [*own, *made]}} if claims else template


def _management(policy: str, path: str) -> Errors:
    if policy in ("OrderedReady", "Parallel"):
        return []
    if not policy:
        return [FieldError.required(path)]
    return [FieldError.invalid(path, policy, "must be 'OrderedReady' or 'Parallel'")]


def _strategy(strategy: Any, path: str) -> Errors:
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if not kind:
        return [FieldError.required(path)]
    if kind not in ("RollingUpdate", "OnDelete"):
        shown = {"Type": kind, "RollingUpdate": rolling}
        return [FieldError.invalid(path, shown, "must be 'RollingUpdate' or 'OnDelete'")]
    if rolling is None:
        return []
    at, away = f"{path}.rollingUpdate", rolling.get("maxUnavailable")
    if kind == "OnDelete":
        shown = {"Partition": rolling.get("partition") or 0, "MaxUnavailable": away}
        return [FieldError.invalid(at, shown, "only allowed for updateStrategy 'RollingUpdate'")]
    errors = formats.non_negative(rolling.get("partition"), f"{at}.partition")
    if away is not None:
        errors += formats.number_or_percent(away, f"{at}.maxUnavailable")
        if not formats.amount_of(away):
            errors.append(FieldError.invalid(f"{at}.maxUnavailable", away, "cannot be 0"))
        errors += formats.at_most_all(away, f"{at}.maxUnavailable")
    return errors


def changes(new: Object, old: Object) -> Errors:
    """Only a few fields of the spec may change."""
    after = {key: value for key, value in new["spec"].items() if key not in MUTABLE}
    before = {key: value for key, value in old["spec"].items() if key not in MUTABLE}
    if after == before:
        return []
    allowed = ", ".join(f"'{each}'" for each in MUTABLE[:-1])
    text = f"updates to statefulset spec for fields other than {allowed} and 'minReadySeconds' are forbidden"
    return [FieldError.forbidden("spec", text)]


STRATEGY = Strategy(
    name_errors=names.dns_label,
    counts_generation=True,
    is_complete=True,
    validate=validate,
    validate_update=changes,
    subresources={
        "status": workload_status.rule(
            "readyReplicas",
            "currentReplicas",
            "updatedReplicas",
            "availableReplicas",
            ready="status.readyReplicas",
        )
    },
)
