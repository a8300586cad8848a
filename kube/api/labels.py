"""Core: label selectors, in both their forms: the text of a query and the LabelSelector of a spec.

A selector is a list of requirements that must all hold: `app=web,tier in (a,b),!old,new`. An empty selector
matches everything; a null LabelSelector matches nothing.

After: k8s staging/src/k8s.io/apimachinery/pkg/labels/selector.go.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kube.api.errors import StatusError, bad_request, quote
from kube.api.label_syntax import key_problems, value_problems

TOKEN = re.compile(r"==|!=|[=,()!<>]|[^ \t\r\n=,()!<>]+")
INTEGER = re.compile(r"[+-]?[0-9]{1,100}")
INTEGER_MAX = 2**63 - 1
# A selector of a query may have so many requirements: each is asked of each object of a list.
REQUIREMENTS_MAX = 100
# Values that are looked through one by one.
FEW = 8
OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


def _as_integer(text: str | None) -> int | None:
    """A number of 64 bits; None for anything else, whatever Python makes of its digits."""
    if text is None or INTEGER.fullmatch(text) is None:
        return None
    number = int(text)
    return number if -INTEGER_MAX - 1 <= number <= INTEGER_MAX else None


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label; operator is one of `= != in notin exists ! > <`."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "=" | "in":
                return value is not None and _has(self.values, value)
            case "!=" | "notin":
                return value is None or not _has(self.values, value)
            case "exists":
                return value is not None
            case "!":
                return value is None
        have, bound = _as_integer(value), _as_integer(self.values[0])
        if have is None or bound is None:
            return False
        return have > bound if self.operator == ">" else have < bound

    def __str__(self) -> str:
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({','.join(sorted(self.values))})"
        return f"{self.key}{self.operator}{self.values[0]}"


@dataclass(frozen=True, slots=True)
class Selector:
    """Requirements that must all hold; `nothing` refuses even an object without labels."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    @classmethod
    def parse(cls, text: str) -> Selector:
        """Read a query's text; StatusError 400 when it is malformed."""
        return cls(tuple(_Parser(text).requirements()))

    @classmethod
    def from_set(cls, labels: Mapping[str, str] | None) -> Selector:
        """The selector that wants exactly these labels, as a Service or ReplicationController has it."""
        pairs = sorted((labels or {}).items())
        return cls(tuple(Requirement(key, "=", (value,)) for key, value in pairs))

    @classmethod
    def from_label_selector(cls, selector: Mapping[str, Any] | None) -> Selector:
        """The selector of a spec's LabelSelector, already validated."""
        if selector is None:
            return cls(nothing=True)
        requirements = list(cls.from_set(selector.get("matchLabels")).requirements)
        for expression in selector.get("matchExpressions") or []:
            operator = OPERATORS[expression["operator"]]
            values = tuple(sorted(expression.get("values") or ()))
            requirements.append(Requirement(expression["key"], operator, values))
        return cls(tuple(requirements))

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        have = labels or {}
        return not self.nothing and all(requirement.matches(have) for requirement in self.requirements)

    @property
    def is_empty(self) -> bool:
        """True when it matches everything."""
        return not self.nothing and not self.requirements

    def __str__(self) -> str:
        return ",".join(str(requirement) for requirement in self.requirements)


def _has(values: tuple[str, ...], value: str) -> bool:
    """Whether it is among the values, which are in order where there are many."""
    if len(values) <= FEW:
        return value in values
    at = bisect_left(values, value)
    return at < len(values) and values[at] == value


def format_label_selector(selector: Mapping[str, Any] | None) -> str:
    """A LabelSelector as Tables and Scale.status.selector show it."""
    if selector is None:
        return "<none>"
    return str(Selector.from_label_selector(selector)) or "<none>"


