"""Core: who owns which field of an object, and what an applied configuration therefore changes.

    manager a, Apply   {replicas}          manager b, Update   {image, labels}

A plain write takes what it changes from everyone else. An apply says what its manager wants: a field that
another manager owns with another value is a conflict, unless forced; a field the manager no longer wants
goes, if nobody else owns it.

Invariants: no two entries have the same manager, operation, version and subresource; no entry is empty; an
entry's time moves only when its fields do.
After: k8s staging/src/k8s.io/apimachinery/pkg/util/managedfields/internal/;
github.com/kubernetes-sigs/structured-merge-diff, merge/update.go
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from kube.api import meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.patch import apply as patch_apply
from kube.api.patch.field_paths import (
    Path,
    dotted,
    fields_of,
    from_fields_v1,
    is_fields_v1,
    to_fields_v1,
    tree_of,
)
from kube.api.resources import Resource
from kube.api.schema import Schemas, Type

APPLY, UPDATE = "Apply", "Update"
NOT_OWNED = frozenset(
    {
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "resourceVersion",
        "generation",
        "selfLink",
        "managedFields",
    }
)


@dataclass(frozen=True, slots=True)
class Manager:
    """Who writes, and through which door."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a manager owns, and since when."""

    manager: Manager
    fields: frozenset[Path]
    time: str

    @classmethod
    def read(cls, o: Object) -> Entry:
        name, subresource = o.get("manager") or "", o.get("subresource") or ""
        manager = Manager(name, o.get("operation") or "", o.get("apiVersion") or "", subresource)
        return cls(manager, frozenset(from_fields_v1(o.get("fieldsV1") or {})), o.get("time") or "")

    def write(self) -> Object:
        return _written(self.manager, self.time, to_fields_v1(self.fields))


def _written(manager: Manager, time: str, fields: Object) -> Object:
    o: Object = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": manager.api_version,
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    return o | ({"subresource": manager.subresource} if manager.subresource else {})


def owned_fields(resource: Resource, o: Object) -> dict[Path, Any]:
    """Every field of an object that someone can own."""
    return fields_of(type_of(resource), _ownable(o))


def _ownable(o: Object) -> Object:
    """An object without the fields that the server decides."""
    rest = {key: part for key, part in o.items() if key not in ("apiVersion", "kind", "metadata")}
    metadata = {key: part for key, part in (o.get("metadata") or {}).items() if key not in NOT_OWNED}
    return rest | ({"metadata": metadata} if metadata else {})


def type_of(resource: Resource) -> Type:
    """The schema of a kind."""
    found = Schemas.load().type_of(resource.gvk)
    assert found is not None, "every kind we serve has a schema"
    return found


def read(o: Object) -> list[Entry]:
    """The entries of an object that can be read; one without a manager is a client's way to clear them."""
    return [
        Entry.read(each)
        for each in o["metadata"].get("managedFields") or []
        if each.get("operation") and is_fields_v1(each.get("fieldsV1") or {})
    ]


def write(o: Object, entries: Iterable[Entry]) -> None:
    """Note the entries on the object: applies first, then updates by time."""
    kept = [entry for entry in entries if entry.fields]
    kept.sort(key=lambda entry: (entry.manager.operation != APPLY, entry.time, entry.manager.name))
    if kept:
        o["metadata"]["managedFields"] = [entry.write() for entry in kept]
    else:
        o["metadata"].pop("managedFields", None)


def created(resource: Resource, o: Object, manager: Manager, now: datetime) -> None:
    """All of a new object is its maker's."""
    o["metadata"].pop("managedFields", None)
    fields = tree_of(type_of(resource), _ownable(o))
    if fields:
        o["metadata"]["managedFields"] = [_written(manager, meta.format_time(now), fields)]


