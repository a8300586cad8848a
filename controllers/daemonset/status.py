"""Core: the status of a DaemonSet: on how many nodes its pod should be, is, is ready, new, available.

Of several pods on a node the one with the best claim to it speaks for the node.

After: k8s pkg/controller/daemon/daemon_controller.go, updateDaemonSetStatus.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from controllers import pods
from controllers.daemonset.daemons import Daemons, min_ready_seconds
from kube.api import meta
from kube.api.meta import Object

ALWAYS = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")


def status(daemons: Daemons, *, observed: bool) -> dict[str, Any]:
    """What there is; `observed` unless this generation of the DaemonSet has not been acted on yet."""
    counts = Counter[str]()
    for node, suits in daemons.nodes.items():
        found = daemons.on(node)
        if not suits.run:
            counts["numberMisscheduled"] += bool(found)
            continue
        counts["desiredNumberScheduled"] += 1
        if found:
            counts["currentNumberScheduled"] += 1
            counts["numberReady"] += pods.is_ready(found[0])
            counts["numberAvailable"] += daemons.is_available(found[0])
            counts["updatedNumberScheduled"] += daemons.is_updated(found[0])
    counts["numberUnavailable"] = counts["desiredNumberScheduled"] - counts["numberAvailable"]
    old: Object = daemons.daemon_set.get("status") or {}
    kept = {part: old[part] for part in ("observedGeneration", "collisionCount", "conditions") if part in old}
    if observed:
        kept["observedGeneration"] = meta.generation(daemons.daemon_set)
    return dict.fromkeys(ALWAYS, 0) | {name: count for name, count in counts.items() if count} | kept


def next_availability(daemons: Daemons) -> list[float]:
    """In how many seconds the next ready pod will have been ready for long enough, if one waits for that."""
    seconds = min_ready_seconds(daemons.daemon_set)
    if not seconds:
        return []
    found = (each for node in daemons.nodes for each in daemons.on(node))
    waits = [pods.available_in(each, seconds, daemons.now) for each in found]
    ahead = [each.total_seconds() for each in waits if each]
    return [min(ahead)] if ahead else []
