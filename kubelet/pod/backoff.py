"""Core: how long a container that keeps failing waits, and an image that cannot be had.

    ended the first time -> at once -> 10 s -> 20 s -> ... -> 5 min, from its end; ten good minutes start anew

Both times can be set, so that tests and lessons need not wait.
After: k8s pkg/kubelet/kuberuntime/kuberuntime_manager.go, doBackOff; client-go util/flowcontrol/backoff.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from kubelet.runtime.interface import Container

BACKOFF_INITIAL = timedelta(seconds=10)
BACKOFF_MAX = timedelta(seconds=300)
# A container that ran this long is not "crash looping": its next start waits for nothing.
BACKOFF_RESET = timedelta(minutes=10)
# What lacks something that may come (a ConfigMap, a volume) is tried again after this long at the latest.
RETRY_MAX = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Backoff:
    """A doubling wait, from `initial` to `maximum`."""

    initial: timedelta = BACKOFF_INITIAL
    maximum: timedelta = BACKOFF_MAX

    def delay(self, failures: int) -> timedelta:
        """The wait after so many failures in a row; none after none."""
        if failures <= 0:
            return timedelta(0)
        wait: timedelta = self.initial * 2 ** min(failures - 1, 30)
        return min(wait, self.maximum)

    @property
    def retry(self) -> timedelta:
        """How soon to look again for what was missing."""
        return min(self.initial, RETRY_MAX)


def ran_well(container: Container) -> bool:
    """True for an ended container that had run long enough to have its crashes forgotten."""
    assert container.finished_at is not None
    return container.finished_at - (container.started_at or container.finished_at) >= BACKOFF_RESET
