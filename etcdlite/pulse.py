"""Shell: notices that a member is of no use while another one is; one that is paused closes no connection.

    something was heard in the last QUIET_SECONDS     it lives, nothing is asked
    silence, and somebody waits                       ask it a cheap question
    no good answer after LAG_SECONDS                  ask the other members the same
    another one answers well before it does           all who wait for this member get a TimeoutError

A member that is cut off from the others lives, but has no leader: that is no good answer. Whoever waits for
it to commit a write would wait for as long as etcd does, seven seconds.

One pulse serves all calls and watches of a client to one member: whatever one of them hears is a beat for
all. Where nobody waits, nothing is asked. A member that is slow like all others, or alone, is not left:
deadlines are there for that.

Absent: gRPC's own pings. Real etcd ends the connection of who pings more often than every five seconds.
After: kube/client/pulse.py, which does the same for API servers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

QUIET_SECONDS = 1.0
LAG_SECONDS = 0.5

Question = Callable[[], Awaitable[bool]]


class Pulse:
    """The signs of life of a member; `ask` says whether it answers well, `ask_others` whether others do."""

    def __init__(self, ask: Question, ask_others: Question) -> None:
        self._ask, self._ask_others = ask, ask_others
        self._waiting: set[asyncio.Timeout] = set()
        self._heard_at = 0.0
        self._feeling: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def awaited(self) -> AsyncIterator[None]:
        """Inside, wait for the member: TimeoutError when it has no pulse."""
        async with asyncio.timeout(None) as limit:
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
            if await self._another_is_better() and self._heard_at < asked_at:
                self._give_up()
            else:
                self._heard_at = loop.time()

    async def _another_is_better(self) -> bool:
        """Ask; true when another member, which is asked later, answers sooner, or this one badly."""
        asked = asyncio.ensure_future(self._ask())
        others = asyncio.ensure_future(self._others_answer_later())
        try:
            await asyncio.wait({asked, others}, return_when=asyncio.FIRST_COMPLETED)
            return False if asked.done() and asked.result() else await others
        finally:
            others.cancel()
            asked.cancel()

    async def _others_answer_later(self) -> bool:
        await asyncio.sleep(LAG_SECONDS)
        return await self._ask_others()

    def _give_up(self) -> None:
        now = asyncio.get_running_loop().time()
        for limit in self._waiting:
            if not limit.expired():
                limit.reschedule(now)
        self._waiting.clear()
