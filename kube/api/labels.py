"""Core: label selectors, in both their forms: the text of a query and the LabelSelector of a spec.

A selector is a list of requirements that must all hold: `app=web,tier in (a,b),!old,new`. An empty selector
matches everything; a null LabelSelector matches nothing.

After: k8s staging/src/k8s.io/apimachinery/pkg/labels/selector.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kube.api.errors import StatusError, bad_request

TOKEN = re.compile(r"\s*(==|!=|[=,()!<>]|[^\s=,()!<>]+)")
OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


def _as_integer(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"[+-]?\d+", text) else None


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
                return value in self.values
            case "!=" | "notin":
                return value not in self.values
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
            values = tuple(expression.get("values") or ())
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


def format_label_selector(selector: Mapping[str, Any] | None) -> str:
    """A LabelSelector as Tables and Scale.status.selector show it."""
    if selector is None:
        return "<none>"
    return str(Selector.from_label_selector(selector)) or "<none>"


class _Parser:
    """Reads `key op value` terms off a list of tokens; its place says what a word is."""

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
        while self.peek():
            found.append(self.requirement())
            token = self.take()
            if token and token != ",":
                raise _malformed(token, "',' or 'end of string'")
            if token and not self.peek():
                raise _malformed("", "identifier after ','")
        return sorted(found, key=lambda each: each.key)

    def requirement(self) -> Requirement:
        if self.peek() == "!":
            self.take()
            return Requirement(self.word(), "!")
        key = self.word()
        operator = self.peek()
        if operator in ("", ","):
            return Requirement(key, "exists")
        self.take()
        if operator in ("=", "==", "!="):
            return Requirement(key, operator.replace("==", "="), (self.value(),))
        if operator in ("in", "notin"):
            return Requirement(key, operator, self.values())
        if operator in (">", "<"):
            return Requirement(key, operator, (self.integer(key),))
        raise _malformed(operator, "in, notin, =, ==, !=, gt, lt")

    def word(self) -> str:
        word = self.take()
        if not word or word in "=,()!<>" or word in ("==", "!="):
            raise _malformed(word, "!, identifier, or 'end of string'")
        if re.fullmatch(KEY, word) is None:
            raise _invalid("key", word, NAME_PART)
        return word

    def value(self) -> str:
        if self.peek() in ("", ","):
            return ""
        value = self.take()
        if len(value) > 63 or re.fullmatch(VALUE, value) is None:
            raise _invalid("values[0]", value, VALUE_PART)
        return value

    def values(self) -> tuple[str, ...]:
        if self.peek() != "(":
            raise _malformed(self.peek(), "'('")
        self.take()
        values = [self.value() if self.peek() != ")" else ""]
        while (token := self.take()) == ",":
            values.append(self.value() if self.peek() != ")" else "")
        if token != ")":
            raise _malformed(token, "',' or ')'")
        return tuple(values)

    def integer(self, key: str) -> str:
        value = self.value()
        if _as_integer(value) is None:
            raise _invalid(
                f"values[0][{key}]", value, "for 'Gt', 'Lt' operators, the value must be an integer"
            )
        return value


KEY = r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
VALUE = r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
NAME_PART = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
VALUE_PART = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
    "for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)


def _malformed(found: str, expected: str) -> StatusError:
    return bad_request(f"unable to parse requirement: found '{found}', expected: {expected}")


def _invalid(where: str, value: str, detail: str) -> StatusError:
    return bad_request(f'unable to parse requirement: {where}: Invalid value: "{value}": {detail}')
