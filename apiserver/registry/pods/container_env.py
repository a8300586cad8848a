"""Core: where a container's environment comes from: values, fields of the pod, ConfigMaps and Secrets.

The same references fill the files of downward API volumes, from another list of fields.

After: k8s pkg/apis/core/validation/validation.go, ValidateEnv, ValidateEnvFrom, validateObjectFieldSelector
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiserver.registry import formats, names
from apiserver.registry.strategy import Errors
from kube.api.errors import FieldError

FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
VOLUME_FIELDS = (
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
)
# What one may refer to at all; what of it is allowed where comes after.
CONVERTED = (
    *FIELDS,
    "metadata.annotations",
    "metadata.labels",
    "spec.restartPolicy",
    "spec.schedulerName",
    "status.phase",
)
RESOURCES = tuple(
    f"{part}.{name}" for part in ("limits", "requests") for name in ("cpu", "ephemeral-storage", "memory")
)
HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
BYTE_DIVISORS = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
# The part of a resource's name, its divisors, and what messages call it.
DIVISORS = (
    ("cpu", ("1m", "1"), "values 1m and 1 are supported with the cpu resource"),
    ("memory", BYTE_DIVISORS, f"values {', '.join(BYTE_DIVISORS)} are supported with the memory resource"),
    (
        "ephemeral-storage",
        BYTE_DIVISORS,
        f"values {', '.join(BYTE_DIVISORS)} are supported with the local ephemeral storage resource",
    ),
    (
        "hugepages-",
        BYTE_DIVISORS,
        f"values {', '.join(BYTE_DIVISORS)} are supported with the hugepages resource",
    ),
)
SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
NO_SOURCE = (
    "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
)
FILE_KEY_MAX = 128


def variables(env: list[Any], path: str) -> Errors:
    """What is wrong with `env`."""
    errors: Errors = []
    for index, each in enumerate(env):
        name = each.get("name") or ""
        if not name:
            errors.append(FieldError.required(f"{path}[{index}].name"))
        else:
            errors += formats.variable_name(name, f"{path}[{index}].name")
        if "valueFrom" in each:
            errors += _value_from(each, f"{path}[{index}].valueFrom")
    return errors


def _value_from(variable: Any, path: str) -> Errors:
    source = variable["valueFrom"]
    present = [each for each in SOURCES if each in source]
    errors: Errors = []
    if "fieldRef" in source:
        errors += field_reference(source["fieldRef"], f"{path}.fieldRef", FIELDS)
    if "resourceFieldRef" in source:
        errors += resource_reference(source["resourceFieldRef"], f"{path}.resourceFieldRef")
    for field in ("configMapKeyRef", "secretKeyRef"):
        if field in source:
            errors += _key_reference(source[field], f"{path}.{field}")
    if "fileKeyRef" in source:
        errors += _file_reference(source["fileKeyRef"], f"{path}.fileKeyRef")
    if not present:
        errors.append(FieldError.invalid(path, "", NO_SOURCE))
    elif variable.get("value"):
        errors.append(FieldError.invalid(path, "", "may not be specified when `value` is not empty"))
    elif len(present) > 1:
        text = "may not have more than one field specified at a time"
        errors.append(FieldError.invalid(path, "", text))
    return errors


def _subscript(field: str) -> tuple[str, str] | None:
    """The parts of `metadata.labels['a']`; None for a path that ends in no subscript."""
    at = field.rfind("['", 0, -2)
    return (field[:at], field[at + 2 : -2]) if at >= 0 and field.endswith("']") else None


def field_reference(reference: Any, path: str, allowed: Sequence[str]) -> Errors:
    """What is wrong with a reference to a field of the pod itself."""
    for part in ("apiVersion", "fieldPath"):
        if not reference.get(part):
            return [FieldError.required(f"{path}.{part}")]
    field = reference["fieldPath"]
    found = _subscript(field)
    if found is None and field in allowed:
        return []
    if found is None and field in CONVERTED:
        return [FieldError.not_supported(f"{path}.fieldPath", field, allowed)]
    if found is None or found[0] not in ("metadata.annotations", "metadata.labels"):
        why = "not supported" if found is None else "does not support subscript"
        text = f"error converting fieldPath: field label {why}: {field}"
        return [FieldError.invalid(f"{path}.fieldPath", field, text)]
    key = found[1].lower() if found[0] == "metadata.annotations" else found[1]
    return formats.qualified_name(key, path)


def resource_reference(reference: Any, path: str, *, of_volume: bool = False) -> Errors:
    """What is wrong with a reference to a container's requests or limits."""
    resource = reference.get("resource") or ""
    errors: Errors = []
    if of_volume and not reference.get("containerName"):
        errors.append(FieldError.required(f"{path}.containerName"))
    elif not resource:
        errors.append(FieldError.required(f"{path}.resource"))
    elif resource not in RESOURCES and not resource.startswith(HUGE_PAGES):
        errors.append(FieldError.not_supported(f"{path}.resource", resource, RESOURCES))
    divisor = reference.get("divisor", "0")
    for part, known, text in DIVISORS:
        if divisor != "0" and resource.partition(".")[2].startswith(part) and divisor not in known:
            errors.append(FieldError.invalid(f"{path}.divisor", resource, f"only divisor's {text}"))
    return errors


def _key_reference(reference: Any, path: str) -> Errors:
    errors = formats.dns_subdomain(reference.get("name") or "", f"{path}.name")
    key = reference.get("key") or ""
    if not key:
        errors.append(FieldError.required(f"{path}.key"))
    else:
        errors += formats.named(names.config_key, key, f"{path}.key")
    return errors


def _file_reference(reference: Any, path: str) -> Errors:
    """A variable in a file that another container writes."""
    fields = ("volumeName", "path", "key")
    errors = [FieldError.required(f"{path}.{field}") for field in fields if not reference.get(field)]
    errors += formats.file_path(reference.get("path") or "", f"{path}.path")
    key = reference.get("key") or ""
    if len(key) > FILE_KEY_MAX:
        errors.append(FieldError.too_long(f"{path}.key", FILE_KEY_MAX))
    return errors + formats.variable_name(key, f"{path}.key")


def sources(env_from: list[Any], path: str) -> Errors:
    """What is wrong with `envFrom`."""
    errors: Errors = []
    for index, each in enumerate(env_from):
        if each.get("prefix"):
            errors += formats.variable_name(each["prefix"], f"{path}[{index}].prefix")
        present = [field for field in ("configMapRef", "secretRef") if field in each]
        for field in present:
            name, at = each[field].get("name") or "", f"{path}[{index}].{field}.name"
            errors += formats.dns_subdomain(name, at) if name else [FieldError.required(at)]
        if not present:
            text = "must specify one of: `configMapRef` or `secretRef`"
            errors.append(FieldError.invalid(path, "", text))
        elif len(present) > 1:
            text = "may not have more than one field specified at a time"
            errors.append(FieldError.invalid(path, "", text))
    return errors
