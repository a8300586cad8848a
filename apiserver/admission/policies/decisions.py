"""Core: what follows from what a policy's expressions say: admit, or deny with which words.

After: k8s staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/validating/{validator,dispatcher}.go
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from apiserver.admission.chain import Attributes
from apiserver.cel.conditions import together
from kube.api import errors, meta
from kube.api.errors import StatusError
from kube.api.meta import Object

if TYPE_CHECKING:
    from apiserver.cel.jobs import Answer, Job, Result

FAILURE = "validation.policy.admission.k8s.io/validation_failure"
CODES = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413, "Invalid": 422}
MESSAGE_BYTES_MAX = 5 * 1024
ANNOTATION_BYTES_MAX = 10 * 1024


@dataclass(frozen=True, slots=True)
class Denial:
    """One validation that does not hold; index: its place among the policy's."""

    index: int
    message: str
    reason: str = "Invalid"


def job(policy: Object, inputs: dict[str, Any], params: Object | None) -> Job:
    """What there is to evaluate for a policy with one object as its parameters."""
    spec = policy["spec"]
    return {
        "has_params": spec.get("paramKind") is not None,
        "inputs": {**inputs, "params": params},
        "conditions": [each["expression"] for each in spec.get("matchConditions") or []],
        "variables": [(each["name"], each["expression"]) for each in spec.get("variables") or []],
        "validations": [
            (each["expression"], each.get("messageExpression") or "")
            for each in spec.get("validations") or []
        ],
        "annotations": [each["valueExpression"] for each in spec.get("auditAnnotations") or []],
    }


def denials(policy: Object, answer: Answer) -> list[Denial]:
    """The validations that do not hold, or cannot be told to and count as not holding."""
    if answer["errors"]:
        return failed(policy, together(answer["errors"]))
    found: list[Denial] = []
    for index, result in enumerate(answer.get("validations") or []):
        validation = policy["spec"]["validations"][index]
        if "error" in result:
            found += failed(policy, result["error"], index)
        elif result["value"] is not True:
            reason = validation.get("reason") or "Invalid"
            found.append(Denial(index, _message(validation, result), reason))
    return found


def failed(policy: Object, why: str, index: int = 0) -> list[Denial]:
    """A denial, unless the policy lets pass what it cannot judge."""
    return [] if policy["spec"].get("failurePolicy") == "Ignore" else [Denial(index, why)]


def _message(validation: Mapping[str, Any], result: Result) -> str:
    """What the message expression made, when it is fit to be shown; else the message, else the expression."""
    made = (result.get("message") or "").strip()
    if len(made.encode()) > MESSAGE_BYTES_MAX or "\n" in made:
        made = ""
    said = (validation.get("message") or "").strip()
    return made or said or f"failed expression: {validation['expression'].strip()}"


def audited(policy: Object, answer: Answer) -> tuple[dict[str, str], list[Denial]]:
    """What the audit log is told, by key; and what becomes of those that cannot be made."""
    told: dict[str, str] = {}
    denied: list[Denial] = []
    for each, result in zip(policy["spec"].get("auditAnnotations") or [], answer.get("annotations") or []):
        if "error" in result:
            denied += failed(policy, result["error"])
        elif isinstance(result["value"], str) and (value := result["value"].strip()):
            told[each["key"]] = value.encode()[:ANNOTATION_BYTES_MAX].decode(errors="ignore")
    return told, denied


def warning(policy: Object, binding: Object, denial: Denial) -> str:
    """What the client is told where a denial is only a warning."""
    return f"Validation failed for {_by(policy, binding)}: {denial.message}"


def failure(binding: Object, denial: Denial) -> str:
    """What the audit log is told about a denial."""
    spec = binding["spec"]
    value = {
        "message": denial.message,
        "policy": spec["policyName"],
        "binding": meta.name(binding),
        "expressionIndex": denial.index,
        "validationActions": spec["validationActions"],
    }
    return orjson.dumps([value]).decode()


def refusal(attributes: Attributes, policy: Object, binding: Object | None, denial: Denial) -> StatusError:
    """What the client is told whose request is denied."""
    message = f"{_by(policy, binding)} denied request: {denial.message}"
    error = errors.forbidden(attributes.resource, attributes.name, message)
    error.reason, error.code = denial.reason, CODES[denial.reason]
    error.details["causes"] = [{"message": message}]
    return error


def _by(policy: Object, binding: Object | None) -> str:
    by = f"ValidatingAdmissionPolicy '{meta.name(policy)}'"
    return by if binding is None else f"{by} with binding '{meta.name(binding)}'"
