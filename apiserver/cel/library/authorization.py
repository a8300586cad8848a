"""Core: `authorizer`: may the user, or a service account, do something else?

Who may what is not known here: `check` looks into the decisions it was handed, by question. A question that
is not answered yet is noted, and the caller asks again with the answer.

After: k8s staging/src/k8s.io/apiserver/pkg/cel/library/authz.go
"""

from __future__ import annotations

import json
import re
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from apiserver.cel.library.function import Function
from kube.api.label_syntax import NAME_BYTES_MAX, PREFIX, PREFIX_BYTES_MAX

PACKAGE = "kubernetes.authorization."
AUTHORIZER, PATH, GROUP, RESOURCE, DECISION = (
    PACKAGE + name for name in ("Authorizer", "PathCheck", "GroupCheck", "ResourceCheck", "Decision")
)


@dataclass(slots=True)
class Decisions:
    """Answers by question, and the questions that have none; a question is the JSON of a check."""

    known: dict[str, bool] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


DECISIONS: ContextVar[Decisions] = ContextVar("decisions")


def authorizer() -> str:
    """The variable of that name: the user of the request."""
    return _text({})


def request_resource(request: dict[str, Any]) -> str:
    """The variable `authorizer.requestResource`: a check of what the request is about."""
    resource = request["requestResource"]
    return _text(
        {
            "group": resource["group"],
            "resource": resource["resource"],
            "subresource": request.get("requestSubResource", ""),
            "namespace": request.get("namespace", ""),
            "name": request.get("name", ""),
        }
    )


def _text(check: dict[str, str]) -> str:
    return json.dumps({key: value for key, value in check.items() if value}, sort_keys=True)


def _with(check: str, **more: str) -> str:
    return _text({**json.loads(check), **more})


def _not_empty(what: str, value: str) -> str:
    if not value.strip():
        raise ValueError(f"{what} must not be empty")
    return value


def _service_account(check: str, namespace: str, name: str) -> str:
    if not _is_subdomain(name, PREFIX_BYTES_MAX):
        raise ValueError("Invalid service account name")
    if not _is_subdomain(namespace, NAME_BYTES_MAX) or "." in namespace:
        raise ValueError("Invalid service account namespace")
    return _with(check, user=f"{namespace}:{name}")


def _is_subdomain(text: str, bytes_max: int) -> bool:
    return len(text) <= bytes_max and re.fullmatch(PREFIX, text) is not None


def _check(check: str, verb: str) -> str:
    question = _with(check, verb=verb)
    if not all(isinstance(part, str) for part in json.loads(question).values()):
        # CEL can make any message, also one that nobody here has made.
        raise ValueError("no such check")
    decisions = DECISIONS.get()
    if question not in decisions.known:
        decisions.asked.append(question)
        raise ValueError("the authorizer has not been asked yet")
    return "allowed" if decisions.known[question] else ""


FUNCTIONS = (
    Function(
        "path",
        "authorizer_path",
        (AUTHORIZER, "string"),
        PATH,
        lambda check, path: _with(check, path=_not_empty("path", path)),
    ),
    Function(
        "group",
        "authorizer_group",
        (AUTHORIZER, "string"),
        GROUP,
        lambda check, group: _with(check, group=group),
    ),
    Function(
        "serviceAccount",
        "authorizer_serviceaccount",
        (AUTHORIZER, "string", "string"),
        AUTHORIZER,
        _service_account,
    ),
    Function(
        "resource",
        "groupcheck_resource",
        (GROUP, "string"),
        RESOURCE,
        lambda check, resource: _with(check, resource=_not_empty("resource", resource)),
    ),
    *(
        Function(
            name,
            f"resourcecheck_{name.lower()}",
            (RESOURCE, "string"),
            RESOURCE,
            lambda check, value, name=name: _with(check, **{name: value}),
        )
        for name in ("subresource", "namespace", "name", "fieldSelector", "labelSelector")
    ),
    Function("check", "pathcheck_check", (PATH, "string"), DECISION, _check),
    Function("check", "resourcecheck_check", (RESOURCE, "string"), DECISION, _check),
    Function("allowed", "decision_allowed", (DECISION,), "bool", bool),
    Function("reason", "decision_reason", (DECISION,), "string", lambda _: ""),
    Function("errored", "decision_errored", (DECISION,), "bool", lambda _: False),
    Function("error", "decision_error", (DECISION,), "string", lambda _: ""),
)
