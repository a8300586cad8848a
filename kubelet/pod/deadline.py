"""Core: a pod with `activeDeadlineSeconds` may be active for so long, counted from its start time.

After: k8s pkg/kubelet/active_deadline.go.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from kube.api import meta
from kube.api.meta import Object

OVERDUE_REASON = "DeadlineExceeded"
OVERDUE_MESSAGE = "Pod was active on the node longer than the specified deadline"


def ends_at(pod: Object) -> datetime | None:
    """When its time is over; None for a pod without a deadline, or that has not started."""
    seconds = pod["spec"].get("activeDeadlineSeconds")
    start = meta.get(pod, "status", "startTime")
    if seconds is None or not start or meta.get(pod, "status", "phase") in ("Succeeded", "Failed"):
        return None
    return meta.parse_time(start) + timedelta(seconds=seconds)


def has_passed(pod: Object, now: datetime) -> bool:
    """True once the pod has been active for too long."""
    end = ends_at(pod)
    return end is not None and end <= now
