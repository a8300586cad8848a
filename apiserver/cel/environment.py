"""Core: where an expression is compiled: its variables with their types, and Kubernetes' functions.

Google's C++ library is behind this, through `cel-expr-python`. At run time it tells one opaque type from
another as little as a list of numbers from a list of texts: of the overloads that look the same to it, none
gets an implementation, and a further one, that no expression can match by its types, gets one for all.

After: k8s staging/src/k8s.io/apiserver/pkg/cel/environment/base.go
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import groupby
from typing import Any

from cel_expr_python import cel
from google.protobuf.message import Message

from apiserver.cel import types
from apiserver.cel.library import (
    addresses,
    authorization,
    formats,
    lists,
    maps,
    patterns,
    quantities,
    semantic_versions,
    urls,
)
from apiserver.cel.library.function import Function

FUNCTIONS = (
    *quantities.FUNCTIONS,
    *urls.FUNCTIONS,
    *addresses.FUNCTIONS,
    *lists.FUNCTIONS,
    *patterns.FUNCTIONS,
    *formats.FUNCTIONS,
    *maps.FUNCTIONS,
    *semantic_versions.FUNCTIONS,
    *authorization.FUNCTIONS,
)
# What the C++ library has; and what gives an optional value, which only text can declare (see rewriting.py).
CONFIGURATION = f"""
extensions:
  - {{name: optional}}
  - {{name: strings, version: 2}}
  - {{name: sets}}
  - {{name: two-var-comprehensions}}
functions:
  - name: validate
    overloads:
      - id: format-validate
        target: {{type_name: {formats.TYPE}}}
        args: [{{type_name: string}}]
        return: {{type_name: optional_type, params: [{{type_name: list, params: [{{type_name: string}}]}}]}}
  - name: format.named
    overloads:
      - id: format-named
        args: [{{type_name: string}}]
        return: {{type_name: optional_type, params: [{{type_name: {formats.TYPE}}}]}}
"""
ENVIRONMENTS_MAX = 64
VARIABLE = re.compile(r"\bvariables\s*\.\s*([_a-zA-Z][_a-zA-Z0-9]*)")
Implementation = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression may name: always object, oldObject, request and namespaceObject.

    variables: names and types of `variables.<name>`; None: there is nothing of that name.
    """

    params: bool = False
    authorizer: bool = False
    variables: tuple[tuple[str, str], ...] | None = None

    def of(self, text: str) -> Scope:
        """The same with no more variables than a text names: an environment takes half a megabyte."""
        if not self.variables:
            return self
        named = variables_of(text)
        return replace(self, variables=tuple(each for each in self.variables if each[0] in named))


def variables_of(text: str) -> list[str]:
    """The variables of a policy that a text names; perhaps more, if it has such a word in quotes."""
    return list(dict.fromkeys(VARIABLE.findall(text)))


@lru_cache(ENVIRONMENTS_MAX)
def environment(scope: Scope) -> cel.Env:
    """The environment of a scope."""
    variables = {
        "object": cel.Type.DYN,
        "oldObject": cel.Type.DYN,
        "namespaceObject": cel.Type.DYN,
        "request": cel.Type(types.REQUEST),
    }
    if scope.params:
        variables["params"] = cel.Type.DYN
    if scope.authorizer:
        variables["authorizer"] = cel.Type(authorization.AUTHORIZER)
        variables["authorizer.requestResource"] = cel.Type(authorization.RESOURCE)
    variables |= {f"variables.{name}": type_of(text) for name, text in scope.variables or ()}
    return cel.NewEnv(types.pool(), config=_configuration(), variables=variables, functions=_declarations())


@cache
def _configuration() -> cel.EnvConfig:
    return cel.NewEnvConfigFromYaml(CONFIGURATION)


@cache
def type_of(text: str) -> cel.Type:
    """The type that CEL writes so."""
    return cel.Type(text.replace("null_type", "null").replace("(", "<").replace(")", ">"))


@cache
def _declarations() -> Sequence[cel.FunctionDecl]:
    by_name = groupby(sorted(FUNCTIONS, key=lambda each: each.name), key=lambda each: each.name)
    return [cel.FunctionDecl(name, _overloads(list(rows))) for name, rows in by_name]


def _overloads(rows: list[Function]) -> list[cel.Overload]:
    alike: dict[tuple[object, ...], list[Function]] = {}
    for row in rows:
        seen_as = (row.is_member, *(_seen_as(each) for each in row.parameters))
        alike.setdefault(seen_as, []).append(row)
    return [overload for group in alike.values() for overload in _group(group)]


def _seen_as(parameter: str) -> str:
    """What is left of a type at run time."""
    return "opaque" if parameter in types.OPAQUE else parameter.partition("(")[0]


def _group(rows: list[Function]) -> list[cel.Overload]:
    if len(rows) == 1:
        [row] = rows
        return [_overload(row, row.id, row.parameters, row.result, _wrapped(row))]
    declared = [_overload(row, row.id, row.parameters, row.result) for row in rows]
    unmatched = tuple(
        types.NOTHING
        if each in types.OPAQUE
        else f"list({types.NOTHING})"
        if each.startswith("list")
        else each
        for each in rows[0].parameters
    )
    return [*declared, _overload(rows[0], f"{rows[0].id}_any", unmatched, "dyn", _by_type(rows))]


def _overload(
    row: Function,
    id: str,
    parameters: tuple[str, ...],
    result: str,
    implementation: Implementation | None = None,
) -> cel.Overload:
    given = {} if implementation is None else {"impl": implementation}
    kinds = [type_of(each) for each in parameters]
    return cel.Overload(id, type_of(result), kinds, is_member=row.is_member, **given)


def _wrapped(row: Function) -> Implementation:
    """The implementation, with opaque values as the texts they hold."""
    function, result = row.implementation, row.result if row.result in types.OPAQUE else ""

    def call(*arguments: Any) -> Any:
        answer = function(*(types.text_of(each) for each in arguments))
        return types.opaque(result, answer) if result else answer

    return call


def _by_type(rows: list[Function]) -> Implementation:
    """One implementation for all; which, the first argument decides."""
    wrapped = {row.parameters[0]: _wrapped(row) for row in rows}
    of_any = wrapped[rows[0].parameters[0]]

    def call(first: Any, *others: Any) -> Any:
        name = first.DESCRIPTOR.full_name if isinstance(first, Message) else ""
        return wrapped.get(name, of_any)(first, *others)

    return call
