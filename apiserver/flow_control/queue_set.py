"""Core: the queues of one level, and which of them is served next: fair queuing of requests.

Every queue that has something to do is owed the same part of the level's seats. A meter R says how many
seat-seconds that part has come to since the start. Each queue has a place on that meter, `next_r`: what it
was given so far. A request that starts moves its queue on by its seats times an estimate of its time, and
when it ends, by what it took more or less. Of the queues that wait, the one goes first whose next request
would end first on the meter; so a queue that asks for little is served at once, and one that floods gets
no more than its part.

A queue with nothing to do has no place on the meter: it begins at R again, and what it did not use is not
saved up. Nor may a queue that waits fall behind the R at which its oldest request came.

Invariants: a queue is kept only while something waits or executes in it; what waits in it is in order of
arrival.
After: k8s staging/src/k8s.io/apiserver/pkg/util/flowcontrol/fairqueuing/queueset/{doc,queueset}.go; there R
advances by the level's limit, here by the seats in use, which is the same while something waits
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

# How long a request is taken to last until it has ended.
ESTIMATE_SECONDS = 0.003
# More than any level may have.
QUEUES_MAX = 1 << 32


@dataclass(slots=True, eq=False)
class Queue:
    """What waits, the oldest first, and what executes."""

    index: int
    next_r: float
    waiting: deque[Ticket] = field(default_factory=deque)
    seats_waiting: int = 0
    executing: int = 0
    seats_executing: int = 0

    @property
    def work_waiting(self) -> float:
        """In seat-seconds, by the estimate."""
        return self.seats_waiting * ESTIMATE_SECONDS

    def keep_up(self) -> None:
        """No earlier on the meter than the arrival of what waits longest."""
        if self.waiting:
            self.next_r = max(self.next_r, self.waiting[0].arrived_r)


@dataclass(slots=True, eq=False)
class Ticket:
    """A request's right to seats: it waits for them, or has them; `queue` is None where a level has none."""

    seats: int
    arrived_at: float
    queue: Queue | None = None
    arrived_r: float = 0.0
    started_at: float = 0.0
    is_executing: bool = False


class QueueSet:
    """The queues; `now` never goes back."""

    def __init__(self, now: float) -> None:
        self.queues: dict[int, Queue] = {}
        self.waiting = 0
        self.seats_waiting = 0
        self._seats_executing = 0
        self._r, self._r_at = 0.0, now
        self._dealt, self._served = 0, -1

    def choose(self, hand: Sequence[int]) -> int:
        """The queue of a hand with the least waiting; among equals each in its turn."""
        first = self._dealt % len(hand)
        self._dealt += 1
        if not self.waiting:
            return hand[first]
        return min((*hand[first:], *hand[:first]), key=self._seats_waiting_at)

    def _seats_waiting_at(self, index: int) -> int:
        queue = self.queues.get(index)
        return queue.seats_waiting if queue is not None else 0

    def length(self, index: int) -> int:
        """How many requests wait in a queue."""
        queue = self.queues.get(index)
        return len(queue.waiting) if queue is not None else 0

    def enqueue(self, ticket: Ticket, index: int, now: float) -> None:
        """Let it wait at the end of a queue."""
        queue = self._join(ticket, index, now)
        queue.waiting.append(ticket)
        queue.seats_waiting += ticket.seats
        self.waiting += 1
        self.seats_waiting += ticket.seats
        queue.keep_up()

    def pass_by(self, ticket: Ticket, index: int, now: float) -> None:
        """Start it at once, as nothing waits before it."""
        assert not self.waiting, "who waits goes first"
        self._start(ticket, self._join(ticket, index, now), now)

    def head(self) -> Ticket:
        """What is served next, while something waits; among equals the queue that follows the last served."""
        best, best_r = None, math.inf
        for queue in self.queues.values():
            if queue.waiting:
                finish_r = queue.next_r + queue.waiting[0].seats * ESTIMATE_SECONDS
                if best is None or finish_r < best_r or (finish_r == best_r and self._follows(queue, best)):
                    best, best_r = queue, finish_r
        assert best is not None, "something waits"
        return best.waiting[0]

    def _follows(self, one: Queue, other: Queue) -> bool:
        """True when `one` comes sooner after the queue served last."""
        after = self._served + 1
        return (one.index - after) % QUEUES_MAX < (other.index - after) % QUEUES_MAX

    def start_head(self, ticket: Ticket, now: float) -> None:
        """Start what `head` said."""
        queue = _queue_of(ticket)
        assert queue.waiting[0] is ticket, "the oldest of a queue goes first"
        self._advance(now)
        self._forget(ticket, queue)
        self._start(ticket, queue, now)
        queue.keep_up()

    def leave(self, ticket: Ticket, now: float) -> None:
        """It waits no longer."""
        queue = _queue_of(ticket)
        self._advance(now)
        self._forget(ticket, queue)
        queue.keep_up()
        self._drop_if_idle(queue)

    def finish(self, ticket: Ticket, now: float) -> None:
        """It has ended: its queue pays for the time that it took, not for the estimate."""
        queue = _queue_of(ticket)
        assert ticket.is_executing, "it ends once"
        self._advance(now)
        ticket.is_executing = False
        queue.executing -= 1
        queue.seats_executing -= ticket.seats
        self._seats_executing -= ticket.seats
        queue.next_r += ticket.seats * (now - ticket.started_at - ESTIMATE_SECONDS)
        queue.keep_up()
        self._drop_if_idle(queue)

    def _join(self, ticket: Ticket, index: int, now: float) -> Queue:
        self._advance(now)
        queue = self.queues.get(index)
        if queue is None:
            queue = self.queues[index] = Queue(index, self._r)
        ticket.queue, ticket.arrived_r = queue, self._r
        return queue

    def _start(self, ticket: Ticket, queue: Queue, now: float) -> None:
        ticket.is_executing, ticket.started_at = True, now
        queue.executing += 1
        queue.seats_executing += ticket.seats
        queue.next_r += ticket.seats * ESTIMATE_SECONDS
        self._seats_executing += ticket.seats
        self._served = queue.index

    def _forget(self, ticket: Ticket, queue: Queue) -> None:
        queue.waiting.remove(ticket)
        queue.seats_waiting -= ticket.seats
        self.waiting -= 1
        self.seats_waiting -= ticket.seats

    def _drop_if_idle(self, queue: Queue) -> None:
        if not queue.waiting and not queue.executing:
            del self.queues[queue.index]

    def _advance(self, now: float) -> None:
        if self.queues:
            self._r += (now - self._r_at) * self._seats_executing / len(self.queues)
        self._r_at = now


def _queue_of(ticket: Ticket) -> Queue:
    assert ticket.queue is not None, "it joined one"
    return ticket.queue
