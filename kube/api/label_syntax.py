"""Core: what a label's key and value may look like, and what is said of one that may not.

A key is `name` or `prefix.example.com/name`; a value is empty or looks like a name. All texts are
Kubernetes' own: people search the web for them.

After: k8s staging/src/k8s.io/apimachinery/pkg/api/validate/content/{kube,dns,errors}.go
"""

from __future__ import annotations

import re

NAME_BYTES_MAX = 63
PREFIX_BYTES_MAX = 253
NAME = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
VALUE = rf"({NAME})?"
PREFIX = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
NAME_RULE = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    f"'{NAME}')"
)
VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
    f"for validation is '{VALUE}')"
)
PREFIX_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    f"'{PREFIX}')"
)


def key_problems(key: str) -> list[str]:
    """What is wrong with a label's key."""
    if key.count("/") > 1:
        with_prefix = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [f"a valid label key {NAME_RULE} {with_prefix}"]
    prefix, slash, name = key.rpartition("/")
    problems = []
    if slash and not prefix:
        problems.append("prefix part must be non-empty")
    elif slash:
        problems += [f"prefix part {problem}" for problem in _prefix_problems(prefix)]
    if not name:
        problems.append("name part must be non-empty")
    elif len(name.encode()) > NAME_BYTES_MAX:
        problems.append(f"name part {_too_long(NAME_BYTES_MAX)}")
    if re.fullmatch(NAME, name) is None:
        problems.append(f"name part {NAME_RULE}")
    return problems


def value_problems(value: str) -> list[str]:
    """What is wrong with a label's value."""
    problems = [_too_long(NAME_BYTES_MAX)] if len(value.encode()) > NAME_BYTES_MAX else []
    return problems if re.fullmatch(VALUE, value) else [*problems, VALUE_RULE]


def _prefix_problems(prefix: str) -> list[str]:
    problems = [_too_long(PREFIX_BYTES_MAX)] if len(prefix) > PREFIX_BYTES_MAX else []
    return problems if re.fullmatch(PREFIX, prefix) else [*problems, PREFIX_RULE]


def _too_long(limit: int) -> str:
    return f"must be no more than {limit} bytes"