class _Parser:
    """Reads `key op value` terms off a list of tokens; its place says what a word is: `in` may be a key."""

    def __init__(self, text: str) -> None:
        self.tokens = TOKEN.findall(text)
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def requirements(self) -> list[Requirement]:
        found: list[Requirement] = []
        while token := self.peek():
            if not _is_word(token) and token != "!":
                raise _malformed(token, ", expected: !, identifier, or 'end of string'")
            found.append(self.requirement())
            if len(found) > REQUIREMENTS_MAX:
                raise bad_request(f"a label selector may have at most {REQUIREMENTS_MAX} requirements")
            token = self.take()
            if token not in ("", ","):
                raise _malformed(token, ", expected: ',' or 'end of string'")
            following = self.peek()
            if token and not _is_word(following) and following != "!":
                raise _malformed(following, ", expected: identifier after ','")
        return sorted(found, key=lambda each: each.key)

    def requirement(self) -> Requirement:
        absent = self.peek() == "!"
        if absent:
            self.take()
        key = self.key()
        if absent:
            return Requirement(key, "!")
        operator = self.peek()
        if operator in ("", ","):
            return Requirement(key, "exists")
        self.take()
        if operator in ("=", "==", "!=", ">", "<"):
            values: tuple[str, ...] = (self.exact_value(),)
        elif operator in ("in", "notin"):
            values = self.values()
        else:
            raise _malformed_term(operator, ", expected: in, notin, =, ==, !=, gt, lt")
        _check_values(key, operator, values)
        return Requirement(key, operator.replace("==", "="), values)

    def key(self) -> str:
        key = self.take()
        if not _is_word(key):
            raise _malformed_term(key, ", expected: identifier")
        if problems := key_problems(key):
            raise _invalid("<nil>", key, "; ".join(problems))
        return key

    def exact_value(self) -> str:
        if self.peek() in ("", ","):
            return ""
        value = self.take()
        if not _is_word(value):
            raise _malformed_term(value, ", expected: identifier")
        return value

    def values(self) -> tuple[str, ...]:
        """A set in parentheses; what is between two commas, or a comma and a parenthesis, is empty."""
        if (token := self.take()) != "(":
            raise _malformed_term(token, " expected: '('")
        first = self.peek()
        if not _is_word(first) and first not in (",", ")"):
            raise _malformed_term(first, ", expected: ',', ')' or identifier")
        found = {self.listed()}
        while (token := self.take()) == ",":
            found.add(self.listed())
        if token != ")":
            raise _malformed_term(token, ", expected: ',' or ')'")
        return tuple(sorted(found))

    def listed(self) -> str:
        token = self.peek()
        if token in (",", ")"):
            return ""
        if not _is_word(token):
            raise _malformed_term(token, ", expected: ',', or identifier")
        return self.take()


def _is_word(token: str) -> bool:
    return token not in ("", "=", "==", "!=", ",", "(", ")", "!", "<", ">")


def _check_values(key: str, operator: str, values: Iterable[str]) -> None:
    found = []
    for at, value in enumerate(values):
        if operator in ("<", ">") and _as_integer(value) is None:
            text = "for 'Gt', 'Lt' operators, the value must be an integer"
            found.append((f"values[{at}]", value, text))
    for at, value in enumerate(values):
        if problems := value_problems(value):
            found.append((f"values[{at}][{key}]", value, "; ".join(problems)))
    if len(found) == 1:
        raise _invalid(*found[0])
    if found:
        texts = ", ".join(_invalid_text(*each) for each in found)
        raise bad_request(f"unable to parse requirement: [{texts}]")


def _malformed(found: str, rest: str) -> StatusError:
    return bad_request(f"found '{found}'{rest}")


def _malformed_term(found: str, rest: str) -> StatusError:
    return bad_request(f"unable to parse requirement: found '{found}'{rest}")


def _invalid(where: str, value: str, detail: str) -> StatusError:
    return bad_request(f"unable to parse requirement: {_invalid_text(where, value, detail)}")


def _invalid_text(where: str, value: str, detail: str) -> str:
    return f"{where}: Invalid value: {quote(value)}: {detail}"
