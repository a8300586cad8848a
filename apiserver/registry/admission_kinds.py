"""Core: what is special about webhook configurations and ValidatingAdmissionPolicies.

Expressions are checked for being there; whether they are CEL, admission/expression_check.py asks.

After: k8s pkg/apis/admissionregistration/validation/validation.go
"""

from __future__ import annotations

from typing import Any

from apiserver.registry import admission_rules, formats, names
from apiserver.registry.selectors import label_selector
from apiserver.registry.strategy import Errors, Strategy
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.meta import Object

REVIEW_VERSIONS = ("v1", "v1beta1")
FAILURE_POLICIES = ("Fail", "Ignore")
MATCH_POLICIES = ("Equivalent", "Exact")
SIDE_EFFECTS = ("None", "NoneOnDryRun")
REINVOCATIONS = ("IfNeeded", "Never")
ACTIONS = ("Audit", "Deny", "Warn")
REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
NOT_FOUND_ACTIONS = ("Allow", "Deny")
CONDITIONS_MAX = 64
ANNOTATIONS_MAX = 20
VALUE_EXPRESSION_BYTES_MAX = 5 * 1024
ONE_OF_TWO = "validations or auditAnnotations must contain at least one item"


def validate_webhooks(o: Object) -> Errors:
    """Each webhook by a name of its own, with somebody to ask."""
    errors: Errors = []
    seen: list[str] = []
    for index, hook in enumerate(o.get("webhooks") or []):
        path, name = f"webhooks[{index}]", hook.get("name") or ""
        errors += _webhook(hook, path)
        errors += _review_versions(
            hook.get("admissionReviewVersions") or [], f"{path}.admissionReviewVersions"
        )
        if name and name in seen:
            errors.append(FieldError.duplicate(f"{path}.name", name))
        seen.append(name)
    return errors


def _webhook(hook: Any, path: str) -> Errors:
    errors = _full_name(hook.get("name") or "", f"{path}.name")
    for index, rule in enumerate(hook.get("rules") or []):
        errors += admission_rules.validate(rule, f"{path}.rules[{index}]")
    errors += formats.optional_choice(hook.get("failurePolicy"), f"{path}.failurePolicy", FAILURE_POLICIES)
    errors += formats.optional_choice(hook.get("matchPolicy"), f"{path}.matchPolicy", MATCH_POLICIES)
    if (effects := hook.get("sideEffects")) is None:
        text = f"must specify one of {', '.join(SIDE_EFFECTS)}"
        errors.append(FieldError.required(f"{path}.sideEffects", text))
    errors += formats.optional_choice(effects, f"{path}.sideEffects", SIDE_EFFECTS)
    seconds = hook.get("timeoutSeconds")
    if seconds is not None and not 1 <= seconds <= 30:
        text = "the timeout value must be between 1 and 30 seconds"
        errors.append(FieldError.invalid(f"{path}.timeoutSeconds", seconds, text))
    for field in ("namespaceSelector", "objectSelector"):
        errors += label_selector(hook.get(field), f"{path}.{field}")
    again = hook.get("reinvocationPolicy")
    errors += formats.optional_choice(again, f"{path}.reinvocationPolicy", REINVOCATIONS)
    errors += admission_rules.client(hook.get("clientConfig") or {}, f"{path}.clientConfig")
    return errors + _conditions(hook.get("matchConditions") or [], f"{path}.matchConditions")


def _full_name(name: str, path: str) -> Errors:
    if not name:
        return [FieldError.required(path)]
    if wrong := names.dns_subdomain(name):
        return [FieldError.invalid(path, name, ",".join(wrong))]
    if name.count(".") < 2:
        text = "should be a domain with at least three segments separated by dots"
        return [FieldError.invalid(path, name, text)]
    return []


