"""Core: how long to wait before the next failed pod on a node is deleted: 1 s, 2 s, 4 s ... 15 minutes.

A kubelet that rejects a pod gets the next one as soon as the first is deleted. A new generation of the
DaemonSet starts over, and so does a node where nothing failed for twice the longest wait.

Absent: memory over a restart.
After: k8s pkg/controller/daemon/daemon_controller.go, failedPodsBackoff;
staging/src/k8s.io/client-go/util/flowcontrol/backoff.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from kube.api import meta
from kube.api.meta import Object

WAIT_MIN = timedelta(seconds=1)
WAIT_MAX = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Failure:
    """When a failed pod was last deleted, and how long the next one has to wait."""

    at: datetime
    wait: timedelta


class Failures:
    """What happened on the nodes, by the DaemonSet's uid, its observed generation and the node's name."""

    def __init__(self) -> None:
        self._failures: dict[tuple[str, int, str], Failure] = {}

    def waits(self, daemon_set: Object, now: datetime) -> dict[str, float]:
        """The seconds that are left, by node, where there are any."""
        uid, generation, _ = _key(daemon_set, "")
        left = {
            node: (failure.at + failure.wait - now).total_seconds()
            for (of, when, node), failure in self._failures.items()
            if (of, when) == (uid, generation)
        }
        return {node: seconds for node, seconds in left.items() if seconds > 0}

    def note(self, daemon_set: Object, node: str, now: datetime) -> None:
        """A failed pod on the node is being deleted."""
        self._forget_old(now)
        key = _key(daemon_set, node)
        last = self._failures.get(key)
        wait = WAIT_MIN if last is None else min(last.wait * 2, WAIT_MAX)
        self._failures[key] = Failure(now, wait)

    def _forget_old(self, now: datetime) -> None:
        self._failures = {
            key: failure for key, failure in self._failures.items() if now - failure.at <= 2 * WAIT_MAX
        }


def _key(daemon_set: Object, node: str) -> tuple[str, int, str]:
    observed = int(meta.get(daemon_set, "status", "observedGeneration", default=0))
    return meta.uid(daemon_set), observed, node
