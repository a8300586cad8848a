"""Core: what is special about FlowSchemas and PriorityLevelConfigurations: who waits where, and how long.

After: k8s pkg/apis/flowcontrol/validation/validation.go
"""

from __future__ import annotations

import math
from typing import Any

from apiserver.registry import formats, names
from apiserver.registry.strategy import Errors, Strategy
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.meta import Object

PRECEDENCE_MAX = 10000
QUEUES_MAX = 10_000_000
HASH_BITS_MAX = 60
METHODS = ("ByNamespace", "ByUser")
VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
SUBJECT_KINDS = ("Group", "ServiceAccount", "User")
# The field that belongs to each kind of subject.
SUBJECT_FIELDS = {"User": "user", "Group": "group", "ServiceAccount": "serviceAccount"}
LEVEL_TYPES = ("Exempt", "Limited")
RESPONSES = ("Queue", "Reject")
NAMESPACE_RULE = "each member of this list must be '*' or a DNS-1123 label; "


def validate_schema(o: Object) -> Errors:
    """Its place among the others, its level, and whom it is about."""
    spec, path = o.get("spec") or {}, "spec.matchingPrecedence"
    order, method = spec.get("matchingPrecedence") or 0, spec.get("distinguisherMethod")
    errors: Errors = []
    if order <= 0:
        errors.append(FieldError.invalid(path, order, "must be a positive value"))
    if order > PRECEDENCE_MAX:
        errors.append(FieldError.invalid(path, order, f"must not be greater than {PRECEDENCE_MAX}"))
    if order == 1 and meta.name(o) != "exempt":
        text = "only the schema named 'exempt' may have matchingPrecedence 1"
        errors.append(FieldError.invalid(path, order, text))
    if method is not None and method.get("type") not in METHODS:
        shown = {"Type": method.get("type") or ""}
        errors.append(FieldError.not_supported("spec.distinguisherMethod.type", shown, METHODS))
    level, at = meta.get(spec, "priorityLevelConfiguration", "name"), "spec.priorityLevelConfiguration.name"
    if level:
        errors += formats.dns_subdomain(level, at)
    else:
        errors.append(FieldError.required(at, "must reference a priority level"))
    for index, rule in enumerate(spec.get("rules") or []):
        errors += _rule(rule, f"spec.rules[{index}]")
    return errors


def _rule(rule: Any, path: str) -> Errors:
    subjects = rule.get("subjects") or []
    errors: Errors = []
    for index, subject in enumerate(subjects):
        errors += _subject(subject, f"{path}.subjects[{index}]")
    if not subjects:
        text = "subjects must contain at least one value"
        errors.append(FieldError.required(f"{path}.subjects", text))
    if not rule.get("resourceRules") and not rule.get("nonResourceRules"):
        text = "at least one of resourceRules and nonResourceRules has to be non-empty"
        errors.append(FieldError.required(path, text))
    for index, each in enumerate(rule.get("resourceRules") or []):
        errors += _resource_rule(each, f"{path}.resourceRules[{index}]")
    for index, each in enumerate(rule.get("nonResourceRules") or []):
        errors += _url_rule(each, f"{path}.nonResourceRules[{index}]")
    return errors


def _subject(subject: Any, path: str) -> Errors:
    kind = subject.get("kind") or ""
    if kind not in SUBJECT_KINDS:
        return [FieldError.not_supported(f"{path}.kind", kind, SUBJECT_KINDS)]
    own = SUBJECT_FIELDS[kind]
    errors = _named(subject.get(own), kind, f"{path}.{own}")
    for other, field in SUBJECT_FIELDS.items():
        if other != kind and subject.get(field) is not None:
            text = f"{field} is forbidden when subject kind is not '{other}'"
            errors.append(FieldError.forbidden(f"{path}.{field}", text))
    return errors


def _named(who: Any, kind: str, path: str) -> Errors:
    if who is None:
        return [
            FieldError.required(path, f"{SUBJECT_FIELDS[kind]} is required when subject kind is '{kind}'")
        ]
    name, space = who.get("name") or "", who.get("namespace") or ""
    errors: Errors = [] if name else [FieldError.required(f"{path}.name")]
    if kind != "ServiceAccount":
        return errors
    if name not in ("", "*"):
        errors += formats.dns_subdomain(name, f"{path}.name")
    if not space:
        text = "must specify namespace for service account"
        return [*errors, FieldError.required(f"{path}.namespace", text)]
    return errors + formats.dns_label(space, f"{path}.namespace")


def _verbs(verbs: list[str], path: str) -> Errors:
    if not verbs:
        return [FieldError.required(path, "verbs must contain at least one value")]
    if "*" in verbs:
        return _alone(verbs, path, "verbs")
    return [] if set(verbs) <= set(VERBS) else [FieldError.not_supported(path, verbs, VERBS)]


def _alone(values: list[str], path: str, called: str) -> Errors:
    if len(values) < 2 or "*" not in values:
        return []
    return [FieldError.invalid(path, values, f"if '*' is present, must not specify other {called}")]


