"""Core: the nodes and the daemon pods on them, as a plan looks at them, and what each step wants done.

A pod that ended and is already being deleted is nobody's concern any more: kubelet or garbage collector
takes it away, and its node counts as empty.

After: k8s pkg/controller/daemon/daemon_controller.go, getNodesToDaemonPods, podByCreationTimestampAndPhase;
pkg/controller/daemon/util/daemonset_util.go, SurgeCount, UnavailableCount.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from controllers import pods
from controllers.daemonset.placement import HASH, Suits, suits, target_node
from kube.api import meta
from kube.api.actions import EmitEvent
from kube.api.meta import Object

NOWHERE = Suits(run=False, stay=False)


@dataclass(slots=True)
class Wanted:
    """What a step wants: nodes to get a pod, pods to be deleted, Events, and when to look again."""

    nodes: list[str] = field(default_factory=list)
    deletions: list[Object] = field(default_factory=list)
    events: list[EmitEvent] = field(default_factory=list)
    look_again: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Daemons:
    """A DaemonSet and its cluster; `hash` names its current revision, `nodes` are in order of name."""

    daemon_set: Object
    hash: str
    nodes: dict[str, Suits]
    pods: dict[str, list[Object]]
    now: datetime

    def on(self, node: str) -> list[Object]:
        """The pods on or for a node, the one that has the best claim to it first."""
        return self.pods.get(node, [])

    def suits(self, node: str) -> Suits:
        """What the node is to the DaemonSet; one that is gone suits nothing."""
        return self.nodes.get(node, NOWHERE)

    @property
    def wanted(self) -> int:
        """How many nodes should run a pod."""
        return sum(each.run for each in self.nodes.values())

    def is_available(self, pod: Object) -> bool:
        return pods.is_available(pod, min_ready_seconds(self.daemon_set), self.now)

    def is_updated(self, pod: Object) -> bool:
        """True when the pod was made from the current revision."""
        return bool(self.hash) and meta.labels(pod).get(HASH) == self.hash


def spread(
    daemon_set: Object, revision_hash: str, nodes: Iterable[Object], owned: Iterable[Object], now: datetime
) -> Daemons:
    """Look at each node, and put each pod to the node it is for."""
    judged = {meta.name(each): suits(daemon_set, each) for each in sorted(nodes, key=meta.name)}
    placed: dict[str, list[Object]] = {}
    for pod in sorted(owned, key=_standing):
        node = target_node(pod)
        ended = pods.phase(pod) in ("Succeeded", "Failed") and meta.is_terminating(pod)
        if node is not None and not ended:
            placed.setdefault(node, []).append(pod)
    return Daemons(daemon_set, revision_hash, judged, placed, now)


def _standing(pod: Object) -> tuple[bool, datetime, str]:
    """Bound before unbound, older before younger."""
    return not meta.get(pod, "spec", "nodeName"), meta.creation_time(pod), meta.name(pod)


def min_ready_seconds(daemon_set: Object) -> int:
    """How long a pod must have been ready to count as available."""
    return int(meta.get(daemon_set, "spec", "minReadySeconds", default=0))


def is_rolling_update(daemon_set: Object) -> bool:
    """True unless pods wait for somebody to delete them."""
    kind = meta.get(daemon_set, "spec", "updateStrategy", "type", default="RollingUpdate")
    return bool(kind == "RollingUpdate")


def allows_surge(daemon_set: Object) -> bool:
    """True when a node may have a new pod beside its old one."""
    return max_surge(daemon_set, 1) > 0


def max_surge(daemon_set: Object, wanted: int) -> int:
    """On how many of the wanted nodes a new pod may stand beside an old one that is available."""
    return _scaled(daemon_set, "maxSurge", wanted)


def max_unavailable(daemon_set: Object, wanted: int) -> int:
    """How many of the wanted pods may be missing; at least one if there can be no surge."""
    allowed = _scaled(daemon_set, "maxUnavailable", wanted)
    if wanted and not allowed and not max_surge(daemon_set, wanted):
        return 1
    return allowed


def _scaled(daemon_set: Object, name: str, base: int) -> int:
    """An int-or-percent of the rolling update, rounded up."""
    if not is_rolling_update(daemon_set):
        return 0
    value: Any = meta.get(daemon_set, "spec", "updateStrategy", "rollingUpdate", name, default=0)
    if isinstance(value, str):
        return math.ceil(int(value.removesuffix("%")) * base / 100)
    return int(value)


def living(found: Sequence[Object]) -> list[Object]:
    """Those that nobody has asked to go."""
    return [each for each in found if not meta.is_terminating(each)]