def updated(resource: Resource, new: Object, old: Object, manager: Manager, now: datetime) -> None:
    """What a write changed is its maker's, and nobody else's; an object nobody tracks stays so."""
    entries = read(new)
    if not entries:
        new["metadata"].pop("managedFields", None)
        return
    before, after = owned_fields(resource, old), owned_fields(resource, new)
    changed = {path for path, value in after.items() if path not in before or before[path] != value}
    removed = before.keys() - after.keys()
    if not changed and not removed:
        return
    own = next((each for each in entries if each.manager == manager), Entry(manager, frozenset(), ""))
    kept = [
        replace(each, fields=each.fields - changed - removed) for each in entries if each.manager != manager
    ]
    mine = (own.fields | changed) - removed
    time = own.time if mine == own.fields and own.time else meta.format_time(now)
    write(new, [*kept, Entry(manager, mine, time)])


def applied(
    resource: Resource, live: Object, wanted: Object, manager: Manager, now: datetime, *, force: bool
) -> Object:
    """The live object with a manager's configuration applied; StatusError 409 for conflicts."""
    of, entries = type_of(resource), read(live)
    if not entries and live["metadata"].get("uid"):
        # Made before anyone was tracked: what stands there is owned by nobody in particular.
        entries = [_before_first_apply(resource, live, manager)]
    wanted = {key: value for key, value in wanted.items() if key not in ("apiVersion", "kind")}
    fields, before = owned_fields(resource, wanted), owned_fields(resource, live)
    own = next((each for each in entries if each.manager == manager), Entry(manager, frozenset(), ""))
    others = [each for each in entries if each.manager != manager]
    taken = {path for path, value in fields.items() if path in before and before[path] != value}
    if not force:
        _check_conflicts(others, taken)
    others = [replace(each, fields=each.fields - taken) for each in others]
    elsewhere = frozenset().union(*(each.fields for each in others))
    gone = _removable(own.fields - fields.keys(), elsewhere, before)
    new: Object = patch_apply.remove(of, patch_apply.merge(of, live, wanted), gone)
    mine = frozenset(fields)
    unchanged = mine == own.fields and _without_fields(new) == _without_fields(live)
    write(new, [*others, Entry(manager, mine, own.time if unchanged else meta.format_time(now))])
    return new


def _without_fields(o: Object) -> Object:
    return {**o, "metadata": {key: value for key, value in o["metadata"].items() if key != "managedFields"}}


def _before_first_apply(resource: Resource, live: Object, manager: Manager) -> Entry:
    somebody = Manager("before-first-apply", UPDATE, manager.api_version)
    time = live["metadata"].get("creationTimestamp") or ""
    return Entry(somebody, frozenset(owned_fields(resource, live)), time)


def _removable(paths: frozenset[Path], elsewhere: frozenset[Path], before: dict[Path, Any]) -> list[Path]:
    """Of the fields a manager gave up, those that nobody else owns or owns something below."""
    held = {path[:length] for path in elsewhere for length in range(1, len(path) + 1)}
    return [path for path in paths if path in before and path not in held]


def _check_conflicts(others: Sequence[Entry], taken: set[Path]) -> None:
    found = [(each.manager, path) for each in others for path in sorted(each.fields & taken)]
    if not found:
        return
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {_shown(manager)}",
            "field": dotted(path),
        }
        for manager, path in found
    ]
    raise StatusError(409, "Conflict", _conflict_text(found), {"causes": causes})


def _conflict_text(found: Sequence[tuple[Manager, Path]]) -> str:
    if len(found) == 1:
        manager, path = found[0]
        return f"Apply failed with 1 conflict: conflict with {_shown(manager)}: {dotted(path)}"
    lines = []
    for manager in dict.fromkeys(manager for manager, _ in found):
        lines.append(f"conflicts with {_shown(manager)}:")
        lines += [f"- {dotted(path)}" for each, path in found if each == manager]
    return f"Apply failed with {len(found)} conflicts: " + "\n".join(lines)


def _shown(manager: Manager) -> str:
    through = f' with subresource "{manager.subresource}"' if manager.subresource else ""
    return f'"{manager.name}"{through}' + (
        f" using {manager.api_version}" if manager.operation == UPDATE else ""
    )