def _resource_rule(rule: Any, path: str) -> Errors:
    errors = _verbs(rule.get("verbs") or [], f"{path}.verbs")
    for field, one, called in (
        ("apiGroups", "api group", "api groups"),
        ("resources", "resource", "resources"),
    ):
        values, at = rule.get(field) or [], f"{path}.{field}"
        if not values:
            errors.append(FieldError.required(at, f"resource rules must supply at least one {one}"))
        errors += _alone(values, at, called)
    spaces, at = rule.get("namespaces") or [], f"{path}.namespaces"
    if not spaces and not rule.get("clusterScope"):
        text = "resource rules that are not cluster scoped must supply at least one namespace"
        errors.append(FieldError.required(at, text))
    if "*" in spaces:
        return errors + _alone(spaces, at, "namespaces")
    return errors + [
        FieldError.invalid(f"{at}[{index}]", space, NAMESPACE_RULE + text)
        for index, space in enumerate(spaces)
        for text in names.dns_label(space)
    ]


def _url_rule(rule: Any, path: str) -> Errors:
    errors = _verbs(rule.get("verbs") or [], f"{path}.verbs")
    urls, at = rule.get("nonResourceURLs") or [], f"{path}.nonResourceURLs"
    if not urls:
        text = "nonResourceURLs must contain at least one value"
        return [*errors, FieldError.required(at, text)]
    if "*" in urls:
        return errors + _alone(urls, at, "non-resource URLs")
    found = ((f"{at}[{index}]", url, _wrong_url(url)) for index, url in enumerate(urls))
    return errors + [FieldError.invalid(where, url, text) for where, url, text in found if text]


def _wrong_url(url: str) -> str:
    """The first thing that is wrong with a path."""
    checks = (
        (not url, "must not be empty"),
        (url != "/" and not url.startswith("/"), "must start with slash"),
        (" " in url, "must not contain white-space"),
        ("//" in url, "must not contain double slash"),
        ("*" in url.removesuffix("/*"), "wildcard can only do suffix matching"),
    )
    return next((text for wrong, text in checks if wrong), "")


def validate_level(o: Object) -> Errors:
    """Exempt, or limited in some way."""
    spec = o.get("spec") or {}
    kind, limited, exempt = spec.get("type") or "", spec.get("limited"), spec.get("exempt")
    errors: Errors = []
    if (meta.name(o) == "exempt") != (kind == "Exempt"):
        text = "type must be 'Exempt' if and only if name is 'exempt'"
        errors.append(FieldError.invalid("spec.type", kind, text))
    errors += formats.optional_choice(kind, "spec.type", LEVEL_TYPES)
    if kind == "Exempt" and limited is not None:
        text = "must be nil if the type is not Limited"
        errors.append(FieldError.forbidden("spec.limited", text))
    if kind == "Exempt":
        errors += _shares(exempt or {}, "spec.exempt")
    if kind == "Limited" and exempt is not None:
        errors.append(FieldError.forbidden("spec.exempt", "must be nil if the type is Limited"))
    if kind == "Limited" and limited is None:
        text = "must not be empty when type is Limited"
        errors.append(FieldError.required("spec.limited", text))
    elif kind == "Limited" and limited is not None:
        errors += _shares(limited, "spec.limited")
        errors += _response(limited.get("limitResponse") or {}, "spec.limited.limitResponse")
    return errors


def _shares(level: Any, path: str) -> Errors:
    errors: Errors = []
    shares, lent, borrowed = (
        level.get(field) for field in ("nominalConcurrencyShares", "lendablePercent", "borrowingLimitPercent")
    )
    if shares is not None and shares < 0:
        text = "must be a non-negative integer"
        errors.append(FieldError.invalid(f"{path}.nominalConcurrencyShares", shares, text))
    if lent is not None:
        errors += formats.inside(lent, f"{path}.lendablePercent", 0, 100)
    if borrowed is not None and borrowed < 0:
        text = "if specified, must be a non-negative integer"
        errors.append(FieldError.invalid(f"{path}.borrowingLimitPercent", borrowed, text))
    return errors


def _response(response: Any, path: str) -> Errors:
    kind, queuing, at = response.get("type") or "", response.get("queuing"), f"{path}.queuing"
    if kind not in RESPONSES:
        return [FieldError.not_supported(f"{path}.type", kind, RESPONSES)]
    if kind == "Reject":
        text = "must be nil if limited.limitResponse.type is not Limited"
        return [] if queuing is None else [FieldError.forbidden(at, text)]
    if queuing is None:
        text = "must not be empty if limited.limitResponse.type is Limited"
        return [FieldError.required(at, text)]
    return _queuing(queuing, at)


def _queuing(queuing: Any, path: str) -> Errors:
    length, queues, hand = (queuing.get(field) or 0 for field in ("queueLengthLimit", "queues", "handSize"))
    errors = _positive(length, f"{path}.queueLengthLimit") + _positive(queues, f"{path}.queues")
    if queues > QUEUES_MAX:
        text = f"must not be greater than {QUEUES_MAX}"
        errors.append(FieldError.invalid(f"{path}.queues", queues, text))
    errors += _positive(hand, f"{path}.handSize")
    if hand > queues:
        text = f"should not be greater than queues ({queues})"
        errors.append(FieldError.invalid(f"{path}.handSize", hand, text))
    elif hand > 0 and math.ceil(math.log2(queues) * hand) > HASH_BITS_MAX:
        text = f"required entropy bits of deckSize {queues} and handSize {hand} "
        text += f"should not be greater than {HASH_BITS_MAX}"
        errors.append(FieldError.invalid(f"{path}.handSize", hand, text))
    return errors


def _positive(value: int, path: str) -> Errors:
    return [] if value > 0 else [FieldError.invalid(path, value, "must be positive")]


FLOW_SCHEMA = Strategy(is_complete=True, counts_generation=True, validate=validate_schema)
PRIORITY_LEVEL = Strategy(is_complete=True, counts_generation=True, validate=validate_level)
