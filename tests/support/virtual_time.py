"""An event loop whose time jumps: when nothing is ready, the next timer's moment is now.

A test that waits ten minutes takes none, and what happens does not depend on how busy the machine is.
Only for code that awaits timers and events; sockets answer in real time.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting, tells the loop how long it would have waited."""

    jumped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout:
            self.jumped += timeout
        assert timeout is not None, "nothing will ever happen: every task waits for another"
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Starts at second 0."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.jumped

    def pass_unnoticed(self, seconds: float) -> None:
        """What a process sees that was paused for so long: later, and no timer has run."""
        self._jumping.jumped += seconds


def virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a coroutine test in virtual time."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


class LoopClock:
    """The loop's time as a date: it begins with 2030."""

    def now(self) -> datetime:
        return datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=asyncio.get_running_loop().time())


async def settle() -> None:
    """Let everything that is ready run, without any time passing."""
    for _ in range(50):
        await asyncio.sleep(0)
