"""Core: whether a text is an expression of a wanted type, with the variables a policy declares before it.

After: k8s pkg/apis/admissionregistration/validation/validation.go, validateCELCondition
"""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.cel import expressions
from apiserver.cel.environment import Scope
from apiserver.cel.expressions import CompilationError
from apiserver.cel.jobs import Check, Checked

# Of these the library hands out no value that it would take back as a variable.
UNKEPT = "an optional value or a type cannot be the value of a variable here"
# Of `optional_type(...)` and of `type(...)`.
UNKEPT_MARK = "type("


def check(job: Check) -> Checked:
    """Compile an expression."""
    variables = job["variables"]
    typed = None if variables is None else typed_variables(variables, job["has_params"])
    scope = Scope(job["has_params"], job["has_authorizer"], typed)
    try:
        found = expressions.compile(job["expression"], scope, tuple(job["wanted"]))
    except CompilationError as error:
        return {"problem": str(error)}
    return {"problem": UNKEPT if _is_unkept(found.type) else ""}


def _is_unkept(type: str) -> bool:
    return UNKEPT_MARK in type


def typed_variables(variables: Sequence[Sequence[str]], has_params: bool) -> tuple[tuple[str, str], ...]:
    """The variables with their types; each knows those before. One that does not compile is of any type."""
    typed: tuple[tuple[str, str], ...] = ()
    for name, text in variables:
        try:
            type = expressions.compile(text, Scope(has_params, True, typed)).type
        except CompilationError:
            type = "dyn"
        typed = (*typed, (name, "dyn" if _is_unkept(type) else type))
    return typed
