"""Core: decides how a DaemonSet gets its one pod on every node that suits, and from which revision.

First the history (which revision is current), then each node on its own (manage.py). Only when every node
has what it should have are old pods replaced (rolling_update.py), unless the strategy is OnDelete. Then what
there is gets written down. While creations and deletions of an earlier plan have not all been seen
(`expectations_met`), only history and status are brought up to date.

Sees: the DaemonSet, all nodes, the pods and ControllerRevisions it may own, the back-off on each node, now.
Says: Patch (adopt, release, label), Create, Update, Delete, EmitEvent, UpdateStatus, RequeueAfter.
Invariants: never deletes a pod it does not own; at most 250 pods created and 250 deleted at a time; the same
input gives the same list, in the same order.
Absent: no client, no clock, no expectations (the loop keeps those), no memory of failures (failures.py).
After: k8s pkg/controller/daemon/daemon_controller.go, syncDaemonSet, updateDaemonSet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from controllers import pods
from controllers.claim import claim
from controllers.daemonset.daemons import Daemons, Wanted, is_rolling_update, spread
from controllers.daemonset.history import surplus, trace
from controllers.daemonset.manage import manage
from controllers.daemonset.placement import pod_for, target_node
from controllers.daemonset.rolling_update import rolling_update
from controllers.daemonset.status import next_availability, status
from kube.api import meta
from kube.api.actions import (
    Action,
    Announcement,
    Create,
    Delete,
    EmitEvent,
    RequeueAfter,
    UpdateStatus,
)
from kube.api.labels import Selector
from kube.api.meta import Object
from kube.api.resources import CONTROLLER_REVISIONS, DAEMON_SETS, PODS

BURST = 250
ALL_SELECTED = "This daemon set is selecting all pods. A non-empty selector is required."


@dataclass(slots=True)
class Seen:
    """What there is.

    `pods` and `revisions` are those under the DaemonSet's uid and the orphans of its namespace; `namesake` is
    the revision, whosever it is, under the name that the next one would get; `waits` are seconds by node.
    """

    daemon_set: Object
    nodes: list[Object] = field(default_factory=list)
    pods: list[Object] = field(default_factory=list)
    revisions: list[Object] = field(default_factory=list)
    namesake: Object | None = None
    waits: Mapping[str, float] = field(default_factory=dict)
    may_adopt: bool = True
    expectations_met: bool = True


def plan(seen: Seen, now: datetime) -> list[Action]:
    """What to do for one DaemonSet."""
    daemon_set = seen.daemon_set
    selector = Selector.from_label_selector(meta.get(daemon_set, "spec", "selector"))
    if selector.is_empty:
        return [EmitEvent(daemon_set, "Warning", "SelectingAll", ALL_SELECTED)]
    if meta.is_terminating(daemon_set):
        # Its revisions may be gone before its pods: what is current can no longer be told.
        return []
    revisions = claim(
        daemon_set, DAEMON_SETS, selector, seen.revisions, CONTROLLER_REVISIONS, may_adopt=seen.may_adopt
    )
    owned = claim(daemon_set, DAEMON_SETS, selector, seen.pods, PODS, may_adopt=seen.may_adopt)
    history = trace(daemon_set, revisions.owned, owned.owned, seen.namesake)
    actions: list[Action] = [*revisions.actions, *owned.actions, *history.actions]
    if history.hash is None:
        return actions
    daemons = spread(daemon_set, history.hash, seen.nodes, owned.owned, now)
    wanted = _next_step(daemons, seen.waits) if seen.expectations_met else Wanted()
    actions += [*wanted.events, *_delete(daemons, wanted.deletions), *_create(daemons, wanted.nodes)]
    if seen.expectations_met:
        actions += surplus(daemon_set, history.old, owned.owned)
    new = status(daemons, observed=seen.expectations_met)
    if new != (daemon_set.get("status") or {}):
        actions.append(UpdateStatus(DAEMON_SETS, {**daemon_set, "status": new}))
    soonest = min([*wanted.look_again, *next_availability(daemons)], default=None)
    return actions if soonest is None else [*actions, RequeueAfter(soonest)]


def failed_nodes(seen: Seen, actions: Iterable[Action]) -> list[str]:
    """The nodes of the failed pods that a plan deletes: the next one there has to wait longer."""
    deleted = {each.uid for each in actions if isinstance(each, Delete) and each.resource == PODS}
    failed = [each for each in seen.pods if meta.uid(each) in deleted and pods.phase(each) == "Failed"]
    return [node for node in map(target_node, failed) if node is not None]


def _next_step(daemons: Daemons, waits: Mapping[str, float]) -> Wanted:
    wanted = manage(daemons, waits)
    if wanted.nodes or wanted.deletions or not is_rolling_update(daemons.daemon_set):
        return wanted
    step = rolling_update(daemons)
    return Wanted(step.nodes, step.deletions, wanted.events, wanted.look_again)


def _create(daemons: Daemons, nodes: list[str]) -> list[Create]:
    announcement = Announcement(
        daemons.daemon_set,
        "SuccessfulCreate",
        "Created pod: {name}",
        "FailedCreate",
        "Error creating: {error}",
    )
    return [
        Create(PODS, pod_for(daemons.daemon_set, each, daemons.hash), announcement) for each in nodes[:BURST]
    ]


def _delete(daemons: Daemons, surplus: list[Object]) -> list[Delete]:
    announcement = Announcement(
        daemons.daemon_set,
        "SuccessfulDelete",
        "Deleted pod: {name}",
        "FailedDelete",
        "Error deleting: {error}",
    )
    return [
        Delete(PODS, meta.namespace(each), meta.name(each), meta.uid(each), announcement=announcement)
        for each in surplus[:BURST]
    ]
