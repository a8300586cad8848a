"""Core: decides which pods that have ended go, when there are too many of them.

Evicted ones go first, so that those that say how the work of a controller ended stay; then the oldest.

Sees: all pods that have ended, how many may stay. Says: Delete, at once and by force.
After: k8s pkg/controller/podgc/gc_controller.go, gcTerminated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from controllers.pods import phase
from kube.api import meta
from kube.api.actions import Action, Delete
from kube.api.meta import Object
from kube.api.resources import PODS

ENDED_INDEX = "ended"
ENDED = "yes"
THRESHOLD = 12500
CHECK_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Seen:
    """Pods that have ended, in the whole cluster."""

    pods: Sequence[Object]
    threshold: int


def ended_index(pod: Object) -> list[str]:
    """Find the pods that have ended."""
    return [ENDED] if phase(pod) in ("Succeeded", "Failed") else []


def plan(seen: Seen) -> list[Action]:
    """Delete what is too many; who was asked to go by force already only counts."""
    surplus = max(len(seen.pods) - seen.threshold, 0)
    return [
        Delete(PODS, meta.namespace(each), meta.name(each), meta.uid(each), grace_period_seconds=0)
        for each in sorted(seen.pods, key=_order)[:surplus]
        if meta.get(each, "metadata", "deletionGracePeriodSeconds") != 0
    ]


def _order(pod: Object) -> tuple[bool, str, str]:
    is_evicted = phase(pod) == "Failed" and meta.get(pod, "status", "reason") == "Evicted"
    return not is_evicted, meta.metadata(pod)["creationTimestamp"], meta.name(pod)
