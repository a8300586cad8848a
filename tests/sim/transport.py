"""How a simulated member talks to the others: in the real transport's frames, over the simulated wire.

A snapshot's rows travel with their message, as one thing that arrives whole or not at all; its sender hears
which.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from etcdlite import codec
from etcdlite.coalesce import coalesce
from etcdlite.pb import peer_pb2
from etcdlite.raft.messages import Message, MessageType
from etcdlite.snapshots import metadata_of
from etcdlite.transport import ASK_SECONDS
from tests.sim.disk import DiskBackend


class Transport:
    """`put_on_wire(to, frame, rows)` says whether it is on its way; `receiver` is the node."""

    def __init__(
        self, backend: DiskBackend, put_on_wire: Callable[[int, Any, Any], bool], random: Any
    ) -> None:
        self._backend = backend
        self._put_on_wire = put_on_wire
        self._random = random
        self._members: dict[int, str] = {}
        self._strangers: set[int] = set()
        self._asked: dict[int, asyncio.Future[float | None]] = {}
        self._numbers = count(1)
        self.receiver: Any = None

    def set_members(self, urls: dict[int, str]) -> None:
        self._members = urls

    def heard_from(self, member_id: int) -> None:
        """Whoever speaks can be answered, known or not."""
        self._strangers.add(member_id)

    def is_connected(self, member_id: int) -> bool:
        return member_id in self._members

    def send(self, messages: Iterable[Message]) -> None:
        by_member: dict[int, list[Message]] = {}
        for message in messages:
            if message.to in self._members or message.to in self._strangers:
                by_member.setdefault(message.to, []).append(message)
        for batch in by_member.values():
            for message in coalesce(batch):
                if message.type is MessageType.SNAP:
                    self._send_snapshot(message)
                else:
                    self._send(message)

    def _send(self, message: Message) -> None:
        batch = peer_pb2.MessageBatch(messages=[codec.message_to_pb(message)])
        is_under_way = self._put_on_wire(message.to, peer_pb2.Frame(messages=batch), None)
        if not is_under_way and self._random.random() < 0.1:
            self.receiver.peer_unreachable(message.to)

    def _send_snapshot(self, message: Message) -> None:
        snapshot = self._backend.snapshot()
        pb = codec.message_to_pb(message)
        pb.snapshot.metadata.CopyFrom(codec.metadata_to_pb(metadata_of(snapshot)))
        frame = peer_pb2.Frame(messages=peer_pb2.MessageBatch(messages=[pb]))
        if not self._put_on_wire(message.to, frame, list(snapshot.rows())):
            self.receiver.snapshot_sent(message.to, False)

    async def ask_lease(self, member_id: int, lease_id: int, *, renew: bool) -> float | None:
        """As the real one does."""
        number = next(self._numbers)
        self._asked[number] = answer = asyncio.get_running_loop().create_future()
        question = peer_pb2.LeaseQuestion(number=number, lease_id=lease_id, renew=renew)
        try:
            self._put_on_wire(member_id, peer_pb2.Frame(lease_question=question), None)
            await asyncio.wait((answer,), timeout=ASK_SECONDS)
            return answer.result() if answer.done() else None
        finally:
            del self._asked[number]

    def answer_lease(self, member_id: int, number: int, seconds: float | None) -> None:
        self._put_on_wire(
            member_id, peer_pb2.Frame(lease_answer={"number": number, "seconds": seconds}), None
        )

    def lease_answered(self, number: int, seconds: float | None) -> None:
        if number in self._asked and not self._asked[number].done():
            self._asked[number].set_result(seconds)

    async def close(self) -> None:
        """There is nothing to close."""
