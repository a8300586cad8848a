"""Core: what the server and its worker say to each other, as JSON.

Job                                  Answer
  conditions   all true: goes on       matches, errors  of the conditions
  variables    evaluated when named    validations      value or error; the message for one that is false
  validations                          annotations      value or error
  annotations                          asked            questions for the authorizer: answer, try again
Check                                Checked
  expression                           problem          empty: it is one
"""

from __future__ import annotations

from typing import Any, TypedDict


class Job(TypedDict, total=False):
    """What is to be evaluated; every value is JSON.

    inputs: object, oldObject, request, namespaceObject, params.
    conditions, annotations: expressions.
    variables: (name, expression).
    validations: (expression, message expression or nothing).
    decisions: what the authorizer said, by question.
    """

    has_params: bool
    inputs: dict[str, Any]
    conditions: list[str]
    variables: list[tuple[str, str]]
    validations: list[tuple[str, str]]
    annotations: list[str]
    decisions: dict[str, bool]


class Result(TypedDict, total=False):
    """The value of an expression, or the error; `message` is what a message expression made of it."""

    value: Any
    error: str
    message: str


class Answer(TypedDict, total=False):
    """What came of a job. matches: no condition is false; errors: of conditions that have no value."""

    matches: bool
    errors: list[str]
    validations: list[Result]
    annotations: list[Result]
    asked: list[str]


class Check(TypedDict):
    """An expression to be compiled. variables: (name, expression) of those it may name; None: no such thing.

    wanted: the types it may have, any if there are none.
    """

    expression: str
    wanted: list[str]
    has_params: bool
    has_authorizer: bool
    variables: list[tuple[str, str]] | None


class Checked(TypedDict):
    """Why it is no such expression, in Kubernetes' words; empty when it is one."""

    problem: str
