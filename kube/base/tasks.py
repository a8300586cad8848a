"""Shell: the named loops of a process, restarted when they crash and cancelled together.

    async with Tasks() as tasks:
        tasks.start("reflector pods", reflector.run)
        await forever()

A crash is a bug or an unforeseen failure: it is logged with its traceback, and the loop starts again after a
growing delay, because one broken controller must not take the others down. A loop that returns is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from kube.base.backoff import Backoff
from kube.base.logs import logger

log = logger(__name__)

RESTART_SECONDS_MIN = 0.1
RESTART_SECONDS_MAX = 30.0
# A loop that ran this long before it crashed starts over with the shortest delay.
HEALTHY_SECONDS = 60.0


class Tasks:
    """Owns the asyncio tasks of a process; leaving the block cancels them all and waits for their end."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Tasks:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cancel()

    def start(self, name: str, function: Callable[..., Awaitable[Any]], *args: Any) -> asyncio.Task[None]:
        """Run `function(*args)` until it returns, starting it again each time it raises."""
        task = asyncio.get_running_loop().create_task(_keep_running(name, function, args), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def cancel(self) -> None:
        """Cancel what still runs and wait until it has ended."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_running(name: str, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> None:
    loop = asyncio.get_running_loop()
    backoff = Backoff(RESTART_SECONDS_MIN, RESTART_SECONDS_MAX)
    while True:
        began = loop.time()
        try:
            await function(*args)
        except Exception:  # the last resort of every loop: log it, then start again
            log.exception("loop crashed, starting it again", task=name)
        else:
            return
        if loop.time() - began > HEALTHY_SECONDS:
            backoff.reset()
        await asyncio.sleep(backoff.next())
