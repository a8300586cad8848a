"""Core: a pod with schedulingGates waits outside the queue until the last gate is removed.

After: k8s pkg/scheduler/framework/plugins/schedulinggates/scheduling_gates.go.
"""

from __future__ import annotations

from scheduler.framework.interface import SUCCESS, ClusterEvent, Verdict, unresolvable
from scheduler.framework.pod_info import PodInfo


class SchedulingGates:
    """See the module."""

    name = "SchedulingGates"
    events: frozenset[ClusterEvent] = frozenset()

    def pre_enqueue(self, pod: PodInfo) -> Verdict:
        gates = [gate["name"] for gate in pod.spec.get("schedulingGates") or ()]
        return unresolvable(f"waiting for scheduling gates: [{' '.join(gates)}]") if gates else SUCCESS
