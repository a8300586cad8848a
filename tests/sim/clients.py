"""Clients: each asks one thing at a time, of any member, and remembers what it asked and what it was told.

A call that gets no answer in time is of unknown outcome: it may have happened, or happen later. While a call
waits, its member proposes it again as soon as an applied entry of a later term proves the proposal lost; that
must never have it applied twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from etcdlite import codec
from etcdlite.commands import (
    Command,
    CompactionRequest,
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRangeRequest,
    LeaseGrantRequest,
    LeaseRevokeRequest,
    PutRequest,
    TxnRequest,
)
from etcdlite.raft.messages import Entry, EntryType
from etcdlite.raft.raw_node import ProposalDropped
from tests.sim.faults import Faults
from tests.sim.member import Member

KEYS = (b"a", b"b", b"c", b"d")
LEASE_IDS = (7, 8)
PATIENCE_TICKS = 60


@dataclass
class Call:
    """One request. `member_id` is who was asked; `command` None means a read of `key`."""

    id: int
    client: int
    member_id: int
    asked_at: int
    key: bytes
    command: Command | None
    term: int = 0
    answered_at: int | None = None
    revision: int = 0
    value: bytes | None = None
    result: Any = None


class Clients:
    def __init__(self, random: Random, faults: Faults) -> None:
        self._random = random
        self._faults = faults
        self._pause_until = [0] * faults.client_count
        self.waiting: dict[int, Call] = {}
        self.answered: list[Call] = []
        self.asked_count = 0

    def act(self, now: int, members: list[Member]) -> None:
        """Give up on what takes too long; whoever is free asks something new."""
        for call in list(self.waiting.values()):
            if now - call.asked_at > PATIENCE_TICKS:
                self._done(call, now)
        busy = {call.client for call in self.waiting.values()}
        for client in range(self._faults.client_count):
            if members and client not in busy and now >= self._pause_until[client]:
                self._ask(now, client, self._random.choice(members))

    def _ask(self, now: int, client: int, member: Member) -> None:
        self.asked_count += 1
        key = self._random.choice(KEYS)
        command = self._command(key, member) if self._random.random() < 0.7 else None
        call = Call(self.asked_count, client, member.id, now, key, command)
        if command is None:
            is_sent = member.node.read_index(call.id.to_bytes(8, "big"))
        else:
            is_sent = propose(member, call)
        if is_sent:
            self.waiting[call.id] = call
        else:
            self._pause_until[client] = now + 1

    def propose_again(self, member: Member) -> None:
        """Repeat what an applied entry of a later term proves lost."""
        for call in self.waiting.values():
            if call.member_id == member.id and call.command and call.term < member.applier.applied[1]:
                propose(member, call)

    def abandon(self, now: int, member_id: int) -> None:
        """A member crashed, or got a new state whole: it cannot tell what became of its calls."""
        for call in list(self.waiting.values()):
            if call.member_id == member_id:
                self._done(call, now)

    def _command(self, key: bytes, member: Member) -> Command:
        """Mostly puts of values never used before, so that a value tells who wrote it."""
        put = PutRequest(key, b"%d" % self.asked_count, self._random.choice((0, 0, *LEASE_IDS)))
        known = member.store.get(key)
        seen = Compare(key, CompareTarget.MOD, CompareResult.EQUAL, known.mod_revision if known else 0)
        lease = self._random.choice(LEASE_IDS)
        return self._random.choice(
            (
                PutRequest(put.key, put.value),
                PutRequest(put.key, put.value),
                put,
                TxnRequest((seen,), (put,), ()),
                TxnRequest((seen,), (DeleteRangeRequest(key),), (PutRequest(put.key, put.value),)),
                DeleteRangeRequest(key),
                LeaseGrantRequest(lease, 60),
                LeaseRevokeRequest(lease),
                CompactionRequest(max(1, member.store.revision - 20)),
            )
        )

    def applied(self, now: int, member: Member, entry: Entry, result: Any) -> Call | None:
        """A member applied an entry: if its proposer asked this very member, that is the answer."""
        if entry.type is EntryType.CONF_CHANGE or not entry.data:
            return None
        call = self.waiting.get(codec.decode_command(entry.data)[0])
        if call is None or call.member_id != member.id:
            return None
        call.answered_at, call.result = now, result
        call.revision = member.store.revision
        self._done(call, now)
        return call

    def finish_reads(self, now: int, member: Member) -> list[Call]:
        """Answer the reads whose index this member has applied."""
        finished: list[Call] = []
        for context, index in list(member.waiting_reads.items()):
            if member.applied < index:
                continue
            del member.waiting_reads[context]
            call = self.waiting.get(int.from_bytes(context, "big"))
            if call is not None and call.member_id == member.id:
                kv = member.store.get(call.key)
                call.answered_at, call.revision = now, member.store.revision
                call.value = kv.value if kv else None
                self._done(call, now)
                finished.append(call)
        return finished

    def _done(self, call: Call, now: int) -> None:
        del self.waiting[call.id]
        self._pause_until[call.client] = now + self._random.randint(0, self._faults.client_pause_max)
        if call.answered_at is not None:
            self.answered.append(call)


def propose(member: Member, call: Call) -> bool:
    assert call.command is not None
    try:
        call.term = member.node.propose(codec.encode_command(call.id, call.command))
    except ProposalDropped:
        return False
    return True
