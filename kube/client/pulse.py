"""Shell: notices that a server has stopped answering although nobody expects it to say anything soon.

    something was heard in the last QUIET_SECONDS     it lives, nothing is asked
    silence, and somebody waits                       ask it a cheap question
    no answer after LAG_SECONDS                       ask the other servers the same
    another one answers before it does                all who wait for this server get a TimeoutError
    nobody answers in ANSWER_SECONDS                  the same

A watch may be silent for minutes, so its silence alone says nothing; and a process that is paused or cut off
closes no connection. One pulse serves all watches and requests of a client to one server: whatever one of
them hears is a beat for all. Where nobody waits, nothing is asked.

How long to wait for an answer? On a machine with much to do a living server needs a second, and to leave it
helps nobody. So servers are compared: one that is slow where another is quick is left early, one that is slow
like all others, or alone, is given time.

After: the health pings of HTTP/2 that client-go sends, golang.org/x/net/http2 ReadIdleTimeout, PingTimeout.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

# A dead server is left after the first two together while another one lives, after the first and the last
# when none does; client-go has 30 s and 15 s, for networks that lose packets.
QUIET_SECONDS = 1.0
LAG_SECONDS = 0.5
ANSWER_SECONDS = 2.0

Question = Callable[[], Awaitable[bool]]


async def _nobody_else() -> bool:
    return False


class Pulse:
    """The signs of life of one server; `ask` says whether it answers, `ask_others` whether another does."""

    def __init__(self, ask: Question, ask_others: Question = _nobody_else) -> None:
        self._ask, self._ask_others = ask, ask_others
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
                continue
            asked_at = loop.time()
            if await self._answers():
                self._heard_at = loop.time()
            elif self._heard_at < asked_at:
                self._give_up()

    async def _answers(self) -> bool:
        """Ask; false when no answer comes in time, or another server is quicker."""
        asked = asyncio.ensure_future(self._ask())
        others = asyncio.ensure_future(self._others_answer_later())
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await asyncio.wait({asked, others}, return_when=asyncio.FIRST_COMPLETED)
                if not asked.done() and not others.result():
                    await asyncio.wait({asked})
        except TimeoutError:
            return False
        finally:
            others.cancel()
            asked.cancel()
        return asked.done() and asked.result()

    async def _others_answer_later(self) -> bool:
        await asyncio.sleep(LAG_SECONDS)
        return await self._ask_others()

    def _give_up(self) -> None:
        now = asyncio.get_running_loop().time()
        for limit in self._waiting:
            if not limit.expired():
                limit.reschedule(now)
        self._waiting.clear()
