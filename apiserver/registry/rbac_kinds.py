"""Core: what is special about roles and bindings: names with colons, rules that mean something, a roleRef
that stays.

After: k8s pkg/apis/rbac/validation/validation.go
"""

from __future__ import annotations

from apiserver.registry import names
from apiserver.registry.strategy import Errors, Strategy
from kube.api.errors import FieldError
from kube.api.meta import Object

SUBJECT_KINDS = ("ServiceAccount", "User", "Group")


def validate_role(o: Object) -> Errors:
    """Every rule needs verbs, and resources or URLs."""
    namespaced = o["kind"] == "Role"
    errors: Errors = []
    for index, rule in enumerate(o.get("rules") or []):
        path = f"rules[{index}]"
        if not rule.get("verbs"):
            errors.append(FieldError.required(f"{path}.verbs", "verbs must contain at least one value"))
        urls = rule.get("nonResourceURLs")
        if urls and namespaced:
            text = "namespaced rules cannot apply to non-resource URLs"
            errors.append(FieldError.invalid(f"{path}.nonResourceURLs", urls, text))
        if urls:
            if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
                text = "rules cannot apply to both regular resources and non-resource URLs"
                errors.append(FieldError.invalid(f"{path}.nonResourceURLs", urls, text))
            continue
        if not rule.get("apiGroups"):
            text = "resource rules must supply at least one api group"
            errors.append(FieldError.required(f"{path}.apiGroups", text))
        if not rule.get("resources"):
            text = "resource rules must supply at least one resource"
            errors.append(FieldError.required(f"{path}.resources", text))
    return errors


def validate_binding(o: Object) -> Errors:
    """A role by name, and subjects of known kinds."""
    reference = o.get("roleRef") or {}
    kinds = ("Role", "ClusterRole") if o["kind"] == "RoleBinding" else ("ClusterRole",)
    errors: Errors = []
    if reference.get("apiGroup") != "rbac.authorization.k8s.io":
        supported = ("rbac.authorization.k8s.io",)
        errors.append(
            FieldError.not_supported("roleRef.apiGroup", reference.get("apiGroup") or "", supported)
        )
    if reference.get("kind") not in kinds:
        errors.append(FieldError.not_supported("roleRef.kind", reference.get("kind") or "", kinds))
    if not reference.get("name"):
        errors.append(FieldError.required("roleRef.name"))
    for index, subject in enumerate(o.get("subjects") or []):
        errors += _subject(subject, f"subjects[{index}]")
    return errors


def _subject(subject: Object, path: str) -> Errors:
    errors: Errors = []
    if not subject.get("name"):
        errors.append(FieldError.required(f"{path}.name"))
    kind = subject.get("kind")
    if kind not in SUBJECT_KINDS:
        errors.append(FieldError.not_supported(f"{path}.kind", kind or "", SUBJECT_KINDS))
    if kind == "ServiceAccount" and not subject.get("namespace"):
        errors.append(FieldError.required(f"{path}.namespace"))
    return errors


def binding_changes(new: Object, old: Object) -> Errors:
    """Who trusted a binding must not find another role in it."""
    if new.get("roleRef") == old.get("roleRef"):
        return []
    return [FieldError.invalid("roleRef", new.get("roleRef"), "cannot change roleRef")]


ROLE = Strategy(name_errors=names.path_segment, creates_on_update=True, validate=validate_role)
BINDING = Strategy(
    name_errors=names.path_segment,
    creates_on_update=True,
    validate=validate_binding,
    validate_update=binding_changes,
)
