"""Shell: one thread that waits for the disk, one piece of work after the other, in the event loop's place.

An executor does the same for any number of threads, with a future of its own for each piece of work, which
costs more than waking the thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Any


@dataclass(slots=True)
class Work:
    """What to call in the thread, and who is told when it is done."""

    call: Callable[..., None]
    arguments: tuple[Any, ...]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[None]


class Worker:
    """The thread; it begins with the first work and ends with `stop`."""

    def __init__(self, name: str) -> None:
        self._queue: SimpleQueue[Work | None] = SimpleQueue()  # bounded by those who wait for their work
        self._thread = Thread(target=self._run, name=name, daemon=True)

    async def do(self, call: Callable[..., None], *arguments: Any) -> None:
        """Return when the call has returned, or raise what it raised; a caller who gives up stops nothing."""
        if not self._thread.ident:
            self._thread.start()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._queue.put(Work(call, arguments, loop, done))
        await done

    def stop(self) -> None:
        """Return when all work is done."""
        if self._thread.ident:
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            error: BaseException | None = None
            try:
                work.call(*work.arguments)
            except BaseException as raised:  # noqa: BLE001 -- it is raised where it is waited for
                error = raised
            work.loop.call_soon_threadsafe(_tell, work.done, error)


def _tell(done: asyncio.Future[None], error: BaseException | None) -> None:
    """In the loop: the work is done, if anyone still waits."""
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
