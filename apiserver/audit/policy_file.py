"""Core: reads a Policy of audit.k8s.io/v1; a mistake is named with its field.

What the format does not know is told and otherwise left alone, as kube-apiserver does: a file for a newer
release still works.

After: k8s staging/src/k8s.io/apiserver/pkg/apis/audit/validation/validation.go, pkg/audit/policy/reader.go
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apiserver.audit.policy import LEVELS, Decision, Level, Policy, Resources, Rule, Stage
from apiserver.registry.formats import dns_subdomain
from kube.api.errors import FieldError

API_VERSION, KIND = "audit.k8s.io/v1", "Policy"
POLICY_FIELDS = ("apiVersion", "kind", "metadata", "rules", "omitStages", "omitManagedFields")
RULE_FIELDS = (
    "level",
    "users",
    "userGroups",
    "verbs",
    "resources",
    "namespaces",
    "nonResourceURLs",
    "omitStages",
    "omitManagedFields",
)
RESOURCES_FIELDS = ("group", "resources", "resourceNames")
STAGES = tuple(stage.value for stage in Stage)
NOT_BOTH = "rules cannot apply to both regular resources and non-resource URLs"


class PolicyError(ValueError):
    """The file is no policy; the text names every field that is wrong."""


@dataclass(slots=True)
class Reader:
    """What is found in a file beside its rules."""

    errors: list[FieldError] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def mapping(self, value: Any, path: str, known: Iterable[str]) -> Mapping[str, Any]:
        """A mapping, whose keys are checked."""
        if not isinstance(value, Mapping):
            self.errors.append(FieldError.invalid(path or KIND, value, "must be a mapping"))
            return {}
        where = f"{path}." if path else ""
        self.unknown += [f'unknown field "{where}{key}"' for key in value if key not in known]
        return value

    def items(self, of: Mapping[str, Any], key: str, path: str) -> list[Any]:
        """A list, empty where there is none."""
        value = of.get(key)
        if value is None or isinstance(value, list):
            return value or []
        self.errors.append(FieldError.invalid(f"{path}{key}", value, "must be a list"))
        return []

    def texts(self, of: Mapping[str, Any], key: str, path: str) -> tuple[str, ...]:
        """A list of texts."""
        values = self.items(of, key, path)
        self.errors += [
            FieldError.invalid(f"{path}{key}[{at}]", value, "must be a string")
            for at, value in enumerate(values)
            if not isinstance(value, str)
        ]
        return tuple(value for value in values if isinstance(value, str))

    def truth(self, of: Mapping[str, Any], key: str, path: str, default: bool = False) -> bool:
        """True or false; the default where nothing is said."""
        value = of.get(key)
        if value is not None and not isinstance(value, bool):
            self.errors.append(FieldError.invalid(f"{path}{key}", value, "must be true or false"))
        return default if value is None else bool(value)

    def stages(self, of: Mapping[str, Any], path: str) -> frozenset[Stage]:
        """The stages left out."""
        texts = self.texts(of, "omitStages", path)
        self.errors += [
            FieldError.invalid(f"{path}omitStages[{at}]", text, "allowed stages are " + ",".join(STAGES))
            for at, text in enumerate(texts)
            if text not in STAGES
        ]
        return frozenset(Stage(text) for text in texts if text in STAGES)


def read(document: Any) -> tuple[Policy, list[str]]:
    """The policy in a parsed file, and what of it is not known; PolicyError."""
    reader = Reader()
    top = reader.mapping(document, "", POLICY_FIELDS)
    for key, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
        if not reader.errors and top.get(key) != wanted:
            reader.errors.append(FieldError.not_supported(key, top.get(key), (wanted,)))
    omitted = Decision(Level.NONE, reader.stages(top, ""), reader.truth(top, "omitManagedFields", ""))
    found = reader.items(top, "rules", "")
    rules = [_rule(reader, rule, f"rules[{at}]", omitted) for at, rule in enumerate(found)]
    if not reader.errors and not rules:
        reader.errors.append(FieldError.required("rules", "a policy has at least one rule"))
    if reader.errors:
        raise PolicyError(", ".join(map(str, reader.errors)))
    return Policy(rules), reader.unknown


def _rule(reader: Reader, value: Any, path: str, omitted: Decision) -> Rule:
    row, path = reader.mapping(value, path, RULE_FIELDS), f"{path}."
    decision = Decision(
        _level(reader, row.get("level"), f"{path}level"),
        omitted.omit_stages | reader.stages(row, path),
        reader.truth(row, "omitManagedFields", path, omitted.omit_managed_fields),
    )
    found = enumerate(reader.items(row, "resources", path))
    rule = Rule(
        decision,
        reader.texts(row, "users", path),
        reader.texts(row, "userGroups", path),
        reader.texts(row, "verbs", path),
        [_resources(reader, each, f"{path}resources[{at}]") for at, each in found],
        reader.texts(row, "namespaces", path),
        reader.texts(row, "nonResourceURLs", path),
    )
    _check_urls(reader, rule, f"{path}nonResourceURLs")
    return rule


def _level(reader: Reader, value: Any, path: str) -> Level:
    if value in LEVELS:
        return Level(LEVELS.index(value))
    wrong = FieldError.not_supported(path, value, LEVELS) if value else FieldError.required(path)
    reader.errors.append(wrong)
    return Level.NONE


def _resources(reader: Reader, value: Any, path: str) -> Resources:
    row = reader.mapping(value, path, RESOURCES_FIELDS)
    group = row.get("group") or ""
    if not isinstance(group, str):
        reader.errors.append(FieldError.invalid(f"{path}.group", group, "must be a string"))
    elif group:
        reader.errors += dns_subdomain(group, f"{path}.group")
    names = reader.texts(row, "resourceNames", f"{path}.")
    resources = reader.texts(row, "resources", f"{path}.")
    if names and not resources:
        text = "using resourceNames requires at least one resource"
        reader.errors.append(FieldError.invalid(f"{path}.resourceNames", names, text))
    return Resources(str(group), resources, names)


def _check_urls(reader: Reader, rule: Rule, path: str) -> None:
    for at, url in enumerate(rule.urls):
        if url != "*" and not url.startswith("/"):
            text = "non-resource URL rules must begin with a '/' character"
            reader.errors.append(FieldError.invalid(f"{path}[{at}]", url, text))
        if "*" in url[:-1]:
            text = "non-resource URL wildcards '*' must be the final character of the rule"
            reader.errors.append(FieldError.invalid(f"{path}[{at}]", url, text))
    if rule.urls and (rule.resources or rule.namespaces):
        reader.errors.append(FieldError.invalid(path, rule.urls, NOT_BOTH))
