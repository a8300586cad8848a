"""Core: one pod on every node that should have one, none where none may stay.

What ended is deleted, so that the next look replaces it; what failed only after its back-off, for a kubelet
that rejects each pod would be sent pod after pod. Of several pods on a node the one with the best claim
stays. With surge there may be two: the oldest of the current revision while it is not available, and the
oldest other as long as it is ready.

After: k8s pkg/controller/daemon/daemon_controller.go, podsShouldBeOnNode, getUnscheduledPodsWithoutNode.
"""

from __future__ import annotations

from collections.abc import Mapping

from controllers import pods
from controllers.daemonset.daemons import Daemons, Wanted, allows_surge, living
from kube.api import meta
from kube.api.actions import EmitEvent
from kube.api.meta import Object


def manage(daemons: Daemons, waits: Mapping[str, float]) -> Wanted:
    """What every node lacks or has too much; `waits` are the seconds of back-off left, by node."""
    wanted, surge = Wanted(), allows_surge(daemons.daemon_set)
    for node in daemons.nodes:
        _look_at(daemons, node, waits.get(node, 0.0), wanted, surge=surge)
    for node, found in daemons.pods.items():
        if node not in daemons.nodes:
            # Bound pods of a lost node are collected with it. These never were on it, and never will be.
            wanted.deletions += [each for each in found if not meta.get(each, "spec", "nodeName")]
    return wanted


def _look_at(daemons: Daemons, node: str, wait: float, wanted: Wanted, *, surge: bool) -> None:
    suits, found = daemons.suits(node), daemons.on(node)
    if suits.run and not found:
        wanted.nodes.append(node)
    elif suits.stay:
        running = _bury(daemons, node, wait, wanted)
        if not surge:
            wanted.deletions += running[1:]
        elif len(running) > 1:
            wanted.deletions += _surplus(daemons, running)
        elif not running and suits.run:
            # The one that is going need not be waited for.
            wanted.nodes.append(node)
    else:
        wanted.deletions += living(found)


def _bury(daemons: Daemons, node: str, wait: float, wanted: Wanted) -> list[Object]:
    """Have the pods deleted that ended; the others."""
    running: list[Object] = []
    for pod in living(daemons.on(node)):
        phase = pods.phase(pod)
        if phase == "Failed" and wait > 0:
            wanted.look_again.append(wait)
        elif phase == "Failed":
            text = f"Found failed daemon pod {meta.key(pod)} on node {node}, will try to kill it"
            wanted.events.append(EmitEvent(daemons.daemon_set, "Warning", "FailedDaemonPod", text))
            wanted.deletions.append(pod)
        elif phase == "Succeeded":
            text = f"Found succeeded daemon pod {meta.key(pod)} on node {node}, will try to delete it"
            wanted.events.append(EmitEvent(daemons.daemon_set, "Normal", "SucceededDaemonPod", text))
            wanted.deletions.append(pod)
        else:
            running.append(pod)
    return running


def _surplus(daemons: Daemons, running: list[Object]) -> list[Object]:
    """All but the oldest pod of either revision; of these the old one too, once it is not needed."""
    new = [each for each in running if daemons.is_updated(each)]
    old = [each for each in running if not daemons.is_updated(each)]
    surplus = [each for each in running if each not in (*new[:1], *old[:1])]
    if new and old and (not pods.is_ready(old[0]) or daemons.is_available(new[0])):
        surplus.append(old[0])
    return surplus
