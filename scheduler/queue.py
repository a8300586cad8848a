"""Core: the pods that wait for a node, in three places.

    active          to be scheduled now: highest priority first, then first come
    backoff         failed not long ago: 1 s, 2 s, 4 s ... 10 s after their last attempt
    unschedulable   wait for an event that a plug-in which refused them names; at the latest 5 minutes

plus *gated* pods, which no event wakes but their own update. When nothing is active, a pod whose backoff
still runs is taken early, if it was refused by plug-ins (an error waits its time): room that appears is
used at once.

Invariants: a pod is in one place at most; unschedulable pods stand in the order of their last attempts.
After: k8s pkg/scheduler/backend/queue/scheduling_queue.go.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from scheduler.framework.pod_info import PodInfo

BACKOFF_INITIAL = timedelta(seconds=1)
BACKOFF_MAX = timedelta(seconds=10)
UNSCHEDULABLE_MAX = timedelta(minutes=5)


@dataclass(slots=True)
class QueuedPod:
    """A waiting pod. `plugins` refused it last; none of them means an error. `sequence` breaks ties."""

    pod: PodInfo
    added_at: datetime
    sequence: int
    attempts: int = 0
    attempted_at: datetime | None = None
    plugins: frozenset[str] = field(default_factory=frozenset)

    def backoff_ends_at(self) -> datetime:
        if self.attempted_at is None:
            return self.added_at
        backoff: timedelta = BACKOFF_INITIAL * 2 ** min(self.attempts - 1, 10)
        return self.attempted_at + min(backoff, BACKOFF_MAX)


class Queue:
    """The places. The heaps hold orders and uids, some of them stale: `_place` says where a pod really is.

    `_unschedulable` is the one place that is walked through, so it is a dict of its own.
    """

    def __init__(self) -> None:
        self._pods: dict[str, QueuedPod] = {}
        self._place: dict[str, str] = {}
        self._active: list[tuple[int, datetime, int, str]] = []
        self._backoff: list[tuple[datetime, int, str]] = []
        self._unschedulable: dict[str, QueuedPod] = {}
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._pods)

    def counts(self) -> dict[str, int]:
        """How many pods wait in each place."""
        counts = {"active": 0, "backoff": 0, "unschedulable": 0, "gated": 0}
        for place in self._place.values():
            counts[place] += 1
        return counts

    def add(self, pod: PodInfo, now: datetime, is_gated: bool = False) -> None:
        """A new pod, or one whose spec changed: it may be schedulable now, whatever was said before."""
        queued = self._pods.get(pod.uid)
        if queued is None:
            self._sequence += 1
            queued = QueuedPod(pod, now, self._sequence)
            self._pods[pod.uid] = queued
        queued.pod = pod
        self._unschedulable.pop(pod.uid, None)
        if is_gated:
            self._place[pod.uid] = "gated"
        else:
            self._wake(queued, now)

    def refresh(self, pod: PodInfo) -> None:
        """The pod changed in a way that matters to no plug-in (its status)."""
        if pod.uid in self._pods:
            self._pods[pod.uid].pod = pod

    def remove(self, uid: str) -> None:
        self._pods.pop(uid, None)
        self._place.pop(uid, None)
        self._unschedulable.pop(uid, None)

    def pop(self, now: datetime) -> QueuedPod | None:
        """The next pod to schedule; it is then in none of the places until `requeue`."""
        self._flush(now)
        queued = self._pop_heap(self._active, "active") or self._pop_early()
        if queued:
            self.remove(queued.pod.uid)
            queued.attempts += 1
            queued.attempted_at = now
        return queued

    def requeue(self, queued: QueuedPod, plugins: frozenset[str], now: datetime) -> None:
        """Scheduling failed: by the verdict of `plugins`, or by an error (no plug-ins), which is retried
        after backoff.
        """
        uid = queued.pod.uid
        assert uid not in self._pods, f"pod {queued.pod.key} is queued twice"
        queued.plugins = plugins
        self._pods[uid] = queued
        if plugins:
            self._place[uid] = "unschedulable"
            self._unschedulable[uid] = queued
        else:
            self._wake(queued, now)

    def wake(self, is_woken: Callable[[QueuedPod], bool], now: datetime) -> None:
        """Something happened: move those unschedulable pods whose mind it may change."""
        for queued in [each for each in self._unschedulable.values() if is_woken(each)]:
            del self._unschedulable[queued.pod.uid]
            self._wake(queued, now)

    def next_deadline(self) -> datetime | None:
        """When `pop` may give something although nothing happens."""
        deadlines = [ends_at for ends_at, _, uid in self._backoff if self._place.get(uid) == "backoff"]
        oldest = next(iter(self._unschedulable.values()), None)
        if oldest and oldest.attempted_at:
            deadlines.append(oldest.attempted_at + UNSCHEDULABLE_MAX)
        return min(deadlines, default=None)

    def _wake(self, queued: QueuedPod, now: datetime) -> None:
        uid = queued.pod.uid
        ends_at = queued.backoff_ends_at()
        if ends_at > now:
            self._place[uid] = "backoff"
            heapq.heappush(self._backoff, (ends_at, queued.sequence, uid))
        else:
            self._place[uid] = "active"
            entry = (-queued.pod.priority, queued.added_at, queued.sequence, uid)
            heapq.heappush(self._active, entry)

    def _flush(self, now: datetime) -> None:
        """Move what has waited long enough."""
        while self._backoff and self._backoff[0][0] <= now:
            uid = heapq.heappop(self._backoff)[-1]
            if self._place.get(uid) == "backoff":
                self._wake(self._pods[uid], now)
        oldest = next(iter(self._unschedulable.values()), None)
        if oldest and _is_overdue(oldest, now):
            self.wake(lambda queued: _is_overdue(queued, now), now)

    def _pop_early(self) -> QueuedPod | None:
        errors: list[tuple[datetime, int, str]] = []
        found: QueuedPod | None = None
        while self._backoff and found is None:
            entry = heapq.heappop(self._backoff)
            if self._place.get(entry[-1]) == "backoff":
                if self._pods[entry[-1]].plugins:
                    found = self._pods[entry[-1]]
                else:
                    errors.append(entry)
        for entry in errors:
            heapq.heappush(self._backoff, entry)
        return found

    def _pop_heap(self, heap: list[tuple[int, datetime, int, str]], place: str) -> QueuedPod | None:
        while heap:
            uid = heapq.heappop(heap)[-1]
            if self._place.get(uid) == place:
                return self._pods[uid]
        return None


def _is_overdue(queued: QueuedPod, now: datetime) -> bool:
    return queued.attempted_at is not None and now - queued.attempted_at >= UNSCHEDULABLE_MAX
