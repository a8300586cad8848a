"""Shell: notices that a server has stopped answering although nobody expects it to say anything soon.

    something was heard in the last QUIET_SECONDS     it lives, nothing is asked
    silence, and somebody waits                       ask it a cheap question
    no answer in ANSWER_SECONDS                       all who wait for this server get a TimeoutError

A watch may be silent for minutes, so its silence alone says nothing; and a process that is paused or cut off
closes no connection. One pulse serves all watches and requests of a client to one server: whatever one of
them hears is a beat for all. Where nobody waits, nothing is asked.

After: the health pings of HTTP/2 that client-go sends, golang.org/x/net/http2 ReadIdleTimeout, PingTimeout.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

# A dead server is left after the two together; client-go has 30 s and 15 s, for networks that lose packets.
QUIET_SECONDS = 1.5
ANSWER_SECONDS = 2.0


class Pulse:
    """The signs of life of one server; `ask` says whether it answers."""

    def __init__(self, ask: Callable[[], Awaitable[bool]]) -> None:
        self._ask = ask
        self._waiting: set[asyncio.Timeout] = set()
        self._heard_at = 0.0
        self._feeling: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def awaited(self, seconds: float | None) -> AsyncIterator[None]:
        """Inside, wait for the server: TimeoutError after `seconds`, or when it has no pulse."""
        async with asyncio.timeout(seconds) as limit:
            self._waiting.add(limit)
            self._feel()
            try:
                yield
            finally:
                self._waiting.discard(limit)
        self._heard_at = asyncio.get_running_loop().time()

    async def stop(self) -> None:
        """Feel no more."""
        if self._feeling is not None:
            self._feeling.cancel()
            await asyncio.gather(self._feeling, return_exceptions=True)

    def _feel(self) -> None:
        if self._feeling is None or self._feeling.done():
            self._heard_at = asyncio.get_running_loop().time()
            self._feeling = asyncio.create_task(self._feel_while_awaited())

    async def _feel_while_awaited(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            quiet = loop.time() - self._heard_at
            if quiet < QUIET_SECONDS:
                await asyncio.sleep(QUIET_SECONDS - quiet)
            elif await self._answers():
                self._heard_at = loop.time()
            else:
                self._give_up()

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._ask()
        except TimeoutError:
            return False

    def _give_up(self) -> None:
        now = asyncio.get_running_loop().time()
        for limit in self._waiting:
            if not limit.expired():
                limit.reschedule(now)
        self._waiting.clear()
