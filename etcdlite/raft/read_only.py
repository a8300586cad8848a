"""Core: ReadIndex, linearizable reads without a log entry (Raft thesis 6.4).

A read may be answered from the state machine at the commit index the leader had when the read arrived, once
it is certain that the leader still led then. Every read opens a *heartbeat round*: the number travels in the
heartbeats and comes back in the answers, and a round a majority answered confirms all reads up to it. That
is the commit rule again, with rounds in place of indexes, and `quorum.agreed` serves both.

A new leader may not know the newest commit index until an entry of its own term is committed (Raft 8); reads
that arrive before wait in `early`.

Invariants: rounds only grow; reads wait in the order of their rounds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from etcdlite.raft.messages import NONE


@dataclass(frozen=True, slots=True)
class PendingRead:
    """A read waiting for its round; `requester` is the member that asked, NONE for the leader's own owner."""

    context: bytes
    requester: int = NONE
    index: int = 0
    round: int = 0


@dataclass(slots=True)
class ReadOnly:
    """The reads a leader has not answered yet."""

    round: int = 0
    waiting: deque[PendingRead] = field(default_factory=deque)
    early: list[PendingRead] = field(default_factory=list)

    def open_round(self, context: bytes, requester: int, index: int) -> int:
        """Note a read at commit index `index`; the round that will confirm it."""
        assert not self.waiting or self.waiting[-1].index <= index, "the commit index went back"
        self.round += 1
        self.waiting.append(PendingRead(context, requester, index, self.round))
        return self.round

    def confirm(self, round_: int) -> list[PendingRead]:
        """The reads that a majority's answer to `round_` confirms, oldest first."""
        assert round_ <= self.round, "an answer to a round never opened"
        confirmed: list[PendingRead] = []
        while self.waiting and self.waiting[0].round <= round_:
            confirmed.append(self.waiting.popleft())
        return confirmed


def encode_round(round_: int) -> bytes:
    """A round as a heartbeat's context; 0, a heartbeat nobody waits for, is empty."""
    return round_.to_bytes(8, "big") if round_ else b""


def decode_round(context: bytes) -> int:
    """The round a heartbeat's answer confirms."""
    return int.from_bytes(context, "big")
