"""Core: decides what becomes of one object whose owners, dependents or deletion say that something must.

    being deleted, finalizer `orphan`               take the owner reference from each dependent, then the
    finalizer being deleted, finalizer `foregroundDeletion`   delete the dependents; when none is left that
    blocks, take the
                                                    finalizer
    owners, and all of them gone                    delete it
    owners, some gone or leaving                    take their references away
    an owner waits in the foreground, none stays    delete it in the foreground too

An owner counts as gone when nothing of its kind and name has its uid.

Sees: the object, its owners as far as they exist, its dependents.
Says: Delete, Patch.
Invariants: whatever has one owner that stays is never deleted; every deletion is of the uid and
resourceVersion that were looked at.
After: k8s pkg/controller/garbagecollector/garbagecollector.go, attemptToDeleteItem, attemptToOrphanWorker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from kube.api import meta
from kube.api.actions import Action, Delete, Patch
from kube.api.meta import Object
from kube.api.resources import Resource

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"


@dataclass(slots=True)
class Seen:
    """One object and its relations.

    `owners` has, for each owner reference in order, the owner, or None where it is gone. `dependents` are the
    objects that refer to this one as an owner, with their resources.
    """

    resource: Resource
    object: Object
    owners: list[Object | None] = field(default_factory=list)
    dependents: list[tuple[Resource, Object]] = field(default_factory=list)


def plan(seen: Seen, _: datetime) -> list[Action]:
    """What becomes of the object."""
    if is_orphaning(seen.object):
        return [*_orphan(seen.object, seen.dependents), _remove_finalizer(seen, ORPHAN)]
    if is_foreground(seen.object):
        return _delete_dependents(seen)
    if meta.is_terminating(seen.object) or not seen.owners:
        return []
    return _judge_by_owners(seen)


def is_orphaning(o: Object) -> bool:
    """True while a deletion waits for the dependents to be let go."""
    return meta.is_terminating(o) and ORPHAN in meta.finalizers(o)


def is_foreground(o: Object) -> bool:
    """True while a deletion waits for the dependents to be deleted."""
    return meta.is_terminating(o) and FOREGROUND in meta.finalizers(o)


def _orphan(owner: Object, dependents: Sequence[tuple[Resource, Object]]) -> list[Patch]:
    return [_disown(resource, each, [meta.uid(owner)]) for resource, each in dependents]


def _delete_dependents(seen: Seen) -> list[Action]:
    """Let the object go when nothing blocks it; its dependents are looked at for themselves.

    A dependent that stays, because another owner does, has our reference taken away when it is looked at.
    """
    blocking = [each for _, each in seen.dependents if _blocks(each, meta.uid(seen.object))]
    return [] if blocking else [_remove_finalizer(seen, FOREGROUND)]


def _blocks(dependent: Object, uid: str) -> bool:
    return any(
        each["uid"] == uid and each.get("blockOwnerDeletion") for each in meta.owner_references(dependent)
    )


def _judge_by_owners(seen: Seen) -> list[Action]:
    references = meta.owner_references(seen.object)
    gone = [ref["uid"] for ref, owner in zip(references, seen.owners) if owner is None]
    waiting = [
        ref["uid"]
        for ref, owner in zip(references, seen.owners)
        if owner is not None and is_foreground(owner)
    ]
    if len(gone) + len(waiting) < len(references):
        return [_disown(seen.resource, seen.object, gone + waiting)] if gone or waiting else []
    if waiting and seen.dependents:
        return [_delete(seen, "Foreground")]
    return [_delete(seen, _policy(seen.object))]


def _policy(o: Object) -> str:
    """How the object is deleted: as its finalizers say, otherwise in the background."""
    if ORPHAN in meta.finalizers(o):
        return "Orphan"
    return "Foreground" if FOREGROUND in meta.finalizers(o) else "Background"


def _delete(seen: Seen, policy: str) -> Delete:
    o = seen.object
    return Delete(
        seen.resource,
        meta.namespace(o),
        meta.name(o),
        meta.uid(o),
        propagation_policy=policy,
        resource_version=meta.resource_version(o),
    )


def _disown(resource: Resource, o: Object, owner_uids: Sequence[str]) -> Patch:
    """Take owner references away; the resourceVersion makes a lost race a conflict."""
    kept = [each for each in meta.owner_references(o) if each["uid"] not in owner_uids]
    return _patch(resource, o, {"ownerReferences": kept or None})


def _remove_finalizer(seen: Seen, finalizer: str) -> Patch:
    kept = [each for each in meta.finalizers(seen.object) if each != finalizer]
    return _patch(seen.resource, seen.object, {"finalizers": kept or None})


def _patch(resource: Resource, o: Object, metadata: Object) -> Patch:
    identity = {"uid": meta.uid(o), "resourceVersion": meta.resource_version(o)}
    return Patch(resource, meta.namespace(o), meta.name(o), {"metadata": identity | metadata}, "merge")
