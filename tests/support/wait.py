"""Waits for conditions of the world outside, each with a deadline and a word for what is awaited."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

SECONDS = 60.0
# Between two looks: what comes soon is seen soon, and what takes long is not kept busy with questions.
POLL_SECONDS_MIN, POLL_SECONDS_MAX = 0.05, 0.25
POLL_SHARE = 0.1

T = TypeVar("T")


def until(what: str, check: Callable[[], T], seconds: float = SECONDS) -> T:
    """The first true answer of `check`; the deadline is generous, for a slow machine is no failure."""
    began = time.monotonic()
    while not (answer := check()):
        pause = _pause(time.monotonic() - began, seconds, what)
        time.sleep(pause)  # noqa: TID251 -- the one place where tests wait
    return answer


async def until_async(what: str, check: Callable[[], T | Awaitable[T]], seconds: float = SECONDS) -> T:
    """The same inside an event loop; the check may be a coroutine function."""
    began = time.monotonic()
    while True:
        answer = check()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        await asyncio.sleep(_pause(time.monotonic() - began, seconds, what))


def _pause(waited: float, most: float, what: str) -> float:
    assert waited < most, f"waited {most:g} s in vain: {what}"
    return min(max(POLL_SECONDS_MIN, waited * POLL_SHARE), POLL_SECONDS_MAX)
