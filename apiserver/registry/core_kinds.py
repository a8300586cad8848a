"""Core: what is special about Namespaces, ConfigMaps, Secrets and ServiceAccounts.

After: k8s pkg/registry/core/*/strategy.go; pkg/apis/core/validation/validation.go
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from apiserver.registry import metadata, names
from apiserver.registry.strategy import Errors, Strategy, immutable
from kube.api import go_words, meta
from kube.api.errors import FieldError
from kube.api.lasting_tokens import ACCOUNT_NAME, TYPE
from kube.api.meta import Object

DATA_BYTES_MAX = 1024 * 1024
REDACTED = "<secret contents redacted>"
FROZEN = "field is immutable when `immutable` is set"
# The path of an error that is about the whole object.
WHOLE = "[]"


def change_namespace(new: Object, old: Object) -> None:
    """The spec is changed through /finalize alone; the name's label cannot be lost."""
    new["spec"] = meta.deep_copy(old.get("spec") or {})
    new["metadata"]["labels"] = meta.labels(new) | {"kubernetes.io/metadata.name": meta.name(old)}


def validate_namespace(o: Object) -> Errors:
    """Who empties it has a proper name."""
    return metadata.finalizer_errors(meta.get(o, "spec", "finalizers", default=[]), "spec.finalizers")


def namespace_finalizers(new: Object, _old: Object) -> Errors:
    """The same, through the door of its own; each by its place."""
    return [
        error
        for index, each in enumerate(meta.get(new, "spec", "finalizers", default=[]))
        for error in metadata.finalizer_errors([each], f"spec.finalizers[{index}]")
    ]


def namespace_status(new: Object, _old: Object) -> Errors:
    """The phase says whether it is being deleted."""
    phase = meta.get(new, "status", "phase", default="")
    if not meta.is_terminating(new) and phase != "Active":
        text = "may only be 'Active' if `deletionTimestamp` is empty"
        return [FieldError.invalid("status.Phase", phase, text)]
    if meta.is_terminating(new) and phase != "Terminating":
        text = "may only be 'Terminating' if `deletionTimestamp` is not empty"
        return [FieldError.invalid("status.Phase", phase, text)]
    return []


def validate_config_map(o: Object) -> Errors:
    """Keys are file names, and the whole is small."""
    data, binary = o.get("data") or {}, o.get("binaryData") or {}
    errors: Errors = []
    for key in data:
        errors += _key_errors(key, "data")
        if key in binary:
            errors.append(FieldError.invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
    for key in binary:
        errors += _key_errors(key, "binaryData")
    size = sum(len(value.encode()) for value in data.values()) + _decoded_size(binary)
    return errors + ([FieldError.too_long(WHOLE, DATA_BYTES_MAX)] if size > DATA_BYTES_MAX else [])


def _key_errors(key: str, path: str) -> Errors:
    return [FieldError.invalid(f"{path}[{key}]", key, error) for error in names.config_key(key)]


def _decoded_size(data: dict[str, str]) -> int:
    return sum(len(value) * 3 // 4 - value.count("=") for value in data.values())


def immutable_data(new: Object, old: Object) -> Errors:
    """Once immutable, always so."""
    if not old.get("immutable"):
        return []
    errors: Errors = []
    if not new.get("immutable"):
        errors.append(FieldError.forbidden("immutable", FROZEN))
    for field in ("data", "binaryData"):
        if (new.get(field) or {}) != (old.get(field) or {}):
            errors.append(FieldError.forbidden(field, FROZEN))
    return errors


def validate_secret(o: Object) -> Errors:
    """Keys, size, and what the type promises."""
    data = o.get("data") or {}
    errors = [error for key in data for error in _key_errors(key, "data")]
    if _decoded_size(data) > DATA_BYTES_MAX:
        errors.append(FieldError.too_long("data", DATA_BYTES_MAX))
    rule = SECRET_TYPES.get(o.get("type") or "")
    return errors + (rule(o, data) if rule else [])


def _needs(key: str) -> FieldError:
    return FieldError.required(f"data[{key}]")


def _account_token(o: Object, _data: Any) -> Errors:
    if meta.annotations(o).get(ACCOUNT_NAME):
        return []
    return [FieldError.required(f"metadata.annotations[{ACCOUNT_NAME}]")]


def _json_in(key: str) -> Callable[[Object, Any], Errors]:
    def check(_: Object, data: Any) -> Errors:
        if key not in data:
            return [_needs(key)]
        text = base64.b64decode(data[key])
        wrong = go_words.syntax_error(text)
        if not wrong and not text.lstrip().startswith((b"{", b"null")):
            wrong = "json: cannot unmarshal into Go value of type map[string]interface {}"
        return [FieldError.invalid(f"data[{key}]", REDACTED, wrong)] if wrong else []

    return check


def _basic(_: Object, data: Any) -> Errors:
    if "username" in data or "password" in data:
        return []
    return [_needs("username"), _needs("password")]


def _ssh(_: Object, data: Any) -> Errors:
    return [] if data.get("ssh-privatekey") else [_needs("ssh-privatekey")]


def _tls(_: Object, data: Any) -> Errors:
    return [_needs(key) for key in ("tls.crt", "tls.key") if key not in data]


# What a Secret of a type must hold; other types are the user's own.
SECRET_TYPES: dict[str, Callable[[Object, Any], Errors]] = {
    TYPE: _account_token,
    "kubernetes.io/dockercfg": _json_in(".dockercfg"),
    "kubernetes.io/dockerconfigjson": _json_in(".dockerconfigjson"),
    "kubernetes.io/basic-auth": _basic,
    "kubernetes.io/ssh-auth": _ssh,
    "kubernetes.io/tls": _tls,
}


def secret_changes(new: Object, old: Object) -> Errors:
    """The type never changes."""
    return immutable(new, old, "type") + immutable_data(new, old)


NAMESPACE = Strategy(
    is_complete=True,
    name_errors=names.dns_label,
    returns_deleted=True,
    prepare_update=change_namespace,
    validate=validate_namespace,
    subresources={"status": namespace_status, "finalize": namespace_finalizers},
)
CONFIG_MAP = Strategy(is_complete=True, validate=validate_config_map, validate_update=immutable_data)
SECRET = Strategy(is_complete=True, validate=validate_secret, validate_update=secret_changes)
SERVICE_ACCOUNT = Strategy(is_complete=True, returns_deleted=True)
