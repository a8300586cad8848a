"""Clients: each asks one thing at a time, of any member, and remembers what it asked and what it was told.

They call the member's real services. A call that gets no answer in time is of unknown outcome: it may have
happened, or happen later; so is one whose answer was lost on the way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.sim.checkers.linearizability import REFUSALS, Call
from tests.sim.context import Context, Refused, Stream
from tests.sim.faults import Faults
from tests.sim.member import Member, Services
from tests.sim.workload import Workload

PATIENCE_TICKS = 60


@dataclass
class Waiting:
    """A call that is not answered yet."""

    call: Call
    task: asyncio.Task[Any]


class Clients:
    """`asked` and `answered` hear of every call; refused ones are only marked."""

    def __init__(
        self,
        random: Random,
        faults: Faults,
        asked: Callable[[Call], None],
        answered: Callable[[Call], None],
    ) -> None:
        self._random = random
        self._faults = faults
        self._asked = asked
        self._answered = answered
        self._pause_until = [0] * faults.client_count
        self._waiting: dict[int, Waiting] = {}
        self._asked_count = 0
        self._workload = Workload(random, faults.client_count)
        self.last_answer_at = 0
        self.is_calm = False

    def act(self, now: int, members: list[Member]) -> None:
        """Give up on what takes too long; whoever is free asks something new."""
        for waiting in list(self._waiting.values()):
            if now - waiting.call.asked_at > PATIENCE_TICKS:
                waiting.task.cancel()
                self._done(waiting.call, now)
        busy = {waiting.call.client for waiting in self._waiting.values()}
        for client, pause_until in enumerate(self._pause_until):
            if members and client not in busy and now >= pause_until:
                self._ask(now, client, self._random.choice(members))

    def _ask(self, now: int, client: int, member: Member) -> None:
        self._asked_count += 1
        method, request = self._workload.draw(client)
        call = Call(self._asked_count, client, member.id, method, request, now)
        self._asked(call)
        task = member.machine.spawn(invoke(member.services, method, request))
        self._waiting[call.id] = Waiting(call, task)

    def collect(self, now: int) -> None:
        """Take the answers that are there."""
        for waiting in list(self._waiting.values()):
            if waiting.task.done():
                self._take(now, waiting.call, waiting.task)

    def _take(self, now: int, call: Call, task: asyncio.Task[Any]) -> None:
        self._done(call, now)
        is_lost = not self.is_calm and self._random.random() < self._faults.lost_answer
        try:
            response = task.result()
        except Refused as refused:
            call.refusal = refused.code if refused.code in REFUSALS else ""
            return
        if not is_lost:
            call.answered_at, call.response = now, response
            self.last_answer_at = now
            self._workload.learn(call)
            self._answered(call)

    def abandon(self, now: int, member_id: int) -> None:
        """A member crashed: nobody can tell what became of its calls."""
        for waiting in list(self._waiting.values()):
            if waiting.call.member == member_id:
                self._done(waiting.call, now)

    def _done(self, call: Call, now: int) -> None:
        del self._waiting[call.id]
        self._pause_until[call.client] = now + self._random.randint(0, self._faults.client_pause_max)


async def invoke(services: Services, method: str, request: Any) -> Any:
    """Call a member."""
    if method == "LeaseKeepAlive":
        stream = Stream()
        stream.ask(request)
        stream.end()
        await services.lease.LeaseKeepAlive(stream, stream)
        return stream.take()
    service = services.lease if method.startswith("Lease") else services.kv
    return await getattr(service, method)(request, Context())
