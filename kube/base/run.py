"""Shell: runs a process's one coroutine from start to signal.

SIGTERM and SIGINT cancel the coroutine, which then has its `finally` blocks to close what it opened; the exit
code is 0. A `StartupError` becomes one line on stderr and exit code 1: it says what the user can mend, so a
traceback would only hide it.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from kube.base.startup import StartupError

__all__ = ["StartupError", "run"]


def run(
    function: Callable[..., Coroutine[Any, Any, None]],
    *args: Any,
    loop_factory: Callable[[], AbstractEventLoop] = uvloop.new_event_loop,
) -> None:
    """Run `function(*args)`, under uvloop unless told otherwise, until it returns or a signal ends it."""
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(_until_signal(function, args))
    except StartupError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)


async def _until_signal(function: Callable[..., Coroutine[Any, Any, None]], args: tuple[Any, ...]) -> None:
    loop = asyncio.get_running_loop()
    task = loop.create_task(function(*args))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return
