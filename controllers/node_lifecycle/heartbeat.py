"""Core: since when a node has been silent.

A kubelet renews its Lease and, more seldom, the heartbeat in its node's status. What counts is when this
process first saw the newest of them, by its own clock: clocks of other machines do not matter, and a
controller that has just started gives every node the full time. One that was itself not looking for long,
stopped or starved, has no right to judge either: it begins to count anew.

After: k8s pkg/controller/nodelifecycle/node_lifecycle_controller.go, nodeHealthData (the last rule is ours).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from kube.api import conditions, meta
from kube.api.meta import Object


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The newest sign of life, when it was first seen, and when anybody last looked for one."""

    sign: tuple[str, str, str]
    heard_at: datetime
    looked_at: datetime


def listen(
    before: Heartbeat | None, node: Object, lease: Object | None, now: datetime, deaf_after: timedelta
) -> Heartbeat:
    """What is known now, given what was known `before`."""
    ready = conditions.find(node, "Ready") or {}
    renewed = meta.get(lease, "spec", "renewTime", default="") if lease is not None else ""
    sign = (meta.uid(node), str(renewed), str(ready.get("lastHeartbeatTime", "")))
    if before is None or sign != before.sign or now - before.looked_at > deaf_after:
        return Heartbeat(sign, now, now)
    return Heartbeat(sign, before.heard_at, now)
