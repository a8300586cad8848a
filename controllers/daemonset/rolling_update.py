"""Core: how far the pods of older revisions may be replaced now.

Without surge old pods are deleted, and the next look fills their nodes: those that are not available at once,
the others as long as fewer than maxUnavailable nodes are without an available pod. With surge a new pod
is made beside the old one, on up to maxSurge nodes at a time, and the old one is deleted when the new one is
available.

Sees: the pods node by node, when every node has its pod (manage.py has nothing to do).
After: k8s pkg/controller/daemon/update.go, rollingUpdate.
"""

from __future__ import annotations

from controllers.daemonset.daemons import Daemons, Wanted, living, max_surge, max_unavailable
from kube.api.meta import Object


def rolling_update(daemons: Daemons) -> Wanted:
    """The old pods to delete now and the nodes to get a new one."""
    surge = max_surge(daemons.daemon_set, daemons.wanted)
    return _with_surge(daemons, surge) if surge else _in_place(daemons)


def _in_place(daemons: Daemons) -> Wanted:
    unavailable = 0
    due: list[Object] = []
    candidates: list[Object] = []
    for node in _concerned(daemons):
        new, old = _new_and_old(daemons, node)
        if len(new) == 1 and not old:
            unavailable += not daemons.is_available(new[0])
        elif len(old) == 1 and not new:
            if daemons.is_available(old[0]):
                candidates.append(old[0])
            else:
                due.append(old[0])
                unavailable += 1
        else:
            # Nothing or too much: the next look puts it right.
            unavailable += 1
    room = max(max_unavailable(daemons.daemon_set, daemons.wanted) - unavailable, 0)
    return Wanted(deletions=due + candidates[:room])


def _with_surge(daemons: Daemons, allowed: int) -> Wanted:
    wanted = Wanted()
    candidates: list[str] = []
    unwanted: list[Object] = []
    surging = available = 0
    for node in _concerned(daemons):
        new, old = _new_and_old(daemons, node)
        if len(new) > 1 or len(old) > 1:
            surging += 1
            continue
        available += any(daemons.is_available(each) for each in (old or new))
        if not old:
            continue
        if new and daemons.is_available(new[0]):
            wanted.deletions.append(old[0])
        elif new:
            surging += 1
        elif not daemons.suits(node).run:
            (unwanted if daemons.is_available(old[0]) else wanted.deletions).append(old[0])
        else:
            (candidates if daemons.is_available(old[0]) else wanted.nodes).append(node)
    # A pod that may stay where none would be started is kept until others are available in its place.
    wanted.deletions += unwanted[: max(available - daemons.wanted, 0)]
    wanted.nodes += candidates[: max(allowed - surging, 0)]
    return wanted


def _concerned(daemons: Daemons) -> list[str]:
    """The nodes that should have a pod or have one; pods of a lost node go with it."""
    return [node for node, suits in daemons.nodes.items() if suits.run or daemons.on(node)]


def _new_and_old(daemons: Daemons, node: str) -> tuple[list[Object], list[Object]]:
    """The pods of the current revision and the others, without those that are going."""
    found = living(daemons.on(node))
    new = [each for each in found if daemons.is_updated(each)]
    return new, [each for each in found if not daemons.is_updated(each)]
