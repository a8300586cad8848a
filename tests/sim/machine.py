"""A machine: an event loop whose clock moves only when it is told to, and that works until nothing is left.

The member's own code runs on it: its tasks, timers and events. The order in which they run depends on nothing
but the order in which they were started.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

CLOCK_RESOLUTION_SECONDS = 1e-9
STEP_SECONDS = 2e-9  # every round of the loop takes a little: who waits for a moment sees it pass
STEPS_MAX = 10_000


class _Idleness(selectors.SelectSelector):
    """Nothing ever comes from outside: who would wait has nothing left to do, and `steps` bounds the rest."""

    stop: Callable[[], None]
    steps = 0
    taken = 0
    is_idle = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.is_idle = timeout is None or timeout > CLOCK_RESOLUTION_SECONDS
        self.steps -= 1
        self.taken += 1
        if self.is_idle or self.steps <= 0:
            self.stop()
        return []


class Machine(asyncio.SelectorEventLoop):
    """`failures` are what broke in a callback, where no task can tell of it."""

    def __init__(self) -> None:
        self._idleness = _Idleness()
        super().__init__(self._idleness)
        self._idleness.stop = self.stop
        self._now = 0.0
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self.failures: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self.failures.append(context))

    def time(self) -> float:
        return self._now + self._idleness.taken * STEP_SECONDS

    def pass_time(self, seconds: float) -> None:
        """Timers that come due run when the machine works next."""
        if seconds:
            self._now += seconds
            self._idleness.taken = 0

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task, which `halt` will end."""
        task = self.create_task(work)
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))
        return task

    def work(self) -> None:
        """Run whatever is ready, and what that makes ready."""
        self.step(STEPS_MAX)
        assert self._idleness.is_idle, "the event loop runs in circles, and no time passes"

    def step(self, count: int) -> None:
        """The same, but at most so many rounds of the loop."""
        self._idleness.steps = count
        self.run_forever()

    def halt(self) -> None:
        """The machine is off: whatever its tasks still want to clean up no longer reaches the world."""
        for task in list(self._tasks):
            task.cancel()
        try:
            self.work()
            self.run_until_complete(self.shutdown_asyncgens())
        finally:
            self.close()
