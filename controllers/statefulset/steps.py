"""Core: the next steps of a StatefulSet: fill its places, empty those beyond its size, replace old pods.

Ordered, one thing at a time: places from the lowest on, each only when all before it are available; then
what is beyond the size, from the highest down; then old pods, from the highest down. In parallel, all places
at once.

    fill      create what is missing, delete what ended, mend labels and claims
    empty     delete what is beyond the size
    replace   delete what is not of the update revision; as many as may be unavailable

An old pod that is unavailable already is replaced in either case: that makes no more pods unavailable, and a
broken template would otherwise never be left. (With OrderedReady `fill` waits for it before that.)

After: k8s pkg/controller/statefulset/stateful_set_control.go, processReplica, processCondemned,
updateStatefulSetAfterInvariantEstablished.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from controllers import pods
from controllers.statefulset import claims
from controllers.statefulset.history import History
from controllers.statefulset.identity import identity_labels, pod_for, pod_name, revision_of
from controllers.statefulset.members import (
    Members,
    is_ordered,
    is_rolling_update,
    max_unavailable,
    partition,
)
from kube.api import meta
from kube.api.actions import Action, Announcement, Create, Delete, Patch
from kube.api.meta import Object
from kube.api.resources import PODS


@dataclass(slots=True)
class Steps:
    """What is done now; after a step that has to be waited for (`done`) nothing else is."""

    actions: list[Action] = field(default_factory=list)
    done: bool = False


def next_steps(members: Members, history: History, found: dict[str, Object]) -> list[Action]:
    """The actions that are due; `found` are the claims there are, by name."""
    steps = Steps()
    _fill(members, history, found, steps)
    if not steps.done:
        _empty(members, found, steps)
    if not steps.done and is_rolling_update(members.stateful_set):
        _replace(members, history, steps)
    return steps.actions


def _fill(members: Members, history: History, found: dict[str, Object], steps: Steps) -> None:
    ordered = is_ordered(members.stateful_set)
    creations: list[Action] = []
    for place, pod in members.places.items():
        waits = _fill_place(members, history, found, place, pod, steps.actions, creations)
        if waits and ordered:
            steps.done = True
            break
    # Claims come before the pods that need them, and pods in one run: runs are done in growing batches.
    steps.actions += creations


def _fill_place(
    members: Members,
    history: History,
    found: dict[str, Object],
    place: int,
    pod: Object | None,
    actions: list[Action],
    creations: list[Action],
) -> bool:
    """Do what one place needs; true when those behind it have to wait."""
    stateful_set = members.stateful_set
    name = pod_name(stateful_set, place)
    if pod is None:
        told = claims.in_the_way(stateful_set, name, place, found)
        if told is not None:
            actions += told
        else:
            actions += claims.missing(stateful_set, name, place, found)
            creations.append(_create(members, history, place))
        return True
    if pods.phase(pod) in ("Failed", "Succeeded"):
        if not meta.is_terminating(pod):
            actions.append(_delete(stateful_set, pod))
        return True
    if pods.phase(pod) == "Pending" and not meta.is_terminating(pod):
        actions += claims.missing(stateful_set, name, place, found)
    if members.is_unavailable(pod) and is_ordered(stateful_set):
        return True
    labels = identity_labels(stateful_set, place)
    if not labels.items() <= meta.labels(pod).items():
        metadata = {"labels": labels, "uid": meta.uid(pod)}
        actions.append(Patch(PODS, meta.namespace(pod), name, {"metadata": metadata}))
    actions += claims.retention(stateful_set, pod, place, condemned=False, found=found)
    return False


def _empty(members: Members, found: dict[str, Object], steps: Steps) -> None:
    stateful_set = members.stateful_set
    for place, pod in sorted(members.condemned.items(), reverse=True):
        steps.actions += claims.retention(stateful_set, pod, place, condemned=True, found=found)
    living = [
        pod for _, pod in sorted(members.condemned.items(), reverse=True) if not meta.is_terminating(pod)
    ]
    if not is_ordered(stateful_set):
        steps.actions += [_delete(stateful_set, pod) for pod in living]
        return
    if members.condemned:
        steps.done = True
        highest = members.condemned[max(members.condemned)]
        unavailable = [each for each in members.condemned.values() if members.is_unavailable(each)]
        # The pod in the way of all others may go; before any other, those below it have to be available.
        if not meta.is_terminating(highest) and (
            members.is_available(highest) or highest is next(iter(unavailable), None)
        ):
            steps.actions.append(_delete(stateful_set, highest))


def _replace(members: Members, history: History, steps: Steps) -> None:
    assert history.update is not None, "steps are taken towards a revision"
    stateful_set, target = members.stateful_set, meta.name(history.update)
    budget = max_unavailable(stateful_set) - sum(map(members.is_unavailable, members.places.values()))
    gone = {each.uid for each in steps.actions if isinstance(each, Delete)}
    for place, pod in sorted(members.places.items(), reverse=True):
        if place < partition(stateful_set):
            break
        if pod is None or meta.is_terminating(pod) or meta.uid(pod) in gone or revision_of(pod) == target:
            continue
        if members.is_unavailable(pod):
            steps.actions.append(_delete(stateful_set, pod))
        elif budget > 0:
            steps.actions.append(_delete(stateful_set, pod))
            budget -= 1


def _create(members: Members, history: History, place: int) -> Create:
    stateful_set, revision = members.stateful_set, history.update
    if is_rolling_update(stateful_set) and place < partition(stateful_set):
        revision = history.current
    assert revision is not None, "steps are taken towards a revision"
    return Create(PODS, pod_for(stateful_set, revision, place), _told(stateful_set, "create"))


def _delete(stateful_set: Object, pod: Object) -> Delete:
    told = _told(stateful_set, "delete")
    return Delete(PODS, meta.namespace(pod), meta.name(pod), meta.uid(pod), announcement=told)


def _told(stateful_set: Object, verb: str) -> Announcement:
    what = f"{verb} Pod {{name}} in StatefulSet {meta.name(stateful_set)}"
    done = verb.capitalize()
    return Announcement(
        stateful_set,
        f"Successful{done}",
        f"{what} successful",
        f"Failed{done}",
        f"{what} failed error: {{error}}",
    )
