"""Core: what names, labels, annotations, owners and selectors must look like.

Small checks give the list of what is wrong with a text, empty when nothing is; `object_meta` puts them
together for the metadata of any kind. What only one kind requires is its strategy's work.

After: k8s staging/src/k8s.io/apimachinery/pkg/util/validation/validation.go and
pkg/api/validation/objectmeta.go.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kube.api import meta
from kube.api.errors import FieldError
from kube.api.resources import Resource

LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
LABEL_VALUE = f"({QUALIFIED})?"
CONFIG_KEY = "[-._a-zA-Z0-9]+"
ALPHANUMERIC_ENDS = "must start and end with an alphanumeric character"
ANNOTATIONS_BYTES_MAX = 256 * 1024
STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
RBAC_GROUP = "rbac.authorization.k8s.io"

Check = Callable[[str], list[str]]


def _pattern(text: str, pattern: str, message: str, *examples: str) -> list[str]:
    if re.fullmatch(pattern, text):
        return []
    shown = ", ".join(f"'{example}'" for example in examples).replace("', '", "',  or '")
    return [f"{message} (e.g. {shown}, regex used for validation is '{pattern}')"]


def _length(text: str, limit: int) -> list[str]:
    return [f"must be no more than {limit} bytes"] if len(text.encode()) > limit else []


def subdomain(text: str) -> list[str]:
    """RFC 1123 subdomain: the names of most kinds."""
    message = (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
        f"and {ALPHANUMERIC_ENDS}"
    )
    return _length(text, 253) + _pattern(text, SUBDOMAIN, message, "example.com")


def label(text: str) -> list[str]:
    """RFC 1123 label: the names of namespaces, containers and volumes."""
    message = (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
        f"and {ALPHANUMERIC_ENDS}"
    )
    return _length(text, 63) + _pattern(text, LABEL, message, "my-name", "123-abc")


def label_1035(text: str) -> list[str]:
    """RFC 1035 label: the names of Services."""
    message = (
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
        "alphabetic character, and end with an alphanumeric character"
    )
    return _length(text, 63) + _pattern(text, LABEL_1035, message, "my-name", "abc-123")


def path_segment(text: str) -> list[str]:
    """Anything that fits between two slashes of a URL: the names of RBAC objects."""
    if text in (".", ".."):
        return [f"may not be '{text}'"]
    return [f"may not contain '{mark}'" for mark in "/%" if mark in text]


def qualified_name(text: str) -> list[str]:
    """A label's key: a name with an optional DNS prefix."""
    prefix, slash, name = text.rpartition("/")
    errors = []
    if slash and not prefix:
        errors.append("prefix part must be non-empty")
    elif prefix:
        errors += [f"prefix part {error}" for error in subdomain(prefix)]
    message = f"consist of alphanumeric characters, '-', '_' or '.', and {ALPHANUMERIC_ENDS}"
    if not name:
        errors.append("name part must be non-empty")
    errors += [f"name part {error}" for error in _length(name, 63)]
    return errors + _pattern(name, QUALIFIED, f"name part must {message}", "MyName", "my.name", "123-abc")


def label_value(text: str) -> list[str]:
    """A label's value."""
    message = (
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
        f"and {ALPHANUMERIC_ENDS}"
    )
    return _length(text, 63) + _pattern(text, LABEL_VALUE, message, "MyValue", "my_value", "12345")


def config_key(text: str) -> list[str]:
    """A key of a ConfigMap's or Secret's data."""
    if text in (".", ".."):
        return [f"must not be '{text}'"]
    message = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
    return _length(text, 253) + _pattern(text, CONFIG_KEY, message, "key.name", "KEY_NAME", "key-name")


def name_check(resource: Resource) -> Check:
    """What a resource's names must be."""
    if resource.group == RBAC_GROUP:
        return path_segment
    special = {"namespaces": label, "services": label_1035}
    return special.get(resource.plural, subdomain) if not resource.group else subdomain


def invalid(path: str, value: Any, errors: Sequence[str]) -> list[FieldError]:
    """One FieldError for each thing wrong with a value."""
    return [FieldError.invalid(path, value, error) for error in errors]


