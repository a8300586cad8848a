"""Core: what is special about a kind, as one record of flags and functions; and the rules that hold for all
kinds.

Each kind's row in kinds.py is a Strategy; what it does not say is as for ConfigMaps. The functions are
handed objects they may change (`prepare_*`) or must not (`validate_*`).

After: k8s staging/src/k8s.io/apiserver/pkg/registry/rest/{create,update}.go
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from apiserver.registry import names
from kube.api.errors import FieldError
from kube.api.meta import Object

Errors = list[FieldError]


def nothing(_: Object) -> None:
    """Prepare nothing."""


def nothing_to_update(_new: Object, _old: Object) -> None:
    """Prepare nothing."""


def all_valid(_: Object) -> Errors:
    """Find nothing wrong."""
    return []


def all_changes_valid(_new: Object, _old: Object) -> Errors:
    """Find nothing wrong."""
    return []


@dataclass(frozen=True, slots=True)
class Strategy:
    """One kind's peculiarities.

    name_errors: what is wrong with a name.
    counts_generation: metadata.generation counts the changes of the spec.
    creates_on_update: a PUT to a name that does not exist creates it.
    needs_version: a PUT must say which resourceVersion it changes.
    returns_deleted: DELETE answers with the object, not with a Status.
    orphans_by_default: dependents stay when DELETE names no policy.
    is_graceful: deletion is announced and carried out later (pods).
    is_complete: its rules name every required field, so that the schema's word is not needed.
    prepare_create: clears and fills what clients do not decide, before validation.
    prepare_update: the same, with the object as it was.
    validate: what is wrong with the object, beyond its schema.
    validate_create: what is wrong with it only when it is new.
    validate_update: what may not change.
    subresources: what may not change through which of them (status, resize, ...).
    """

    name_errors: Callable[[str], list[str]] = names.dns_subdomain
    counts_generation: bool = False
    creates_on_update: bool = False
    needs_version: bool = False
    returns_deleted: bool = False
    orphans_by_default: bool = False
    is_graceful: bool = False
    is_complete: bool = False
    prepare_create: Callable[[Object], None] = nothing
    prepare_update: Callable[[Object, Object], None] = nothing_to_update
    validate: Callable[[Object], Errors] = all_valid
    validate_create: Callable[[Object], Errors] = all_valid
    validate_update: Callable[[Object, Object], Errors] = all_changes_valid
    subresources: Mapping[str, Callable[[Object, Object], Errors]] = field(default_factory=dict)


def immutable(new: Object, old: Object, *paths: str) -> Errors:
    """One error per dotted path whose value is not as it was."""
    errors = []
    for path in paths:
        value = _at(new, path)
        if value != _at(old, path):
            errors.append(FieldError.invalid(path, value, "field is immutable"))
    return errors


def _at(o: Object, path: str) -> object:
    value: object = o
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def within(value: object, path: str, low: int, high: int | None = None) -> Errors:
    """An integer's bounds; what is not there is in bounds."""
    if not isinstance(value, int) or isinstance(value, bool):
        return []
    if high is None:
        ok, rule = value >= low, f"must be greater than or equal to {low}"
    else:
        ok, rule = low <= value <= high, f"must be between {low} and {high}, inclusive"
    return [] if ok else [FieldError.invalid(path, value, rule)]


def duplicates(values: Sequence[object], path: str, field: str = "") -> Errors:
    """One error per value that was there before."""
    errors, seen = [], []
    for index, value in enumerate(values):
        if value in seen:
            errors.append(FieldError.duplicate(f"{path}[{index}]{field}", value))
        seen.append(value)
    return errors
