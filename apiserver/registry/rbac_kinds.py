"""Core: what is special about roles and bindings: names with colons, rules that mean something, a roleRef
that stays.

After: k8s pkg/apis/rbac/validation/validation.go
"""

from __future__ import annotations

from apiserver.registry import names
from apiserver.registry.strategy import Errors, Strategy
from kube.api.errors import FieldError
from kube.api.meta import Object

GROUP = "rbac.authorization.k8s.io"
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
    """A role, and subjects of known kinds."""
    reference, namespaced = o.get("roleRef") or {}, o["kind"] == "RoleBinding"
    kinds = ("Role", "ClusterRole") if namespaced else ("ClusterRole",)
    group, name = reference.get("apiGroup") or "", reference.get("name") or ""
    errors: Errors = []
    if group != GROUP:
        errors.append(FieldError.not_supported("roleRef.apiGroup", group, (GROUP,)))
    if reference.get("kind") not in kinds:
        errors.append(FieldError.not_supported("roleRef.kind", reference.get("kind") or "", kinds))
    if not name:
        errors.append(FieldError.required("roleRef.name"))
    errors += [FieldError.invalid("roleRef.name", name, text) for text in names.path_segment(name)]
    for index, subject in enumerate(o.get("subjects") or []):
        errors += _subject(subject, f"subjects[{index}]", namespaced=namespaced)
    return errors


def _subject(subject: Object, path: str, *, namespaced: bool) -> Errors:
    name, kind, group = (subject.get(part) or "" for part in ("name", "kind", "apiGroup"))
    errors: Errors = [] if name else [FieldError.required(f"{path}.name")]
    if kind not in SUBJECT_KINDS:
        return [*errors, FieldError.not_supported(f"{path}.kind", kind, SUBJECT_KINDS)]
    if kind != "ServiceAccount":
        if not name:
            text = f"{kind.lower()} name cannot be empty"
            errors.append(FieldError.invalid(f"{path}.name", name, text))
        if group != GROUP:
            errors.append(FieldError.not_supported(f"{path}.apiGroup", group, (GROUP,)))
        return errors
    if name:
        errors += [FieldError.invalid(f"{path}.name", name, text) for text in names.dns_subdomain(name)]
    if group:
        errors.append(FieldError.not_supported(f"{path}.apiGroup", group, ("",)))
    if not namespaced and not subject.get("namespace"):
        errors.append(FieldError.required(f"{path}.namespace"))
    return errors


def binding_changes(new: Object, old: Object) -> Errors:
    """Who trusted a binding must not find another role in it."""
    reference = new.get("roleRef") or {}
    if reference == old.get("roleRef"):
        return []
    # The message quotes the Go struct, whose fields are spelt so.
    spelt = {"APIGroup": "apiGroup", "Kind": "kind", "Name": "name"}
    shown = {word: reference.get(field) or "" for word, field in spelt.items()}
    return [FieldError.invalid("roleRef", shown, "cannot change roleRef")]


ROLE = Strategy(
    is_complete=True, name_errors=names.path_segment, creates_on_update=True, validate=validate_role
)
BINDING = Strategy(
    is_complete=True,
    name_errors=names.path_segment,
    creates_on_update=True,
    validate=validate_binding,
    validate_update=binding_changes,
)