def _review_versions(versions: list[str], path: str) -> Errors:
    known = ", ".join(REVIEW_VERSIONS)
    if not versions:
        return [FieldError.required(path, f"must specify one of {known}")]
    errors: Errors = []
    for index, version in enumerate(versions):
        if version in versions[:index]:
            errors.append(FieldError.invalid(f"{path}[{index}]", version, "duplicate version"))
        else:
            errors += formats.named(names.dns_1035_label, version, f"{path}[{index}]")
    if not any(version in REVIEW_VERSIONS for version in versions):
        errors.append(FieldError.invalid(path, versions, f"must include at least one of {known}"))
    return errors


def _conditions(conditions: list[Any], path: str) -> Errors:
    errors: Errors = []
    seen: list[str] = []
    if len(conditions) > CONDITIONS_MAX:
        errors.append(FieldError.too_many(path, len(conditions), CONDITIONS_MAX))
    for index, each in enumerate(conditions):
        at, name = f"{path}[{index}]", each.get("name") or ""
        if not (each.get("expression") or "").strip():
            errors.append(FieldError.required(f"{at}.expression"))
        errors += formats.qualified_name(name, f"{at}.name") if name else [FieldError.required(f"{at}.name")]
        if name and name in seen:
            errors.append(FieldError.duplicate(f"{at}.name", name))
        seen.append(name)
    return errors


def validate_policy(o: Object) -> Errors:
    """Something to match, and something to say about it."""
    spec = o.get("spec") or {}
    errors = formats.choice(spec.get("failurePolicy"), "spec.failurePolicy", FAILURE_POLICIES)
    if (kind := spec.get("paramKind")) is not None:
        errors += admission_rules.param_kind(kind, "spec.paramKind")
    matched = spec.get("matchConstraints")
    if matched is None:
        errors.append(FieldError.required("spec.matchConstraints"))
    else:
        errors += _matched(matched, "spec.matchConstraints")
        if not matched.get("resourceRules"):
            errors.append(FieldError.required("spec.matchConstraints.resourceRules"))
    errors += _conditions(spec.get("matchConditions") or [], "spec.matchConditions")
    for index, each in enumerate(spec.get("variables") or []):
        errors += _variable(each, f"spec.variables[{index}]")
    if not spec.get("validations") and not spec.get("auditAnnotations"):
        return [
            *errors,
            *(
                FieldError.required(f"spec.{part}", ONE_OF_TWO)
                for part in ("validations", "auditAnnotations")
            ),
        ]
    for index, each in enumerate(spec.get("validations") or []):
        errors += _validation(each, f"spec.validations[{index}]")
    return errors + _annotations(meta.name(o), spec.get("auditAnnotations") or [], "spec.auditAnnotations")


def _matched(matched: Any, path: str) -> Errors:
    errors = formats.choice(matched.get("matchPolicy"), f"{path}.matchPolicy", MATCH_POLICIES)
    for field in ("namespaceSelector", "objectSelector"):
        if matched.get(field) is None:
            errors.append(FieldError.required(f"{path}.{field}"))
        errors += label_selector(matched.get(field), f"{path}.{field}")
    for field in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(matched.get(field) or []):
            errors += admission_rules.validate_named(rule, f"{path}.{field}[{index}]")
    return errors


def _variable(variable: Any, path: str) -> Errors:
    name = (variable.get("name") or "").strip()
    errors: Errors = []
    if not name:
        errors.append(FieldError.required(f"{path}.name", "name is not specified"))
    elif not names.matches("[_a-zA-Z][_a-zA-Z0-9]*", name):
        errors.append(FieldError.invalid(f"{path}.name", name, "name is not a valid CEL identifier"))
    if not (variable.get("expression") or "").strip():
        errors.append(FieldError.required(f"{path}.expression", "expression is not specified"))
    return errors


