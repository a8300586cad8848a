"""Text tests of the queue: add, gate, pop, fail, error, wake, remove, counts, deadline. Times are seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scheduler.framework.pod_info import PodInfo
from scheduler.queue import Queue, QueuedPod
from tests import datadriven
from tests.datadriven import Case
from tests.scheduler.world import make_pod

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)


class World:
    def __init__(self) -> None:
        self.queue = Queue()
        self.popped: dict[str, QueuedPod] = {}

    def handle(self, case: Case) -> str:
        now = EPOCH + timedelta(seconds=float(case.option("t", "0")))
        return str(getattr(self, case.command)(case, now) or "")

    def add(self, case: Case, now: datetime) -> None:
        priority = int(case.option("priority", "0"))
        for name in case.args:
            pod = PodInfo.of(make_pod(name, {"spec": {"priority": priority}}))
            self.queue.add(pod, now, is_gated="gated" in case.options)

    def pop(self, case: Case, now: datetime) -> str:
        """Pop until nothing is given."""
        names = []
        while queued := self.queue.pop(now):
            self.popped[queued.pod.name] = queued
            names.append(queued.pod.name)
        return " ".join(names) or "nothing"

    def fail(self, case: Case, now: datetime) -> None:
        plugins = frozenset(case.option("by", "").split(",")) - {""}
        for name in case.args:
            self.queue.requeue(self.popped[name], plugins, now)

    def wake(self, case: Case, now: datetime) -> None:
        self.queue.wake(lambda queued: case.args[0] in queued.plugins, now)

    def remove(self, case: Case, now: datetime) -> None:
        self.queue.remove(f"uid-{case.args[0]}")

    def show(self, case: Case, now: datetime) -> str:
        counts = " ".join(f"{place}={count}" for place, count in self.queue.counts().items() if count)
        deadline = self.queue.next_deadline()
        when = f" next at {(deadline - EPOCH).total_seconds():g}" if deadline else ""
        return (counts or "empty") + when


def test_text(request: pytest.FixtureRequest) -> None:
    datadriven.run(Path(__file__).parent / "queue.txt", request, World().handle)
