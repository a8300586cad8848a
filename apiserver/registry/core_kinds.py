"""Core: what is special about Namespaces, Nodes, ConfigMaps, Secrets, claims and volumes: a few lines each.

After: k8s pkg/registry/core/*/strategy.go; pkg/apis/core/validation/validation.go
"""

from __future__ import annotations

from apiserver.registry import names
from apiserver.registry.strategy import Errors, Strategy, immutable
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.meta import Object

DATA_BYTES_MAX = 1024 * 1024
TLS_KEYS = ("tls.crt", "tls.key")
ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
CLAIM_MUTABLE = ("resources", "volumeAttributesClassName", "volumeName", "storageClassName")


def change_namespace(new: Object, old: Object) -> None:
    """The spec is changed through /finalize alone; the name's label cannot be lost."""
    new["spec"] = meta.deep_copy(old.get("spec") or {})
    new["metadata"]["labels"] = meta.labels(new) | {"kubernetes.io/metadata.name": meta.name(old)}


def validate_config_map(o: Object) -> Errors:
    """Keys are file names, and the whole is small."""
    data, binary = o.get("data") or {}, o.get("binaryData") or {}
    errors = _key_errors(data, "data") + _key_errors(binary, "binaryData")
    for key in binary:
        if key in data:
            errors.append(FieldError.invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
    size = sum(len(value.encode()) for value in data.values()) + sum(
        len(value) * 3 // 4 for value in binary.values()
    )
    return errors + ([FieldError.too_long("", DATA_BYTES_MAX)] if size > DATA_BYTES_MAX else [])


def _key_errors(data: Object, path: str) -> Errors:
    return [
        FieldError.invalid(f"{path}[{key}]", key, error) for key in data for error in names.config_key(key)
    ]


def immutable_data(new: Object, old: Object) -> Errors:
    """Once immutable, always so."""
    if not old.get("immutable"):
        return []
    errors: Errors = []
    if not new.get("immutable"):
        errors.append(FieldError.forbidden("immutable", "field is immutable when `immutable` is set"))
    for field in ("data", "binaryData"):
        if (new.get(field) or {}) != (old.get(field) or {}):
            errors.append(FieldError.forbidden(field, "field is immutable when `immutable` is set"))
    return errors


def validate_secret(o: Object) -> Errors:
    """Keys, size, and what the type promises."""
    data = o.get("data") or {}
    errors = _key_errors(data, "data")
    if sum(len(value) * 3 // 4 for value in data.values()) > DATA_BYTES_MAX:
        errors.append(FieldError.too_long("data", DATA_BYTES_MAX))
    if o.get("type") == "kubernetes.io/tls":
        errors += [FieldError.required(f"data[{key}]") for key in TLS_KEYS if key not in data]
    if o.get("type") == "kubernetes.io/dockerconfigjson" and ".dockerconfigjson" not in data:
        errors.append(FieldError.required("data[.dockerconfigjson]"))
    if o.get("type") == "kubernetes.io/service-account-token":
        name = "kubernetes.io/service-account.name"
        if not meta.annotations(o).get(name):
            errors.append(FieldError.required(f"metadata.annotations[{name}]"))
    return errors


def secret_changes(new: Object, old: Object) -> Errors:
    """The type never changes."""
    return immutable(new, old, "type") + immutable_data(new, old)


def begin_pending(o: Object) -> None:
    """Neither a claim nor a volume is bound when it is made."""
    o["status"] = {"phase": "Pending"}


def validate_claim(o: Object) -> Errors:
    """Access modes and a size."""
    spec = o.get("spec") or {}
    errors: Errors = []
    if not spec.get("accessModes"):
        errors.append(FieldError.required("spec.accessModes", "at least 1 access mode is required"))
    for index, mode in enumerate(spec.get("accessModes") or []):
        if mode not in ACCESS_MODES:
            errors.append(FieldError.not_supported(f"spec.accessModes[{index}]", mode, ACCESS_MODES))
    if not meta.get(spec, "resources", "requests", "storage"):
        errors.append(FieldError.required("spec.resources[storage]"))
    return errors


def claim_changes(new: Object, old: Object) -> Errors:
    """A claim may grow; what it is stays."""
    after = {key: value for key, value in new["spec"].items() if key not in CLAIM_MUTABLE}
    before = {key: value for key, value in old["spec"].items() if key not in CLAIM_MUTABLE}
    if after == before:
        return []
    text = "spec is immutable after creation except resources.requests and volumeAttributesClassName "
    text += "for bound claims"
    return [FieldError.forbidden("spec", text)]


def validate_volume(o: Object) -> Errors:
    """A size, access modes and one source."""
    spec = o.get("spec") or {}
    errors: Errors = []
    if not spec.get("accessModes"):
        errors.append(FieldError.required("spec.accessModes"))
    if not meta.get(spec, "capacity", "storage"):
        errors.append(FieldError.required("spec.capacity"))
    return errors


NAMESPACE = Strategy(
    name_errors=names.dns_label,
    returns_deleted=True,
    prepare_update=change_namespace,
)
CONFIG_MAP = Strategy(validate=validate_config_map, validate_update=immutable_data)
SECRET = Strategy(
    validate=validate_secret,
    validate_update=secret_changes,
)
CLAIM = Strategy(
    returns_deleted=True, prepare_create=begin_pending, validate=validate_claim, validate_update=claim_changes
)
VOLUME = Strategy(returns_deleted=True, prepare_create=begin_pending, validate=validate_volume)
