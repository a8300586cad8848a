"""Core: how little of a pod's spec may change once it is there.

Everything that may change is put back to what it was; if the specs still differ, the change is refused, and
the difference shown.

After: k8s pkg/apis/core/validation/validation.go, ValidatePodUpdate, ValidatePodEphemeralContainersUpdate
"""

from __future__ import annotations

from typing import Any

from apiserver.registry import formats
from apiserver.registry.difference import difference
from apiserver.registry.pods import pod_annotations
from apiserver.registry.pods.pod_affinity import REQUIRED
from apiserver.registry.strategy import Errors
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.meta import Object

ONLY = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` "
    "(only additions to existing tolerations),`spec.terminationGracePeriodSeconds` "
    "(allow it to be set to 1 if it was previously negative)"
)


def changes(new: Object, old: Object) -> Errors:
    """What may not change in a pod."""
    before, after = old["spec"], new["spec"]
    errors = pod_annotations.changes(meta.annotations(new), meta.annotations(old), "metadata.annotations")
    if before == after:
        return errors
    for field in ("containers", "initContainers"):
        if len(before.get(field) or ()) != len(after.get(field) or ()):
            text = "pod updates may not add or remove containers"
            return [*errors, FieldError.forbidden(f"spec.{field}", text)]
    deadline = _deadline(before.get("activeDeadlineSeconds"), after.get("activeDeadlineSeconds"))
    errors += deadline
    if deadline and "activeDeadlineSeconds" in after:
        return errors
    errors += _only_additions(before.get("tolerations") or [], after.get("tolerations") or [])
    errors += _only_deletions(before.get("schedulingGates") or [], after.get("schedulingGates") or [])
    masked = meta.deep_copy(after)
    _put_back(masked, before)
    if before.get("schedulingGates"):
        errors += _gated(masked, before)
    if masked != before:
        errors.append(FieldError.forbidden("spec", f"{ONLY}\n{difference(before, masked)}"))
    return errors


def _put_back(masked: Object, before: Object) -> None:
    for field in ("containers", "initContainers"):
        for was, now in zip(before.get(field) or (), masked.get(field) or (), strict=True):
            now["image"] = was.get("image")
    for field in ("activeDeadlineSeconds", "schedulingGates", "tolerations"):
        _restore(masked, before, field)
    if (
        before.get("terminationGracePeriodSeconds", 0) < 0
        and masked.get("terminationGracePeriodSeconds") == 1
    ):
        _restore(masked, before, "terminationGracePeriodSeconds")


def _restore(masked: Object, before: Object, field: str) -> None:
    if field in before:
        masked[field] = before[field]
    else:
        masked.pop(field, None)


def _deadline(before: int | None, after: int | None) -> Errors:
    """A deadline may be set, and be brought forward."""
    path = "spec.activeDeadlineSeconds"
    if after is None:
        text = "must not update from a positive integer to nil value"
        return [] if before is None else [FieldError.invalid(path, None, text)]
    if wrong := formats.inside(after, path, 0, formats.INT32_MAX):
        return wrong
    if before is not None and before < after:
        return [FieldError.invalid(path, after, "must be less than or equal to previous value")]
    return []


def _only_additions(before: list[Any], after: list[Any]) -> Errors:
    """Old tolerations stay, but for a shorter or longer tolerationSeconds."""
    bare = [{key: value for key, value in each.items() if key != "tolerationSeconds"} for each in after]
    for each in before:
        if {key: value for key, value in each.items() if key != "tolerationSeconds"} not in bare:
            text = "existing toleration can not be modified except its tolerationSeconds"
            return [FieldError.forbidden("spec.tolerations", text)]
    return []


def _only_deletions(before: list[Any], after: list[Any]) -> Errors:
    known = [gate.get("name") for gate in before]
    text = "only deletion is allowed, but found new scheduling gate"
    return [
        FieldError.forbidden(f"spec.schedulingGates[{index}].name", f"{text} '{gate.get('name')}'")
        for index, gate in enumerate(after)
        if gate.get("name") not in known
    ]


def _gated(masked: Object, before: Object) -> Errors:
    """While a pod waits, whoever holds it back may narrow the nodes it can run on."""
    errors: Errors = []
    was, now = before.get("nodeSelector") or {}, masked.get("nodeSelector") or {}
    if any(now.get(key) != value for key, value in was.items()):
        text = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        errors.append(FieldError.invalid("spec.nodeSelector", now or None, text))
    _restore(masked, before, "nodeSelector")
    old, new = before.get("affinity") or {}, masked.get("affinity") or {}
    if old.get("nodeAffinity") != new.get("nodeAffinity"):
        errors += _narrowed(old.get("nodeAffinity") or {}, new.get("nodeAffinity") or {})
        new = {key: value for key, value in new.items() if key != "nodeAffinity"}
        if "nodeAffinity" in old:
            new["nodeAffinity"] = old["nodeAffinity"]
        masked["affinity"] = new
        if not new:
            _restore(masked, before, "affinity")
    return errors


def _narrowed(old: Any, new: Any) -> Errors:
    path = f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms"
    before = (old.get(REQUIRED) or {}).get("nodeSelectorTerms") or []
    after = (new.get(REQUIRED) or {}).get("nodeSelectorTerms") or []
    if before and len(before) != len(after):
        text = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        return [FieldError.invalid(path, after or None, text)]
    text = "only additions are allowed (no mutations or deletions)"
    return [
        FieldError.invalid(f"{path}[{index}]", now, text)
        for index, (was, now) in enumerate(zip(before, after, strict=False))
        if not _has_only_more(was, now)
    ]


def _has_only_more(was: Any, now: Any) -> bool:
    """A term that was empty selects nothing, and stays so."""
    fields = ("matchExpressions", "matchFields")
    if not any(was.get(field) for field in fields):
        return not any(now.get(field) for field in fields)
    return all(
        (now.get(field) or [])[: len(was.get(field) or [])] == (was.get(field) or []) for field in fields
    )


def ephemeral_containers(new: Object, old: Object) -> Errors:
    """Those that were added stay as they are."""
    if pod_annotations.MIRROR in meta.annotations(old):
        return [FieldError.forbidden("", "static pods do not support ephemeral containers")]
    path = "spec.ephemeralContainers"
    now = {each.get("name"): each for each in new["spec"].get("ephemeralContainers") or ()}
    errors: Errors = []
    for was in old["spec"].get("ephemeralContainers") or ():
        text = f'existing ephemeral containers "{was.get("name")}" may not be'
        if was.get("name") not in now:
            errors.append(FieldError.forbidden(path, f"{text} removed\n"))
        elif now[was.get("name")] != was:
            shown = difference(was, now[was.get("name")])
            errors.append(FieldError.forbidden(path, f"{text} changed\n{shown}"))
    return errors
