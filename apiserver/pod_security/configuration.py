"""Core: what holds where a namespace says nothing, and who is exempt, as the administrator has it.

    apiVersion: pod-security.admission.config.k8s.io/v1
    kind: PodSecurityConfiguration
    defaults: {enforce: baseline, enforce-version: latest, audit: restricted, warn: restricted}
    exemptions: {usernames: [admin], namespaces: [kube-system], runtimeClasses: [kata]}

After: k8s staging/src/k8s.io/pod-security-admission/admission/api/{v1/types,validation/validation}.go
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from apiserver.pod_security.levels import (
    LATEST,
    MODES,
    PRIVILEGED,
    LevelVersion,
    Policy,
    read_level,
    read_version,
)
from apiserver.registry import names
from kube.api.errors import FieldError

GROUP, KIND = "pod-security.admission.config.k8s.io", "PodSecurityConfiguration"
API_VERSIONS = tuple(f"{GROUP}/{version}" for version in ("v1", "v1beta1", "v1alpha1"))
FIELDS = ("apiVersion", "kind", "defaults", "exemptions")
PRIVILEGED_POLICY = Policy()
DEFAULTS = tuple(f"{mode}{suffix}" for mode in MODES for suffix in ("", "-version"))


@dataclass(frozen=True, slots=True)
class Configuration:
    """The defaults, and whom nothing is asked of."""

    defaults: Policy = PRIVILEGED_POLICY
    usernames: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    runtime_classes: tuple[str, ...] = ()


Findings = list[FieldError]
T = TypeVar("T")


def read(o: Mapping[str, Any]) -> tuple[Configuration, Findings]:
    """The configuration, and what is wrong with it."""
    found: Findings = []
    said = _object(o, "", FIELDS, found)
    if said.get("apiVersion") not in API_VERSIONS:
        found.append(FieldError.not_supported("apiVersion", said.get("apiVersion"), API_VERSIONS))
    if said.get("kind") != KIND:
        found.append(FieldError.not_supported("kind", said.get("kind"), [KIND]))
    defaults = _defaults(_object(said.get("defaults"), "defaults", DEFAULTS, found), found)
    exempt = _object(said.get("exemptions"), "exemptions", tuple(EXEMPTIONS), found)
    lists = [
        _names(exempt.get(field), f"exemptions.{field}", rule, found) for field, rule in EXEMPTIONS.items()
    ]
    return Configuration(defaults, *lists), found


def _object(o: Any, path: str, known: tuple[str, ...], found: Findings) -> Mapping[str, Any]:
    if o is None:
        return {}
    if not isinstance(o, Mapping):
        found.append(FieldError.invalid(path, o, "must be an object"))
        return {}
    for key in o:
        if key not in known:
            found.append(FieldError.not_supported(f"{path}.{key}".lstrip("."), key, known))
    return o


def _defaults(said: Mapping[str, Any], found: Findings) -> Policy:
    return Policy(*(_level_version(said, mode, found) for mode in MODES))


def _level_version(said: Mapping[str, Any], mode: str, found: Findings) -> LevelVersion:
    level = _value(said, mode, PRIVILEGED, read_level, found)
    minor = _value(said, f"{mode}-version", LATEST, read_version, found)
    return LevelVersion(level or PRIVILEGED, minor)


def _value(
    said: Mapping[str, Any], key: str, default: str, parse: Callable[[str], T], found: Findings
) -> T | None:
    text = said.get(key) or default
    try:
        return parse(str(text))
    except ValueError as error:
        found.append(FieldError.invalid(f"defaults.{key}", text, str(error)))
        return None


def _anything(text: str) -> list[str]:
    return []


EXEMPTIONS: dict[str, Callable[[str], list[str]]] = {
    "usernames": _anything,
    "namespaces": names.dns_label,
    "runtimeClasses": names.dns_subdomain,
}


def _names(said: Any, path: str, rule: Callable[[str], list[str]], found: Findings) -> tuple[str, ...]:
    if said is None:
        return ()
    if not isinstance(said, list):
        found.append(FieldError.invalid(path, said, "must be a list"))
        return ()
    for index, name in enumerate(said):
        where = f"{path}[{index}]"
        if not isinstance(name, str):
            found.append(FieldError.invalid(where, name, "must be a string"))
        elif not name:
            found.append(FieldError.required(where))
        elif faults := rule(name):
            found.append(FieldError.invalid(where, name, ", ".join(faults)))
        elif name in said[:index]:
            found.append(FieldError.duplicate(where, name))
    return tuple(each for each in said if isinstance(each, str))
