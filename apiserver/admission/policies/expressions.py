"""Core: the expressions of a policy or a webhook configuration, each with its place and what it may name.

After: k8s pkg/apis/admissionregistration/validation/validation.go
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from apiserver.cel.jobs import Check
from kube.api.meta import Object

Placed = tuple[str, Check]


def of_policy(policy: Object) -> Iterator[Placed]:
    """In the order of Kubernetes' complaints."""
    spec = policy["spec"]
    has_params = spec.get("paramKind") is not None
    yield from _conditions(spec, "spec.matchConditions", has_params)
    variables: list[tuple[str, str]] = []
    for index, each in enumerate(spec.get("variables") or []):
        yield f"spec.variables[{index}].expression", _check(each["expression"], [], has_params, variables)
        variables.append((each["name"], each["expression"]))
    for index, each in enumerate(spec.get("validations") or []):
        at = f"spec.validations[{index}]"
        yield f"{at}.expression", _check(each["expression"], ["bool"], has_params, variables)
        if message := each.get("messageExpression"):
            check = _check(message, ["string"], has_params, variables, has_authorizer=False)
            yield f"{at}.messageExpression", check
    for index, each in enumerate(spec.get("auditAnnotations") or []):
        check = _check(each["valueExpression"], ["string", "null_type"], has_params, variables)
        yield f"spec.auditAnnotations[{index}].valueExpression", check


def of_webhooks(configuration: Object) -> Iterator[Placed]:
    """The match conditions of each."""
    for index, hook in enumerate(configuration.get("webhooks") or []):
        yield from _conditions(hook, f"webhooks[{index}].matchConditions", has_params=False)


def _conditions(of: Mapping[str, Any], path: str, has_params: bool) -> Iterator[Placed]:
    for index, each in enumerate(of.get("matchConditions") or []):
        yield f"{path}[{index}].expression", _check(each["expression"], ["bool"], has_params, None)


def _check(
    expression: str,
    wanted: list[str],
    has_params: bool,
    variables: list[tuple[str, str]] | None,
    has_authorizer: bool = True,
) -> Check:
    return {
        "expression": expression.strip(),
        "wanted": wanted,
        "has_params": has_params,
        "has_authorizer": has_authorizer,
        "variables": None if variables is None else list(variables),
    }
