"""Core: what is special about persistent volumes and the claims on them: sizes, access modes, sources.

After: k8s pkg/apis/core/validation/validation.go, ValidatePersistentVolume and ValidatePersistentVolumeClaim
"""

from __future__ import annotations

from typing import Any

from apiserver.registry import formats, names, volume_sources
from apiserver.registry.difference import difference
from apiserver.registry.selectors import label_selector
from apiserver.registry.strategy import Errors, Strategy, immutable
from kube.api import meta, quantity
from kube.api.errors import FieldError
from kube.api.meta import Object

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
ALONE = "ReadWriteOncePod"
VOLUME_MODES = ("Block", "Filesystem")
RECLAIM_POLICIES = ("Delete", "Recycle", "Retain")
CLAIM_KEPT = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName "
    "for bound claims"
)
COPIED_SOURCES = (("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot"))
# What a volume's spec says beside its source.
NO_SOURCE = (
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
)


def begin_pending(o: Object) -> None:
    """Neither a claim nor a volume is bound when it is made."""
    o["status"] = {"phase": "Pending"}


def begin_claim(o: Object) -> None:
    """A claim's source has an old name and a new one; both say the same."""
    begin_pending(o)
    spec = o.get("spec") or {}
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None and reference is None:
        spec["dataSourceRef"] = meta.deep_copy(source)
    elif source is None and reference is not None and "namespace" not in reference:
        kind = (reference.get("apiGroup") or "", reference.get("kind"))
        if kind in COPIED_SOURCES:
            spec["dataSource"] = meta.deep_copy(reference)


def _modes(modes: list[str], path: str) -> Errors:
    errors = [
        FieldError.not_supported(path, mode, ACCESS_MODES) for mode in modes if mode not in ACCESS_MODES
    ]
    if ALONE in modes and any(mode != ALONE for mode in modes):
        errors.append(FieldError.forbidden(path, f"may not use {ALONE} with other access modes"))
    return errors


def _class_and_mode(spec: Any, path: str) -> Errors:
    name, mode = spec.get("storageClassName") or "", spec.get("volumeMode")
    errors = formats.named(names.dns_subdomain, name, f"{path}.storageClassName") if name else []
    return errors + formats.optional_choice(mode, f"{path}.volumeMode", VOLUME_MODES)


def _size(amount: Any, path: str) -> Errors:
    if quantity.parse(amount) > quantity.ZERO:
        return []
    return [FieldError.invalid(path, amount, "must be greater than zero")]


def validate_claim(o: Object) -> Errors:
    """Access modes and a size."""
    return claim_spec(o.get("spec") or {}, "spec")


def claim_spec(spec: Any, path: str) -> Errors:
    """What is wrong with a claim, wherever it stands."""
    modes = spec.get("accessModes") or []
    errors: Errors = []
    if not modes:
        text = "at least 1 access mode is required"
        errors.append(FieldError.required(f"{path}.accessModes", text))
    errors += label_selector(spec.get("selector"), f"{path}.selector")
    errors += _modes(modes, f"{path}.accessModes")
    wanted = meta.get(spec, "resources", "requests", "storage")
    at = f"{path}.resources[storage]"
    errors += [FieldError.required(at)] if wanted is None else _size(wanted, at)
    errors += _class_and_mode(spec, path)
    for field in ("dataSource", "dataSourceRef"):
        if source := spec.get(field):
            errors += _data_source(source, f"{path}.{field}")
    return errors


def _data_source(source: Any, path: str) -> Errors:
    group, kind = source.get("apiGroup") or "", source.get("kind") or ""
    errors = [FieldError.required(f"{path}.{part}") for part in ("name", "kind") if not source.get(part)]
    if not group and kind != "PersistentVolumeClaim":
        errors.append(FieldError.invalid(path, kind, ""))
    return errors + (formats.dns_subdomain(group, f"{path}.apiGroup") if group else [])


def claim_changes(new: Object, old: Object) -> Errors:
    """A bound claim may grow; what it is stays."""
    after, before = meta.deep_copy(new["spec"]), meta.deep_copy(old["spec"])
    size, former = (meta.get(each, "resources", "requests", "storage") for each in (after, before))
    for spec in (after, before):
        spec.pop("volumeAttributesClassName", None)
        if not before.get("volumeName"):
            spec.pop("volumeName", None)
        if "storageClassName" not in old["spec"]:
            spec.pop("storageClassName", None)
        if meta.get(old, "status", "phase") == "Bound":
            spec.get("resources", {}).get("requests", {}).pop("storage", None)
    errors: Errors = []
    if after != before:
        errors.append(FieldError.forbidden("spec", f"{CLAIM_KEPT}\n{difference(before, after)}"))
    has = meta.get(old, "status", "capacity", "storage", default="0")
    if quantity.parse(size) < quantity.parse(former) and not quantity.parse(has) < quantity.parse(size):
        text = "field can not be less than status.capacity"
        errors.append(FieldError.forbidden("spec.resources.requests.storage", text))
    return errors + _same_mode(new, old)


def _same_mode(new: Object, old: Object) -> Errors:
    return [
        FieldError("volumeMode", each.reason, each.message) for each in immutable(new, old, "spec.volumeMode")
    ]


def validate_volume(o: Object) -> Errors:
    """A size, access modes and one source."""
    spec = o.get("spec") or {}
    modes, capacity = spec.get("accessModes") or [], spec.get("capacity")
    policy = spec.get("persistentVolumeReclaimPolicy")
    errors = _modes(modes, "spec.accessModes") if modes else [FieldError.required("spec.accessModes")]
    if not capacity:
        errors.append(FieldError.required("spec.capacity"))
    if not capacity or set(capacity) != {"storage"}:
        errors.append(FieldError.not_supported("spec.capacity", capacity, ("storage",)))
    for name, amount in (capacity or {}).items():
        errors += _size(amount, f"spec.capacity[{name}]")
    errors += formats.optional_choice(policy, "spec.persistentVolumeReclaimPolicy", RECLAIM_POLICIES)
    errors += volume_sources.validate(source_of(o), "spec", has_affinity="nodeAffinity" in spec)
    if (
        policy == "Recycle"
        and (meta.get(spec, "hostPath", "path") or "").rstrip("/.") == ""
        and "hostPath" in spec
    ):
        text = "may not be 'recycle' for a hostPath mount of '/'"
        errors.append(FieldError.forbidden("spec.persistentVolumeReclaimPolicy", text))
    return errors + _class_and_mode(spec, "spec")


def source_of(o: Object) -> dict[str, Any]:
    """Where a volume's bytes are."""
    return {key: value for key, value in (o.get("spec") or {}).items() if key not in NO_SOURCE}


def volume_changes(new: Object, old: Object) -> Errors:
    """A volume is what it is, where it is."""
    errors: Errors = []
    if source_of(new) != source_of(old):
        text = "spec.persistentvolumesource is immutable after creation\n"
        text += difference(source_of(old), source_of(new))
        errors.append(FieldError.forbidden("spec.persistentvolumesource", text))
    errors += _same_mode(new, old)
    before, after = old["spec"].get("nodeAffinity"), new["spec"].get("nodeAffinity")
    if before is not None and before != after:
        errors.append(FieldError.invalid("nodeAffinity", after, "field is immutable"))
    return errors


CLAIM = Strategy(
    is_complete=True,
    returns_deleted=True,
    prepare_create=begin_claim,
    validate=validate_claim,
    validate_update=claim_changes,
)
VOLUME = Strategy(
    is_complete=True,
    returns_deleted=True,
    prepare_create=begin_pending,
    validate=validate_volume,
    validate_update=volume_changes,
)
