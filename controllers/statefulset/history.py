"""Core: the two revisions of a StatefulSet: the one it comes from, and the one it is on its way to.

    current   what status.currentRevision names; the pods below the partition are made from it
    update    what holds the present template

The set has arrived when all its pods are of the update revision; then that is the current one, too.

After: k8s pkg/controller/statefulset/stateful_set_control.go, getStatefulSetRevisions, truncateHistory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from controllers import revisions
from controllers.statefulset.identity import revision_of
from kube.api import meta
from kube.api.actions import Action, Create, Update
from kube.api.meta import Object
from kube.api.resources import CONTROLLER_REVISIONS, STATEFUL_SETS


@dataclass(slots=True)
class History:
    """Where the set is and where it goes; `update` is None while its name is another's (a collision)."""

    current: Object | None
    update: Object | None
    collisions: int
    actions: list[Action] = field(default_factory=list)


def collision_count(stateful_set: Object) -> int:
    """How often a revision's name was taken by another."""
    return int(meta.get(stateful_set, "status", "collisionCount", default=0))


def name_of_new(stateful_set: Object) -> str:
    """The name that a revision of the present template would get."""
    data = revisions.template_patch(stateful_set)
    return revisions.name_for(stateful_set, data, collision_count(stateful_set))


def trace(stateful_set: Object, owned: Sequence[Object], namesake: Object | None) -> History:
    """Find both revisions, and make or renumber the update revision where needed."""
    collisions = collision_count(stateful_set)
    data, number = revisions.template_patch(stateful_set), revisions.next_number(owned)
    update = revisions.find_equal(owned, data)
    actions: list[Action] = []
    if update is not None:
        if revisions.number(update) + 1 < number:
            update = {**update, "revision": number}
            actions.append(Update(CONTROLLER_REVISIONS, update))
    elif namesake is None:
        update = revisions.new_revision(stateful_set, STATEFUL_SETS, data, number, collisions)
        actions.append(Create(CONTROLLER_REVISIONS, update))
    elif namesake.get("data") == data:
        # Of an earlier StatefulSet of this name, and about to go with it: until then it serves.
        update = namesake
    else:
        return History(None, None, collisions + 1)
    named = meta.get(stateful_set, "status", "currentRevision", default="")
    current = next((each for each in owned if meta.name(each) == named), update)
    return History(current, update, collisions, actions)


def surplus(
    stateful_set: Object, owned: Sequence[Object], history: History, pods: Sequence[Object]
) -> list[Action]:
    """Delete the oldest revisions beyond the limit that are neither current nor those of a pod."""
    limit = int(meta.get(stateful_set, "spec", "revisionHistoryLimit", default=10))
    in_use = {meta.name(each) for each in (history.current, history.update) if each is not None}
    return [*revisions.surplus(owned, in_use | {revision_of(each) for each in pods}, limit)]