def _validation(validation: Any, path: str) -> Errors:
    errors: Errors = []
    message, told = validation.get("message") or "", validation.get("messageExpression") or ""
    if not (validation.get("expression") or "").strip():
        errors.append(FieldError.required(f"{path}.expression", "expression is not specified"))
    if told and not told.strip():
        text = "must be non-empty if specified"
        errors.append(FieldError.invalid(f"{path}.messageExpression", told, text))
    if message and not message.strip():
        text = "message must be non-empty if specified"
        errors.append(FieldError.invalid(f"{path}.message", message, text))
    elif "\n" in message.strip() or "\r" in message.strip():
        errors.append(FieldError.invalid(f"{path}.message", message, "message must not contain line breaks"))
    return errors + formats.optional_choice(validation.get("reason"), f"{path}.reason", REASONS)


def _annotations(name: str, annotations: list[Any], path: str) -> Errors:
    errors: Errors = []
    seen: list[str] = []
    if len(annotations) > ANNOTATIONS_MAX:
        text = f"must not have more than {ANNOTATIONS_MAX} auditAnnotations"
        errors.append(FieldError.invalid(path, annotations, text))
    for index, each in enumerate(annotations):
        at, key = f"{path}[{index}]", each.get("key") or ""
        errors += formats.qualified_name(f"{name}/{key}" if name else key, f"{at}.key")
        value = (each.get("valueExpression") or "").strip()
        if not value:
            errors.append(FieldError.required(f"{at}.valueExpression", "valueExpression is not specified"))
        elif len(value.encode()) > VALUE_EXPRESSION_BYTES_MAX:
            text = f"must not exceed {VALUE_EXPRESSION_BYTES_MAX} bytes in length"
            errors.append(FieldError.required(f"{at}.valueExpression", text))
        if key in seen:
            errors.append(FieldError.duplicate(f"{at}.key", key))
        seen.append(key)
    return errors


def validate_binding(o: Object) -> Errors:
    """A policy, and what is done with what it says."""
    spec = o.get("spec") or {}
    name, actions = spec.get("policyName") or "", spec.get("validationActions") or []
    errors = (
        formats.dns_subdomain(name, "spec.policyName") if name else [FieldError.required("spec.policyName")]
    )
    if (reference := spec.get("paramRef")) is not None:
        errors += _param_reference(reference, "spec.paramRef")
    if (matched := spec.get("matchResources")) is not None:
        errors += _matched(matched, "spec.matchResources")
    return errors + _actions(actions, "spec.validationActions")


def _param_reference(reference: Any, path: str) -> Errors:
    name, selector = reference.get("name") or "", reference.get("selector")
    errors = formats.named(names.path_segment, name, f"{path}.name") if name else []
    if name and selector is not None:
        errors.append(FieldError.forbidden(f"{path}.name", "name and selector are mutually exclusive"))
    if selector is not None:
        errors += label_selector(selector, f"{path}.selector")
    elif not name:
        errors.append(FieldError.required(path, "one of name or selector must be specified"))
    action = reference.get("parameterNotFoundAction")
    return errors + formats.choice(action, f"{path}.parameterNotFoundAction", NOT_FOUND_ACTIONS)


def _actions(actions: list[str], path: str) -> Errors:
    errors: Errors = []
    for index, action in enumerate(actions):
        errors += formats.optional_choice(action, f"{path}[{index}]", ACTIONS)
        if action in actions[:index]:
            errors.append(FieldError.duplicate(f"{path}[{index}]", action))
    if "Deny" in actions and "Warn" in actions:
        text = (
            "must not contain both Deny and Warn (repeating the same validation failure information in the "
        )
        text += "API response and headers serves no purpose)"
        errors.append(FieldError.invalid(path, actions, text))
    if not actions:
        errors.append(FieldError.required(path, "at least one validation action is required"))
    return errors


WEBHOOKS = Strategy(is_complete=True, counts_generation=True, needs_version=True, validate=validate_webhooks)
POLICY = Strategy(is_complete=True, counts_generation=True, needs_version=True, validate=validate_policy)
BINDING = Strategy(is_complete=True, counts_generation=True, needs_version=True, validate=validate_binding)
