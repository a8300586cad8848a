"""Core: the rules for names, label keys and values; each returns what is wrong, or nothing.

After: k8s staging/src/k8s.io/apimachinery/pkg/util/validation/validation.go and
pkg/api/validation/objectmeta.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from kube.api import label_syntax
from kube.api.errors import FieldError

LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = LABEL + r"(\." + LABEL + r")*"
LABEL_1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
CONFIG_KEY = r"[-._a-zA-Z0-9]+"
ANNOTATIONS_BYTES_MAX = 256 * 1024
MANAGER_BYTES_MAX = 128
# A cluster has the same few labels over and over.
LABELS_MAX = 4096
# A prefix, a name and a value.
LABEL_CHARS_MAX = 400


def _regex_error(text: str, expression: str, *examples: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples).rstrip(" ")
    return f"{text} (e.g. {shown} regex used for validation is '{expression}')"


def _too_long(limit: int) -> str:
    return f"must be no more than {limit} bytes"


def matches(expression: str, text: str) -> bool:
    """True when the whole text is as the expression says."""
    return re.fullmatch(expression, text) is not None


def dns_subdomain(text: str) -> list[str]:
    """Most kinds' names."""
    errors = [_too_long(253)] if len(text) > 253 else []
    if not re.fullmatch(SUBDOMAIN, text):
        rule = (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
            "and must start and end with an alphanumeric character"
        )
        errors.append(_regex_error(rule, SUBDOMAIN, "example.com"))
    return errors


def dns_label(text: str) -> list[str]:
    """Namespaces, containers, volumes."""
    errors = [_too_long(63)] if len(text) > 63 else []
    if not re.fullmatch(LABEL, text) and re.fullmatch(SUBDOMAIN, text):
        errors.append("must not contain dots")
    elif not re.fullmatch(LABEL, text):
        rule = (
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
            "and must start and end with an alphanumeric character"
        )
        errors.append(_regex_error(rule, LABEL, "my-name", "123-abc"))
    return errors


def dns_1035_label(text: str) -> list[str]:
    """Services, which become host names."""
    errors = [_too_long(63)] if len(text) > 63 else []
    if not re.fullmatch(LABEL_1035, text):
        rule = (
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
            "start with an alphabetic character, and end with an alphanumeric character"
        )
        errors.append(_regex_error(rule, LABEL_1035, "my-name", "abc-123"))
    return errors


def path_segment(text: str) -> list[str]:
    """RBAC objects, whose names hold colons."""
    if text in (".", ".."):
        return [f"may not be '{text}'"]
    return [f"may not contain '{character}'" for character in "/%" if character in text]


def qualified_name(text: str) -> list[str]:
    """Label keys, annotation keys, finalizers: `name` or `prefix.example.com/name`."""
    if text.count("/") > 1:
        prefixed = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [f"a qualified name {label_syntax.NAME_RULE} {prefixed}"]
    return label_syntax.key_problems(text)


def check_labels(labels: Mapping[str, Any], path: str) -> list[FieldError]:
    """A map of labels."""
    return [
        FieldError.invalid(path, shown, error)
        for key, value in labels.items()
        for shown, error in _label_mistakes(key, str(value))
    ]


def _label_mistakes(key: str, value: str) -> tuple[tuple[str, str], ...]:
    """What is shown, and what is wrong with it; only what may be right is remembered."""
    if len(key) + len(value) > LABEL_CHARS_MAX:
        return _mistakes(key, value)
    return _known_mistakes(key, value)


@lru_cache(LABELS_MAX)
def _known_mistakes(key: str, value: str) -> tuple[tuple[str, str], ...]:
    return _mistakes(key, value)


def _mistakes(key: str, value: str) -> tuple[tuple[str, str], ...]:
    wrong = [(key, error) for error in qualified_name(key)]
    return (*wrong, *((value, error) for error in label_syntax.value_problems(value)))


def check_annotations(annotations: Mapping[str, Any], path: str) -> list[FieldError]:
    """A map of annotations: keys like labels', any values, not too much of them."""
    errors = []
    for key in annotations:
        errors += [FieldError.invalid(path, key, error) for error in qualified_name(key.lower())]
    size = sum(len(key) + len(str(value)) for key, value in annotations.items())
    if size > ANNOTATIONS_BYTES_MAX:
        errors.append(FieldError.too_long(path, ANNOTATIONS_BYTES_MAX))
    return errors


def config_key(text: str) -> list[str]:
    """Keys of ConfigMaps and Secrets, which become file names."""
    errors = [_too_long(253)] if len(text) > 253 else []
    if not re.fullmatch(CONFIG_KEY, text):
        rule = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        errors.append(_regex_error(rule, CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    if text in (".", ".."):
        errors.append(f"must not be '{text}'")
    elif text.startswith(".."):
        errors.append("must not start with '..'")
    return errors


def port_name(text: str) -> list[str]:
    """Names of ports, as IANA has them."""
    checks = (
        (len(text) > 15, _too_long(15)),
        (
            not re.fullmatch(r"[-a-z0-9]+", text),
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ),
        (not re.search(r"[a-z]", text), "must contain at least one letter (a-z)"),
        ("--" in text, "must not contain consecutive hyphens"),
        (bool(text) and "-" in (text[0], text[-1]), "must not begin or end with a hyphen"),
    )
    return [error for wrong, error in checks if wrong]


def wildcard_subdomain(text: str) -> list[str]:
    """Hosts such as *.example.com."""
    errors = [_too_long(253)] if len(text) > 253 else []
    expression = r"\*\." + SUBDOMAIN
    if not re.fullmatch(expression, text):
        rule = (
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which "
            "must consist of lower case alphanumeric characters, '-' or '.' "
            "and end with an alphanumeric character"
        )
        errors.append(_regex_error(rule, expression, "*.example.com"))
    return errors


def manager(text: str, path: str) -> list[FieldError]:
    """A field manager's name: short and printable."""
    errors = [FieldError.too_long(path, MANAGER_BYTES_MAX)] if len(text.encode()) > MANAGER_BYTES_MAX else []
    at = 0
    for character in "" if text.isprintable() else text:
        if not character.isprintable():
            why = f"invalid character U+{ord(character):04X} (at position {at})"
            errors.append(FieldError.invalid(path, text, why))
        at += len(character.encode())
    return errors
