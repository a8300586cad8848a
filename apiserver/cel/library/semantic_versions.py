"""Core: semver(), and what one may ask a version.

After: k8s staging/src/k8s.io/apiserver/pkg/cel/library/semverlib.go
"""

from __future__ import annotations

import re

from apiserver.cel.library.function import Function

TYPE = "kubernetes.Semver"
NUMBER = r"(0|[1-9]\d*)"
IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
VERSION = re.compile(rf"{NUMBER}\.{NUMBER}\.{NUMBER}(?:-({IDENTIFIERS}))?(?:\+{IDENTIFIERS})?", re.ASCII)
# A number ranks below a word, and below both the end of the list; a release ranks above what came before it.
Rank = tuple[int, int, int, bool, list[tuple[bool, int, str]]]


def _normalized(text: str) -> str:
    """`v1.01` as `1.1.0`."""
    text = text.removeprefix("v")
    core = re.match(r"[0-9.]*", text)
    assert core is not None, "it matches the empty text"
    numbers = [str(int(each or "0")) for each in core.group().split(".")]
    return ".".join([*numbers, "0", "0"][: max(3, len(numbers))]) + text[core.end() :]


def _parse(text: str, normalize: bool = False) -> str:
    version = _normalized(text) if normalize else text
    if VERSION.fullmatch(version) is None:
        raise ValueError(f'"{text}" is not a semantic version')
    return version


def _is_version(text: str, normalize: bool = False) -> bool:
    try:
        _parse(text, normalize)
    except ValueError:
        return False
    return True


def _rank(version: str) -> Rank:
    found = VERSION.fullmatch(version)
    assert found is not None, "only what was parsed comes here"
    before = found[4]
    words = [
        (not each.isdecimal(), int(each) if each.isdecimal() else 0, each)
        for each in (before or "").split(".")
    ]
    return int(found[1]), int(found[2]), int(found[3]), before is None, words


def _compare(one: str, other: str) -> int:
    first, second = _rank(one), _rank(other)
    return (first > second) - (first < second)


FUNCTIONS = (
    Function("semver", "string_to_semver", ("string",), TYPE, _parse, is_member=False),
    Function("semver", "string_bool_to_semver", ("string", "bool"), TYPE, _parse, is_member=False),
    Function("isSemver", "is_semver_string", ("string",), "bool", _is_version, is_member=False),
    Function("isSemver", "is_semver_string_bool", ("string", "bool"), "bool", _is_version, is_member=False),
    Function(
        "isGreaterThan", "semver_is_greater_than", (TYPE, TYPE), "bool", lambda a, b: _compare(a, b) > 0
    ),
    Function("isLessThan", "semver_is_less_than", (TYPE, TYPE), "bool", lambda a, b: _compare(a, b) < 0),
    Function("compareTo", "semver_compare_to", (TYPE, TYPE), "int", _compare),
    Function("major", "semver_major", (TYPE,), "int", lambda version: _rank(version)[0]),
    Function("minor", "semver_minor", (TYPE,), "int", lambda version: _rank(version)[1]),
    Function("patch", "semver_patch", (TYPE,), "int", lambda version: _rank(version)[2]),
)
