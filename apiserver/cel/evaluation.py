"""Core: does a job: the conditions first, and if none is false, the validations and annotations.

A variable is evaluated when an expression names it, once, and is missed only where it is needed: an error of
it is an error of the expressions that could not do without.

After: k8s staging/src/k8s.io/apiserver/pkg/admission/plugin/cel/{condition,composition,activation}.go
"""

from __future__ import annotations

import re
from typing import Any

from cel_expr_python import cel

from apiserver.cel import expressions, types
from apiserver.cel.checking import UNKEPT, typed_variables
from apiserver.cel.environment import Scope, environment, variables_of
from apiserver.cel.expressions import CompilationError, EvaluationError
from apiserver.cel.jobs import Answer, Job, Result
from apiserver.cel.library import authorization
from apiserver.cel.library.authorization import DECISIONS, Decisions

UNBOUND = re.compile(r'No value with name "variables\.(\w+)" found in Activation')


def evaluate(job: Job) -> Answer:
    """Do a job."""
    decisions = Decisions(job.get("decisions") or {})
    token = DECISIONS.set(decisions)
    try:
        answer = _answer(job)
    finally:
        DECISIONS.reset(token)
    return {"asked": decisions.asked} if decisions.asked else answer


def _answer(job: Job) -> Answer:
    run = Run(job)
    results = [run.result(each, expressions.BOOL) for each in job.get("conditions") or []]
    if any(each.get("value") is False for each in results):
        return {"matches": False, "errors": []}
    if errors := [each["error"] for each in results if "error" in each]:
        return {"matches": True, "errors": errors}
    return {
        "matches": True,
        "errors": [],
        "validations": [run.validation(*each) for each in job.get("validations") or []],
        "annotations": [
            run.result(each, expressions.STRING_OR_NULL) for each in job.get("annotations") or []
        ],
    }


class Run:
    """The variables of one job, as they become known."""

    def __init__(self, job: Job) -> None:
        self._texts = dict(job.get("variables") or [])
        self._has_params = job.get("has_params", False)
        self._values = self._inputs(job["inputs"])
        self._nulls = [name for name, value in self._values.items() if value is None]
        self._activations: dict[Scope, cel.Activation] = {}
        self._failed: dict[str, str] = {}
        self._types = typed_variables(list(self._texts.items()), self._has_params)

    def _inputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        values = {name: inputs.get(name) for name in ("object", "oldObject", "namespaceObject")}
        if self._has_params:
            values["params"] = inputs.get("params")
        request = inputs["request"]
        return values | {
            "request": types.request(request),
            "authorizer": types.opaque(authorization.AUTHORIZER, authorization.authorizer()),
            "authorizer.requestResource": types.opaque(
                authorization.RESOURCE, authorization.request_resource(request)
            ),
        }

    def validation(self, text: str, message: str) -> Result:
        """Whether it holds; when not, the message."""
        result = self.result(text, expressions.BOOL)
        if message and result.get("value") is False:
            told = self.result(message, expressions.STRING, authorizer=False).get("value")
            if isinstance(told, str):
                result["message"] = told
        return result

    def result(self, text: str, wanted: tuple[str, ...], authorizer: bool = True) -> Result:
        scope = Scope(self._has_params, authorizer, self._types)
        try:
            compiled = expressions.compile(text, scope, wanted)
        except CompilationError as error:
            return {"error": f"compilation error: {error}"}
        try:
            return {"value": self._value(compiled).plain_value()}
        except EvaluationError as error:
            return {"error": f"expression '{text}' resulted in error: {error}"}

    def _value(self, compiled: expressions.Expression) -> cel.Value:
        for name in variables_of(compiled.text):
            self._bind(name)
        try:
            return compiled.evaluate(self._activation(compiled.scope), self._nulls)
        except EvaluationError as error:
            if (missing := UNBOUND.fullmatch(str(error))) is None:
                raise
            raise EvaluationError(self._failed.get(missing[1], str(error))) from None

    def _activation(self, scope: Scope) -> cel.Activation:
        """The values as the library holds them, made once, until there is one more."""
        if scope not in self._activations:
            self._activations[scope] = environment(scope).Activation(self._values)
        return self._activations[scope]

    def _bind(self, name: str) -> None:
        """Give a variable its value, once; one that has none is missed only where it is needed."""
        place = f"variables.{name}"
        if place in self._values or name in self._failed or name not in self._texts:
            return
        index = next(index for index, (known, _) in enumerate(self._types) if known == name)
        scope = Scope(self._has_params, True, self._types[:index])
        try:
            value = self._value(expressions.compile(self._texts[name], scope))
            self._values[place] = value.plain_value()
            self._activations.clear()
        except CompilationError as error:
            self._failed[name] = f'composited variable "{name}" fails to compile: {error}'
        except EvaluationError as error:
            self._failed[name] = f'composited variable "{name}" fails to evaluate: {error}'
        except TypeError:  # as the library says, when it cannot hand out a value
            self._failed[name] = f'composited variable "{name}" fails to evaluate: {UNKEPT}'
