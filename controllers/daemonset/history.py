"""Core: the ControllerRevisions of a DaemonSet: which is current, which are old, which may go.

A revision holds the pod template as a patch, and its hash labels the pods that were made from it. What was
the template once before becomes current again under a new number, so that pods made from it are not replaced.

    trace     -> the current hash, the old revisions, what is to be written
    surplus   -> the oldest revisions beyond the limit of which no pod is left

After: k8s pkg/controller/daemon/update.go, constructHistory, dedupCurHistories, snapshot, cleanupHistory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from controllers.daemonset.placement import HASH
from controllers.revisions import next_number, number, sorted_by_number, template_patch
from kube.api import meta
from kube.api.actions import Action, Create, Delete, Patch, Update, UpdateStatus
from kube.api.hashing import template_hash
from kube.api.meta import Object
from kube.api.resources import CONTROLLER_REVISIONS, DAEMON_SETS, PODS


@dataclass(slots=True)
class History:
    """`hash` is that of the current revision; None when that is not settled yet, and `actions` come first."""

    hash: str | None
    old: list[Object] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)


def trace(
    daemon_set: Object, revisions: Sequence[Object], pods: Sequence[Object], namesake: Object | None
) -> History:
    """Find the current revision among those of the DaemonSet, or make it."""
    data = template_patch(daemon_set)
    ordered = sorted_by_number(revisions)
    same = [each for each in ordered if each.get("data") == data]
    old = [each for each in ordered if each.get("data") != data]
    actions = [_label(each) for each in ordered if not meta.labels(each).get(HASH)]
    following = next_number(old)
    if not same:
        return _make(daemon_set, data, following, old, actions, namesake)
    kept, duplicates = same[-1], same[:-1]
    if duplicates:
        # Whose pods they are is only right again when the cache shows the new labels.
        return History(None, old, [*actions, *_drop(duplicates, hash_of(kept), pods)])
    if number(kept) < following:
        actions.append(Update(CONTROLLER_REVISIONS, {**kept, "revision": following}))
    return History(hash_of(kept), old, actions)


def surplus(daemon_set: Object, old: Sequence[Object], pods: Sequence[Object]) -> list[Action]:
    """Delete the oldest revisions beyond the limit, but none of which there still are pods."""
    limit = int(meta.get(daemon_set, "spec", "revisionHistoryLimit", default=10))
    live = {meta.labels(each).get(HASH) for each in pods}
    dead = [each for each in old if hash_of(each) not in live]
    return [_delete(each) for each in dead[: max(len(old) - limit, 0)]]


def name_of_new(daemon_set: Object) -> str:
    """The name that a revision of the present template has."""
    return f"{meta.name(daemon_set)}-{_hash(daemon_set)}"


def hash_of(revision: Object) -> str:
    """What labels the revision's pods; a revision without a hash gets its name for one."""
    return meta.labels(revision).get(HASH) or meta.name(revision)


def _hash(daemon_set: Object) -> str:
    collisions = meta.get(daemon_set, "status", "collisionCount")
    return template_hash(meta.get(daemon_set, "spec", "template", default={}), collisions)


def _make(
    daemon_set: Object,
    data: Object,
    following: int,
    old: list[Object],
    actions: list[Action],
    namesake: Object | None,
) -> History:
    if namesake is None:
        return History(_hash(daemon_set), old, [*actions, _create(daemon_set, data, following)])
    if namesake.get("data") == data:
        # Of an earlier DaemonSet of this name, and about to go with it: until then it serves.
        return History(hash_of(namesake), old, actions)
    status = daemon_set.get("status") or {}
    status = {**status, "collisionCount": int(status.get("collisionCount") or 0) + 1}
    return History(None, old, [*actions, UpdateStatus(DAEMON_SETS, {**daemon_set, "status": status})])


def _create(daemon_set: Object, data: Object, following: int) -> Create:
    labels = meta.labels(meta.get(daemon_set, "spec", "template", default={}))
    metadata = {
        "name": name_of_new(daemon_set),
        "namespace": meta.namespace(daemon_set),
        "labels": {**labels, HASH: _hash(daemon_set)},
        "annotations": {**meta.annotations(daemon_set)},
        "ownerReferences": [meta.owner_reference(daemon_set, DAEMON_SETS)],
    }
    identity = {"apiVersion": CONTROLLER_REVISIONS.api_version, "kind": CONTROLLER_REVISIONS.kind}
    revision = {**identity, "metadata": metadata, "data": data, "revision": following}
    return Create(CONTROLLER_REVISIONS, revision)


def _drop(duplicates: Sequence[Object], hash: str, pods: Sequence[Object]) -> list[Action]:
    """Delete revisions that say the same as the kept one, whose pods become the kept one's."""
    theirs = {hash_of(each) for each in duplicates}
    label = {"metadata": {"labels": {HASH: hash}}}
    relabelled = [each for each in pods if meta.labels(each).get(HASH) in theirs]
    return [
        *(Patch(PODS, meta.namespace(each), meta.name(each), label) for each in relabelled),
        *(_delete(each) for each in duplicates),
    ]


def _label(revision: Object) -> Action:
    label = {"metadata": {"labels": {HASH: hash_of(revision)}}}
    return Patch(CONTROLLER_REVISIONS, meta.namespace(revision), meta.name(revision), label)


def _delete(revision: Object) -> Delete:
    return Delete(CONTROLLER_REVISIONS, meta.namespace(revision), meta.name(revision), meta.uid(revision))
