"""Waits for conditions of the world outside, each with a deadline and a word for what is awaited."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

SECONDS = 60.0
POLL_SECONDS = 0.05

T = TypeVar("T")


def until(what: str, check: Callable[[], T], seconds: float = SECONDS) -> T:
    """The first true answer of `check`; the deadline is generous, for a slow machine is no failure."""
    deadline = time.monotonic() + seconds
    while not (answer := check()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain: {what}"
        time.sleep(POLL_SECONDS)  # noqa: TID251 -- the one place where tests wait
    return answer


async def until_async(what: str, check: Callable[[], T | Awaitable[T]], seconds: float = SECONDS) -> T:
    """The same inside an event loop; the check may be a coroutine function."""
    deadline = time.monotonic() + seconds
    while True:
        answer = check()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain: {what}"
        await asyncio.sleep(POLL_SECONDS)
