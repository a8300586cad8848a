"""The network: the bytes that the real transport sends, which may be lost, late or doubled.

Links are cut in one direction at a time. Only a forwarded proposal is never doubled: Raft answers everything
else twice without harm, but would append it twice; the real transport's streams double nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from etcdlite.mvcc.backend import BucketRow
from etcdlite.pb import peer_pb2
from etcdlite.raft.messages import MessageType
from tests.sim.faults import Faults

SNAPSHOT_TICKS_MAX = 30


@dataclass(order=True)
class Packet:
    """Ordered by arrival; the number breaks ties, so that the order never depends on anything else."""

    arrives_at: int
    number: int
    source: int = field(compare=False)
    to: int = field(compare=False)
    data: bytes = field(compare=False)
    rows: list[BucketRow] | None = field(compare=False, default=None)

    @property
    def frame(self) -> Any:
        return peer_pb2.Frame.FromString(self.data)


class Wire:
    def __init__(self, random: Random, faults: Faults) -> None:
        self._random = random
        self._faults = faults
        self._packets: list[Packet] = []
        self._sent_count = 0
        self.cut: set[tuple[int, int]] = set()
        self.is_calm = False

    def send(self, now: int, source: int, to: int, frame: Any, rows: list[BucketRow] | None = None) -> bool:
        """Put a frame on its way; whether it will arrive, if its receiver is up then."""
        if (source, to) in self.cut or self._happens(self._faults.loss):
            return False
        may_double = rows is None and not _is_proposal(frame)
        copies = 2 if may_double and self._happens(self._faults.duplication) else 1
        data = frame.SerializeToString(deterministic=True)
        for _ in range(copies):
            delay_max = 1 if self.is_calm else self._faults.delay_max
            if rows is not None:
                delay_max = max(delay_max, SNAPSHOT_TICKS_MAX)
            self._sent_count += 1
            arrives_at = now + self._random.randint(1, delay_max)
            heapq.heappush(self._packets, Packet(arrives_at, self._sent_count, source, to, data, rows))
        return True

    def arriving(self, now: int) -> Iterator[Packet]:
        """What arrives by now."""
        while self._packets and self._packets[0].arrives_at <= now:
            yield heapq.heappop(self._packets)

    def keep(self, packet: Packet, until: int) -> None:
        """Its receiver is paused: it will find the packet in its buffers, some time after it goes on."""
        arrives_at = until + self._random.randint(0, 3)
        heapq.heappush(self._packets, replace(packet, arrives_at=arrives_at))

    def partition(self, ids: list[int]) -> None:
        """Cut a random group off: both ways, or only what comes in, or only what goes out."""
        group = set(self._random.sample(ids, self._random.randint(1, max(1, len(ids) - 1))))
        how = self._random.choice(("both", "in", "out"))
        for a in ids:
            for b in ids:
                if (a in group) != (b in group) and (
                    how == "both" or (how == "out" and a in group) or (how == "in" and b in group)
                ):
                    self.cut.add((a, b))

    def calm(self) -> None:
        """From now on everything arrives, in time."""
        self.cut.clear()
        self.is_calm = True

    def _happens(self, chance: float) -> bool:
        return not self.is_calm and chance > 0 and self._random.random() < chance


def _is_proposal(frame: Any) -> bool:
    return any(message.type == MessageType.PROP for message in frame.messages.messages)
