"""Leases against a model anyone can check by eye: dicts of what is granted, attached, and due when.

What the lessor may say late it must never say early; and whatever happens, rows and model hold the same keys.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from etcdlite.apply import Applier
from etcdlite.commands import (
    Command,
    DeleteRangeRequest,
    LeaseGrantRequest,
    LeaseGrantResult,
    LeaseRevokeRequest,
    LeaseRevokeResult,
    PutRequest,
    PutResult,
)
from etcdlite.errors import Refusal
from etcdlite.lease.lessor import ATTACHED, ID, REVOKE_RETRY_SECONDS, Lessor
from etcdlite.mvcc.backend import MemoryBackend
from etcdlite.mvcc.store import Store

KEYS = [b"a", b"b", b"c\xff", b"c\xff\xff"]
keys = st.sampled_from(KEYS)
lease_ids = st.sampled_from([1, 2, 0xFF, 0x7FFF_FFFF_FFFF_FFFF])
ttls = st.integers(1, 5)
seconds = st.integers(0, 8).map(lambda halves: halves / 2)


class LeaseMachine(RuleBasedStateMachine):
    """`due` is when each lease ends and exists while we lead; `unseen` are those nobody looked at since."""

    def __init__(self) -> None:
        super().__init__()
        self.backend = MemoryBackend()
        self.index = 0
        self.now = 0.0
        self.ttl: dict[int, int] = {}
        self.lease_of: dict[bytes, int] = {}
        self.due: dict[int, float] = {}
        self.unseen: set[int] = set()
        self.asked_at: dict[int, float] = {}
        self.is_leading = False
        self.open()

    def open(self) -> None:
        self.lessor = Lessor(self.backend)
        self.store = Store(self.backend)
        self.applier = Applier(self.backend, self.store, self.lessor)

    def apply(self, command: Command) -> Any:
        self.index += 1
        return self.applier.apply(self.index, 1, command)

    # ---- what everyone agrees on

    @rule(lease=lease_ids, ttl=ttls)
    def grant(self, lease: int, ttl: int) -> None:
        result = self.apply(LeaseGrantRequest(lease, ttl))
        if lease in self.ttl:
            assert result is Refusal.LEASE_EXISTS
            return
        assert result == LeaseGrantResult(self.store.revision, lease, ttl)
        self.ttl[lease] = ttl
        if self.is_leading:
            self.unseen.add(lease)

    @rule(lease=lease_ids)
    def revoke(self, lease: int) -> None:
        revision = self.store.revision
        result = self.apply(LeaseRevokeRequest(lease))
        if lease not in self.ttl:
            assert result is Refusal.LEASE_NOT_FOUND
            return
        keys = [key for key, held_by in self.lease_of.items() if held_by == lease]
        assert result == LeaseRevokeResult(revision + bool(keys))
        self.lease_of = {key: held_by for key, held_by in self.lease_of.items() if held_by != lease}
        self.forget(lease)

    def forget(self, lease: int) -> None:
        del self.ttl[lease]
        self.due.pop(lease, None)
        self.asked_at.pop(lease, None)
        self.unseen.discard(lease)

    @rule(key=keys, lease=st.one_of(st.just(0), lease_ids))
    def put(self, key: bytes, lease: int) -> None:
        result = self.apply(PutRequest(key, b"", lease))
        if lease and lease not in self.ttl:
            assert result is Refusal.LEASE_NOT_FOUND
            return
        assert isinstance(result, PutResult)
        self.lease_of[key] = lease

    @rule(key=keys)
    def put_under_the_same_lease(self, key: bytes) -> None:
        result = self.apply(PutRequest(key, b"again", ignore_lease=True))
        assert (result is Refusal.KEY_NOT_FOUND) == (key not in self.lease_of)

    @rule(first=keys, last=keys)
    def delete(self, first: bytes, last: bytes) -> None:
        self.apply(DeleteRangeRequest(first, last + b"\0"))
        self.lease_of = {key: lease for key, lease in self.lease_of.items() if not first <= key <= last}

    @rule()
    def restart(self) -> None:
        self.open()
        self.lose_office()

    # ---- what only a leader counts

    @rule(passed=seconds)
    def pass_time(self, passed: float) -> None:
        self.now += passed

    @rule(extend=st.integers(0, 2))
    def promote(self, extend: int) -> None:
        self.lessor.promote(self.now, extend)
        self.is_leading = True
        self.due = {lease: self.now + extend + ttl for lease, ttl in self.ttl.items()}
        self.unseen, self.asked_at = set(), {}

    @rule()
    def demote(self) -> None:
        self.lessor.demote()
        self.lose_office()

    def lose_office(self) -> None:
        self.is_leading = False
        self.due, self.unseen, self.asked_at = {}, set(), {}

    def look(self) -> None:
        """What was granted since the last look begins to run now."""
        for lease in self.unseen:
            self.due[lease] = self.now + self.ttl[lease]
        self.unseen = set()

    @precondition(lambda self: self.is_leading)
    @rule(lease=lease_ids)
    def renew(self, lease: int) -> None:
        self.look()
        is_alive = self.due.get(lease, self.now) > self.now
        assert self.lessor.renew(lease, self.now) == (self.ttl[lease] if is_alive else 0)
        if is_alive:
            self.due[lease] = max(self.due[lease], self.now + self.ttl[lease])

    @precondition(lambda self: self.is_leading)
    @rule(lease=lease_ids)
    def remaining(self, lease: int) -> None:
        self.look()
        left = self.due[lease] - self.now if lease in self.due else None
        assert self.lessor.remaining(lease, self.now) == left

    @rule()
    def expired(self) -> None:
        """Each that is over, and again after a while, for the first revoke may have been lost."""
        self.look()
        over = {
            lease
            for lease, due in self.due.items()
            if due <= self.now and self.now >= self.asked_at.get(lease, self.now) + self.pause(lease)
        }
        found = self.lessor.expired(self.now)
        assert len(found) == len(set(found))
        assert set(found) == over
        self.asked_at |= dict.fromkeys(over, self.now)

    def pause(self, lease: int) -> float:
        return REVOKE_RETRY_SECONDS if lease in self.asked_at else 0.0

    # ---- always

    @invariant()
    def rows_and_model_agree(self) -> None:
        assert {lease.id: lease.ttl for lease in self.lessor.by_deadline()} == self.ttl
        attached = [(ID.unpack_from(row)[0], row[ID.size :]) for row, _ in self.backend.scan(ATTACHED)]
        assert attached == sorted((lease, key) for key, lease in self.lease_of.items() if lease)
        for lease in self.ttl:
            mine = sorted(key for key, held_by in self.lease_of.items() if held_by == lease)
            assert self.lessor.keys(lease) == mine

    @invariant()
    def the_keys_know_their_lease(self) -> None:
        kvs, _ = self.store.range(b"\0", b"\0")
        assert {kv.key: kv.lease for kv in kvs} == self.lease_of


TestLeases = LeaseMachine.TestCase
TestLeases.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
