"""Core: what else says where and when a pod may run: tolerations, even spreading, gates and readiness gates.

After: k8s pkg/apis/core/validation/validation.go, ValidateTolerations, validateTopologySpreadConstraints
"""

from __future__ import annotations

import re
from typing import Any

from apiserver.registry import formats
from apiserver.registry.selectors import label_selector
from apiserver.registry.strategy import Errors
from kube.api import label_syntax
from kube.api.errors import FieldError

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
OPERATORS = ("Equal", "Exists", "Gt", "Lt")
INTEGER = re.compile(r"0|-?[1-9][0-9]*")
ACTIONS = ("DoNotSchedule", "ScheduleAnyway")
INCLUSIONS = ("Honor", "Ignore")
NO_KEY = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'


def tolerations(wanted: list[Any], path: str) -> Errors:
    """What is wrong with `tolerations`."""
    errors: Errors = []
    for index, each in enumerate(wanted):
        at = f"{path}[{index}]"
        key, operator, effect = each.get("key"), each.get("operator") or "", each.get("effect") or ""
        if key:
            errors += formats.qualified_name(key, f"{at}.key")
        elif operator != "Exists":
            errors.append(FieldError.invalid(f"{at}.operator", operator, NO_KEY))
        if effect != "NoExecute" and "tolerationSeconds" in each:
            text = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            errors.append(FieldError.invalid(f"{at}.effect", effect, text))
        errors += _toleration_value(operator, each.get("value") or "", at)
        if effect and effect not in EFFECTS:
            errors.append(FieldError.not_supported(f"{at}.effect", effect, EFFECTS))
    return errors


def _toleration_value(operator: str, value: str, path: str) -> Errors:
    if operator == "Exists":
        if not value:
            return []
        text = "value must be empty when `operator` is 'Exists'"
        return [FieldError.invalid(f"{path}.operator", value, text)]
    if operator in ("", "Equal"):
        wrong = label_syntax.value_problems(value)
        return [FieldError.invalid(f"{path}.operator", value, ";".join(wrong))] if wrong else []
    if operator not in OPERATORS:
        return [FieldError.not_supported(f"{path}.operator", operator, OPERATORS)]
    if INTEGER.fullmatch(value):
        return []
    text = "must be a valid decimal integer in canonical form"
    return [FieldError.invalid(f"{path}.value", value, text)]


def spread(constraints: list[Any], path: str) -> Errors:
    """What is wrong with `topologySpreadConstraints`."""
    errors: Errors = []
    for index, each in enumerate(constraints):
        at = f"{path}[{index}]"
        key, action = each.get("topologyKey") or "", each.get("whenUnsatisfiable") or ""
        if (skew := each.get("maxSkew") or 0) <= 0:
            errors.append(FieldError.invalid(f"{at}.maxSkew", skew, "must be greater than zero"))
        if not key:
            errors.append(FieldError.required(f"{at}.topologyKey", "can not be empty"))
        if action not in ACTIONS:
            errors.append(FieldError.not_supported(f"{at}.whenUnsatisfiable", action, ACTIONS))
        later = [
            (one.get("topologyKey") or "", one.get("whenUnsatisfiable") or "")
            for one in constraints[index + 1 :]
        ]
        if (key, action) in later:
            pair = f"{at}.{{topologyKey, whenUnsatisfiable}}"
            errors.append(FieldError.duplicate(pair, f"{{{key}, {action}}}"))
        errors += _domains(each.get("minDomains"), action, f"{at}.minDomains")
        for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            errors += formats.optional_choice(each.get(field), f"{at}.{field}", INCLUSIONS)
        errors += _spread_keys(each, f"{at}.matchLabelKeys")
        errors += label_selector(each.get("labelSelector"), f"{at}.labelSelector")
    return errors


def _domains(wanted: int | None, action: str, path: str) -> Errors:
    if wanted is None:
        return []
    errors: Errors = []
    if wanted <= 0:
        errors.append(FieldError.invalid(path, wanted, "must be greater than zero"))
    if action != "DoNotSchedule":
        text = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
        errors.append(FieldError.invalid(path, wanted, text))
    return errors


def _spread_keys(constraint: Any, path: str) -> Errors:
    keys, selector = constraint.get("matchLabelKeys") or [], constraint.get("labelSelector")
    errors: Errors = []
    if keys and selector is None:
        text = "must not be specified when labelSelector is not set"
        errors.append(FieldError.forbidden(path, text))
    selected = [*((selector or {}).get("matchLabels") or {})]
    selected += [each.get("key") for each in (selector or {}).get("matchExpressions") or ()]
    for index, key in enumerate(keys):
        errors += formats.qualified_name(key, f"{path}[{index}]")
        if key in selected:
            text = "exists in both matchLabelKeys and labelSelector"
            errors.append(FieldError.invalid(f"{path}[{index}]", key, text))
    return errors


def readiness_gates(gates: list[Any], path: str) -> Errors:
    """Conditions that others set."""
    return [
        error
        for index, gate in enumerate(gates)
        for error in formats.qualified_name(gate.get("conditionType") or "", f"{path}[{index}].conditionType")
    ]


def scheduling_gates(gates: list[Any], path: str) -> Errors:
    """What holds a pod back, each once."""
    errors: Errors = []
    seen: list[str] = []
    for index, gate in enumerate(gates):
        name = gate.get("name") or ""
        errors += formats.qualified_name(name, f"{path}[{index}]")
        if name in seen:
            errors.append(FieldError.duplicate(f"{path}[{index}]", name))
        seen.append(name)
    return errors
