"""Core: what a Job does when a pod fails in a certain way, and when it has succeeded before all pods have.

After: k8s pkg/apis/batch/validation/validation.go, validatePodFailurePolicy, validateSuccessPolicy
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiserver.registry import formats
from apiserver.registry.strategy import Errors
from apiserver.registry.workloads import job_indexes
from kube.api.errors import FieldError

RULES_MAX = 20
CONDITIONS_MAX = 20
EXIT_CODES_MAX = 255
INDEXES_BYTES_MAX = 64 * 1024
ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
OPERATORS = ("In", "NotIn")
STATUSES = ("False", "True", "Unknown")


def _word(value: str, path: str, choices: Sequence[str]) -> Errors:
    """One of a few words, which are named even where there is none."""
    if value in choices:
        return []
    if value:
        return [FieldError.not_supported(path, value, choices)]
    known = " ".join(f'"{each}"' for each in choices)
    return [FieldError.required(path, f"valid values: [{known}]")]


def _whole(path: str, text: str) -> FieldError:
    """A refusal that does not repeat the value."""
    return FieldError(path, "FieldValueInvalid", f"Invalid value: {text}")


def failure(spec: Any, path: str) -> Errors:
    """What is wrong with `podFailurePolicy`."""
    rules = spec["podFailurePolicy"].get("rules") or []
    errors: Errors = []
    if len(rules) > RULES_MAX:
        errors.append(FieldError.too_many(f"{path}.rules", len(rules), RULES_MAX))
    inner = (spec.get("template") or {}).get("spec") or {}
    containers = [
        each.get("name") for field in ("containers", "initContainers") for each in inner.get(field) or ()
    ]
    for index, rule in enumerate(rules):
        errors += _failure_rule(spec, rule, f"{path}.rules[{index}]", containers)
    return errors


def _failure_rule(spec: Any, rule: Any, path: str, containers: list[Any]) -> Errors:
    action, codes = rule.get("action") or "", rule.get("onExitCodes")
    conditions = rule.get("onPodConditions") or []
    errors = _word(action, f"{path}.action", ACTIONS)
    if action == "FailIndex" and "backoffLimitPerIndex" not in spec:
        text = "requires the backoffLimitPerIndex to be set"
        errors.append(FieldError.invalid(f"{path}.action", action, text))
    if codes is not None:
        errors += _exit_codes(codes, f"{path}.onExitCodes", containers)
    if len(conditions) > CONDITIONS_MAX:
        errors.append(FieldError.too_many(f"{path}.onPodConditions", len(conditions), CONDITIONS_MAX))
    for index, each in enumerate(conditions):
        at = f"{path}.onPodConditions[{index}]"
        errors += formats.qualified_name(each.get("type") or "", f"{at}.type")
        errors += _word(each.get("status") or "", f"{at}.status", STATUSES)
    if codes is not None and conditions:
        errors.append(_whole(path, "specifying both OnExitCodes and OnPodConditions is not supported"))
    if codes is None and not conditions:
        errors.append(_whole(path, "specifying one of OnExitCodes and OnPodConditions is required"))
    return errors


def _exit_codes(wanted: Any, path: str, containers: list[Any]) -> Errors:
    operator, values = wanted.get("operator") or "", wanted.get("values") or []
    name = wanted.get("containerName")
    errors = _word(operator, f"{path}.operator", OPERATORS)
    if name is not None and name not in containers:
        text = "must be one of the container or initContainer names in the pod template"
        errors.append(FieldError.invalid(f"{path}.containerName", name, text))
    at = f"{path}.values"
    if not values:
        errors.append(FieldError.invalid(at, values or None, "at least one value is required"))
    elif len(values) > EXIT_CODES_MAX:
        errors.append(FieldError.too_many(at, len(values), EXIT_CODES_MAX))
    for index, value in enumerate(values):
        if operator == "In" and value == 0:
            text = "must not be 0 for the In operator"
            errors.append(FieldError.invalid(f"{at}[{index}]", value, text))
        if value in values[:index]:
            errors.append(FieldError.duplicate(f"{at}[{index}]", value))
    if values != sorted(values):
        errors.append(FieldError.invalid(at, values, "must be ordered"))
    return errors


def success(spec: Any, path: str) -> Errors:
    """What is wrong with `successPolicy`."""
    policy = spec["successPolicy"]
    if spec.get("completionMode") != "Indexed":
        return [FieldError.invalid(path, policy, "requires indexed completion mode")]
    rules = policy.get("rules") or []
    errors: Errors = []
    if not rules:
        text = "at least one rules must be specified when the successPolicy is specified"
        errors.append(FieldError.required(f"{path}.rules", text))
    if len(rules) > RULES_MAX:
        errors.append(FieldError.too_many(f"{path}.rules", len(rules), RULES_MAX))
    for index, rule in enumerate(rules):
        errors += _success_rule(rule, f"{path}.rules[{index}]", spec.get("completions") or 0)
    return errors


def _success_rule(rule: Any, path: str, completions: int) -> Errors:
    indexes, wanted = rule.get("succeededIndexes"), rule.get("succeededCount")
    errors: Errors = []
    named = 0
    if indexes is None and wanted is None:
        text = "at least one of succeededCount or succeededIndexes must be specified"
        errors.append(FieldError.required(path, text))
    if indexes is not None:
        at = f"{path}.succeededIndexes"
        if len(indexes) > INDEXES_BYTES_MAX:
            errors.append(FieldError.too_long(at, INDEXES_BYTES_MAX))
        try:
            named = job_indexes.count(indexes, completions)
        except ValueError as error:
            errors.append(FieldError.invalid(at, indexes, f"error parsing succeededIndexes: {error}"))
    if wanted is not None:
        at, text = f"{path}.succeededCount", "must be less than or equal to"
        errors += formats.non_negative(wanted, at)
        if wanted > completions:
            text = f"{text} {completions} (the number of specified completions)"
            errors.append(FieldError.invalid(at, wanted, text))
        if indexes is not None and wanted > named:
            text = "must be less than or equal to"
            text = f"{text} {named} (the number of indexes in the specified succeededIndexes field)"
            errors.append(FieldError.invalid(at, wanted, text))
    return errors
