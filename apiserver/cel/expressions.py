"""Core: an expression, compiled and type-checked, or why it is none.

How large it may be is the C++ library's rule: 100,000 characters, nested 32 deep, 10,000 rounds of all its
loops together.

After: k8s staging/src/k8s.io/apiserver/pkg/admission/plugin/cel/compile.go, CompileCELExpression
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from apiserver.cel import literals, rewriting, words
from apiserver.cel.environment import Scope, environment

EXPRESSIONS_MAX = 512
BOOL, STRING, STRING_OR_NULL = ("bool",), ("string",), ("string", "null_type")
ANY: tuple[str, ...] = ()


class CompilationError(Exception):
    """Why a text is no expression of the wanted type."""


class EvaluationError(Exception):
    """Why an expression has no value."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled text. scope: what it was compiled for; type: as CEL writes it, `dyn` where nobody knows."""

    text: str
    scope: Scope
    type: str
    compiled: cel.Expression

    def evaluate(self, activation: cel.Activation, nulls: Collection[str] = ()) -> Any:
        """Its value, still the library's; EvaluationError when it has none. nulls: what is null."""
        try:
            value = self.compiled.eval(activation)
        except RuntimeError as error:
            raise EvaluationError(words.of_evaluation(str(error), self.text, nulls)) from None
        if value.type() == cel.Type.ERROR:
            raise EvaluationError(words.of_evaluation(str(value.plain_value()), self.text, nulls))
        return value


def compile(text: str, scope: Scope, wanted: tuple[str, ...] = ANY) -> Expression:
    """Compile for a scope; `wanted` are the types it may have. CompilationError with Kubernetes' words."""
    return _compile(text, scope.of(text), wanted)


@lru_cache(EXPRESSIONS_MAX)
def _compile(text: str, scope: Scope, wanted: tuple[str, ...]) -> Expression:
    try:
        compiled = environment(scope).compile(text)
    except RuntimeError as error:
        raise CompilationError(
            f"compilation failed: {words.of_compilation(text, str(error), scope.variables is not None)}"
        ) from None
    if literals.is_to_be_checked(text) and (
        wrong := literals.problems(text, compiled.serialize(), _has_value)
    ):
        raise CompilationError(f"compilation failed: {wrong}")
    found = _type(compiled)
    if rewriting.is_to_be_mended(text):
        compiled = environment(scope).deserialize(rewriting.mended(compiled.serialize()))
    if wanted and found not in wanted:
        one = f"must evaluate to {wanted[0]} but got {found}"
        several = f"must evaluate to one of [{' '.join(wanted)}] but got {found}"
        raise CompilationError(one if len(wanted) == 1 else several)
    return Expression(text, scope, found, compiled)


def _has_value(text: str) -> bool:
    return bool(
        environment(Scope()).compile(text).eval(environment(Scope()).Activation()).type() != cel.Type.ERROR
    )


def _type(compiled: cel.Expression) -> str:
    return words.of_type(compiled.return_type().name())