def object_meta(resource: Resource, o: Mapping[str, Any]) -> list[FieldError]:
    """What is wrong with an object's metadata."""
    errors: list[FieldError] = []
    metadata = meta.metadata(o)
    check = name_check(resource)
    prefix = metadata.get("generateName") or ""
    if prefix:
        # What stands before the random end may end in a dash.
        errors += invalid("metadata.generateName", prefix, check(re.sub("-$", "a", prefix)))
    if meta.name(o):
        errors += invalid("metadata.name", meta.name(o), check(meta.name(o)))
    else:
        errors.append(FieldError.required("metadata.name", "name or generateName is required"))
    if resource.namespaced and not meta.namespace(o):
        errors.append(FieldError.required("metadata.namespace"))
    elif resource.namespaced:
        errors += invalid("metadata.namespace", meta.namespace(o), label(meta.namespace(o)))
    errors += labels(meta.labels(o), "metadata.labels")
    errors += annotations(meta.annotations(o), "metadata.annotations")
    errors += owner_references(meta.owner_references(o), "metadata.ownerReferences")
    return errors + finalizers(meta.finalizers(o), "metadata.finalizers")


def labels(values: Mapping[str, str], path: str) -> list[FieldError]:
    """What is wrong with labels."""
    errors: list[FieldError] = []
    for key, value in values.items():
        errors += invalid(path, key, qualified_name(key))
        errors += invalid(path, value, label_value(value))
    return errors


def annotations(values: Mapping[str, str], path: str) -> list[FieldError]:
    """What is wrong with annotations: their keys, and their size all together."""
    errors: list[FieldError] = []
    for key in values:
        errors += invalid(path, key, qualified_name(key.lower()))
    if sum(len(key.encode()) + len(value.encode()) for key, value in values.items()) > ANNOTATIONS_BYTES_MAX:
        errors.append(FieldError.too_long(path, ANNOTATIONS_BYTES_MAX))
    return errors


def owner_references(references: Sequence[Mapping[str, Any]], path: str) -> list[FieldError]:
    """What is wrong with owner references; at most one owner controls."""
    errors: list[FieldError] = []
    for i, reference in enumerate(references):
        for field in ("apiVersion", "kind", "name", "uid"):
            if not reference.get(field):
                text = "version must not be empty" if field == "apiVersion" else f"{field} must not be empty"
                errors.append(FieldError.invalid(f"{path}[{i}].{field}", reference.get(field) or "", text))
    controllers = [reference.get("name", "") for reference in references if reference.get("controller")]
    if len(controllers) > 1:
        text = "Only one reference can have Controller set to true. Found "
        text += f'"true" in references for {controllers[0]} and {controllers[1]}'
        errors.append(FieldError.invalid(path, list(references), text))
    return errors


def finalizers(names: Sequence[str], path: str) -> list[FieldError]:
    """What is wrong with finalizers; those without a domain are Kubernetes' own."""
    errors: list[FieldError] = []
    for i, name in enumerate(names):
        errors += invalid(path, name, qualified_name(name))
        if "/" not in name and name not in STANDARD_FINALIZERS:
            text = "name is neither a standard finalizer name nor is it fully qualified"
            errors.append(FieldError.invalid(f"{path}[{i}]", name, text))
    return errors


def label_selector(selector: Mapping[str, Any] | None, path: str) -> list[FieldError]:
    """What is wrong with a LabelSelector."""
    if selector is None:
        return []
    errors: list[FieldError] = []
    for key, value in (selector.get("matchLabels") or {}).items():
        errors += invalid(f"{path}.matchLabels", key, qualified_name(key))
        errors += invalid(f"{path}.matchLabels", value, label_value(value))
    for i, expression in enumerate(selector.get("matchExpressions") or ()):
        errors += match_expression(expression, f"{path}.matchExpressions[{i}]")
    return errors


def match_expression(expression: Mapping[str, Any], path: str) -> list[FieldError]:
    """What is wrong with one expression of a LabelSelector."""
    errors: list[FieldError] = []
    operator, values = expression.get("operator"), expression.get("values") or []
    if operator in ("In", "NotIn"):
        if not values:
            why = "must be specified when `operator` is 'In' or 'NotIn'"
            errors.append(FieldError.required(f"{path}.values", why))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            errors.append(FieldError.forbidden(f"{path}.values", why))
    else:
        errors.append(FieldError.invalid(f"{path}.operator", operator, "not a valid selector operator"))
    errors += invalid(f"{path}.key", expression.get("key", ""), qualified_name(expression.get("key", "")))
    for i, value in enumerate(values):
        errors += invalid(f"{path}.values[{i}]", value, label_value(value))
    return errors


def immutable(old: Any, new: Any, path: str) -> list[FieldError]:
    """Refuses a change of a field that may not change."""
    return [] if old == new else [FieldError.invalid(path, new, "field is immutable")]


def non_negative(value: Any, path: str) -> list[FieldError]:
    """Refuses a negative number; absent is fine."""
    text = "must be greater than or equal to 0"
    return [FieldError.invalid(path, value, text)] if isinstance(value, int) and value < 0 else []
