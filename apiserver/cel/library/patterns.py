"""Core: find and findAll. (`matches` is CEL's own, with the syntax of RE2; these two have Python's.)

After: k8s staging/src/k8s.io/apiserver/pkg/cel/library/regex.go
"""

from __future__ import annotations

import re

from apiserver.cel.library.function import Function


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.ASCII)
    except re.error as error:
        raise ValueError(f"Illegal regex: error parsing regexp: {error}") from None


def _find(text: str, pattern: str) -> str:
    found = _compile(pattern).search(text)
    return found.group() if found else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [each.group() for each in _compile(pattern).finditer(text)]
    return found if limit < 0 else found[:limit]


FUNCTIONS = (
    Function("find", "string_find_string", ("string", "string"), "string", _find),
    Function("findAll", "string_find_all_string", ("string", "string"), "list(string)", _find_all),
    Function("findAll", "string_find_all_string_int", ("string", "string", "int"), "list(string)", _find_all),
)
