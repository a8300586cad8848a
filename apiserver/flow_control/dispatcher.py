"""Core: the levels, the server's seats, and who may take the next one.

    level L asks for a seat, and has then                    it gets one
    no more than its minimum                                 at once, whoever borrows
    no more than its nominal seats                           if one is free beside the minimum of the others
    no more than its maximum, so it borrows                  if so, and nobody waits who has less than his own
    L is exempt                                              always

Kubernetes moves the limits of levels every ten seconds, by the demand it saw. Here a seat is lent when it is
asked for, and goes back when the request on it ends. What is promised is the same: a level has its minimum
whatever the others do, never more than its maximum, and seats that nobody wants do not stay empty. It comes
true at once rather than within ten seconds, and there is nothing to tune. What differs: levels that borrow
at the same time take turns, and do not share by their demand (docs/adr/0013-seats-are-lent-at-once.md).

A level that is gone keeps its seats until its last request has ended.

After: k8s staging/src/k8s.io/apiserver/pkg/util/flowcontrol/apf_controller.go, updateBorrowingLocked,
processOldPLsLocked; fairqueuing/queueset/queueset.go, StartRequest, dispatchAsMuchAsPossibleLocked
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from apiserver.flow_control.priority_level import Limits, PriorityLevel, allot
from apiserver.flow_control.queue_set import QueueSet, Ticket
from apiserver.flow_control.refusals import Refusals

# Why a request is refused, in Kubernetes' words.
QUEUE_FULL, CONCURRENCY_LIMIT, TIME_OUT, CANCELLED = (
    "queue-full",
    "concurrency-limit",
    "time-out",
    "cancelled",
)


@dataclass(slots=True, eq=False)
class Level:
    """One level as it stands; `is_leaving` when it is gone, but not yet idle."""

    spec: PriorityLevel
    limits: Limits
    queues: QueueSet
    seats_in_use: int = 0
    executing: int = 0
    is_leaving: bool = False
    refusals: Refusals = field(default_factory=Refusals)

    @property
    def is_idle(self) -> bool:
        return not self.executing and not self.queues.waiting

    @property
    def counted(self) -> int:
        """Its seats in use, of those that all share; what an exempt level takes beyond its own is not."""
        return min(self.seats_in_use, self.limits.nominal) if self.spec.is_exempt else self.seats_in_use

    @property
    def kept(self) -> int:
        """Free seats that are kept for it."""
        return max(0, self.limits.minimum - self.seats_in_use)

    @property
    def wants_its_own(self) -> bool:
        """True while something waits that its own seats would serve."""
        return self.queues.waiting > 0 and self.seats_in_use < self.limits.nominal


class Dispatcher:
    """All levels. Who finishes, leaves or changes something learns which requests start for it."""

    def __init__(self, seats: int) -> None:
        self.seats = seats
        self.levels: dict[str, Level] = {}
        # In the order in which they are asked whether they have something to start.
        self._order: list[Level] = []
        # Seats that there are, that are in use, and that are free, but kept for a level; requests that wait.
        self._total = self._in_use = self._kept = self._waiting = 0

    def configure(self, specs: Iterable[PriorityLevel], now: float) -> list[Ticket]:
        """Have these levels from now on; those that stay keep what waits and executes in them."""
        wanted = {spec.name: spec for spec in specs}
        leaving = [level for name, level in self.levels.items() if name not in wanted and not level.is_idle]
        limits = allot([*wanted.values(), *(level.spec for level in leaving)], self.seats)
        levels: dict[str, Level] = {}
        for name, spec in wanted.items():
            level = levels[name] = self.levels.get(name) or Level(spec, limits[name], QueueSet(now))
            level.spec, level.is_leaving = spec, False
        for level in leaving:
            levels[level.spec.name] = level
            level.is_leaving = True
        for name, level in levels.items():
            level.limits = limits[name]
        self.levels, self._order = levels, list(levels.values())
        self._total = sum(level.limits.nominal for level in self._order)
        self._in_use = sum(level.counted for level in self._order)
        self._kept = sum(level.kept for level in self._order)
        return self._dispatch(now)

    def admit(self, level: Level, hand: Sequence[int], seats: int, now: float) -> Ticket | str:
        """A ticket for a request of a level, executing or waiting; or why it is refused."""
        ticket = Ticket(min(seats, level.limits.widest), now)
        queues = level.queues
        has_room = not queues.waiting and self._has_room(level, ticket.seats)
        if not hand:
            if not has_room:
                return CONCURRENCY_LIMIT
            ticket.is_executing, ticket.started_at = True, now
        else:
            index = queues.choose(hand)
            if not has_room:
                return self._queue(level, ticket, index, now)
            queues.pass_by(ticket, index, now)
        self._seat(level, ticket.seats, 1)
        return ticket

    def _queue(self, level: Level, ticket: Ticket, index: int, now: float) -> Ticket | str:
        if level.queues.length(index) >= level.spec.queue_length:
            return QUEUE_FULL
        level.queues.enqueue(ticket, index, now)
        self._waiting += 1
        # It may need less room than what waits already, and come before it.
        if self._has_room(level, ticket.seats) and level.queues.head() is ticket:
            self._start(level, ticket, now)
        return ticket

    def finish(self, level: Level, ticket: Ticket, now: float) -> list[Ticket]:
        """Its seats are free again; what starts now."""
        if ticket.queue is not None:
            level.queues.finish(ticket, now)
        else:
            assert ticket.is_executing, "it ends once"
            ticket.is_executing = False
        self._seat(level, -ticket.seats, -1)
        return self._after(level, now)

    def leave(self, level: Level, ticket: Ticket, now: float) -> list[Ticket]:
        """It waits no longer; what starts now, since it may have been what others waited for."""
        level.queues.leave(ticket, now)
        self._waiting -= 1
        return self._after(level, now)

    def _after(self, level: Level, now: float) -> list[Ticket]:
        if level.is_leaving and level.is_idle:
            return self.configure([each.spec for each in self._order if not each.is_leaving], now)
        return self._dispatch(now) if self._waiting else []

    def _dispatch(self, now: float) -> list[Ticket]:
        """Start what can start: in rounds, one of each level, so that those who borrow take turns."""
        started: list[Ticket] = []
        while self._waiting:
            before = len(started)
            for level in list(self._order):
                if not level.queues.waiting or not self._has_room(level, 1):
                    continue
                ticket = level.queues.head()
                if self._has_room(level, ticket.seats):
                    self._start(level, ticket, now)
                    started.append(ticket)
            if len(started) == before:
                break
        return started

    def _start(self, level: Level, ticket: Ticket, now: float) -> None:
        level.queues.start_head(ticket, now)
        self._waiting -= 1
        self._seat(level, ticket.seats, 1)
        # It has had its turn.
        self._order.remove(level)
        self._order.append(level)

    def _has_room(self, level: Level, seats: int) -> bool:
        """Whether a level may take so many more seats, by the table at the head of this file."""
        limits, used = level.limits, level.seats_in_use + seats
        if level.spec.is_exempt or used <= limits.minimum:
            return True
        if used > limits.maximum:
            # Unless its limits have shrunk below the width of what waited already.
            return not level.seats_in_use and bool(limits.nominal)
        if self._in_use + seats + self._kept - level.kept > self._total:
            return False
        return used <= limits.nominal or not any(
            other.wants_its_own for other in self._order if other is not level
        )

    def _seat(self, level: Level, seats: int, requests: int) -> None:
        kept, counted = level.kept, level.counted
        level.seats_in_use += seats
        level.executing += requests
        self._kept += level.kept - kept
        self._in_use += level.counted - counted
        assert level.executing >= 0, "what ended had begun"
