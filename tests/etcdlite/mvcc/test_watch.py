"""Watches beside the text tests: a member that jumps to the leader's snapshot, and many watches at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from etcdlite.apply import Applier
from etcdlite.commands import CompactionRequest, PutRequest
from etcdlite.errors import Refusal
from etcdlite.lease.lessor import Lessor
from etcdlite.mvcc.backend import MemoryBackend
from etcdlite.mvcc.key_value import KeyValue
from etcdlite.mvcc.store import Store
from etcdlite.mvcc.watch import Cursor, Cursors, is_prefix


class Machine:
    """A state machine with watches."""

    def __init__(self) -> None:
        self.backend = MemoryBackend()
        self.store = Store(self.backend)
        self.applier = Applier(self.backend, self.store, Lessor(self.backend))
        self.cursors = Cursors(self.store)
        self.woken: list[Cursor] = []

    def put(self, key: bytes) -> None:
        self.applier.apply(self.applier.applied[0] + 1, 1, PutRequest(key))

    def watch(self, key: bytes, range_end: bytes = b"", start: int = 0) -> Cursor:
        cursor = self.cursors.open(key, range_end, start, self.woken.append)
        assert isinstance(cursor, Cursor)
        return cursor

    def poll(self, cursor: Cursor) -> list[int]:
        events = self.cursors.poll(cursor)
        assert not isinstance(events, Refusal)
        return [kv.mod_revision for kv in events]

    async def install(self, leader: Machine) -> None:
        await self.backend.restore(leader.backend.snapshot().rows())
        self.applier.restored()


async def test_a_jump_to_a_snapshot_leaves_out_no_event() -> None:
    leader, follower = Machine(), Machine()
    for machine in (leader, follower):
        machine.put(b"a")
    live, behind = follower.watch(b"a"), follower.watch(b"a", start=1)
    for key in (b"a", b"b", b"a"):
        leader.put(key)
    await follower.install(leader)
    assert follower.woken == [live]
    assert follower.poll(live) == [3, 5]
    assert follower.poll(behind) == [2, 3, 5]


async def test_a_jump_beyond_the_compaction_ends_the_watch() -> None:
    leader, follower = Machine(), Machine()
    live, future = follower.watch(b"a"), follower.watch(b"a", start=9)
    for _ in range(4):
        leader.put(b"a")
    leader.applier.apply(9, 1, CompactionRequest(4))
    await follower.install(leader)
    assert follower.cursors.poll(live) is Refusal.COMPACTED
    assert not future.is_behind


keys = st.binary(min_size=1, max_size=3)
ends = st.one_of(st.just(b""), st.just(b"\0"), st.binary(min_size=1, max_size=3), st.none())


@given(st.lists(st.tuples(keys, ends), max_size=12), keys)
def test_a_change_wakes_exactly_those_it_concerns(
    ranges: list[tuple[bytes, bytes | None]], key: bytes
) -> None:
    """None as an end stands for the prefix's own."""
    machine = Machine()
    cursors = [machine.watch(start, prefix_end(start) if end is None else end) for start, end in ranges]
    machine.put(key)
    concerned = [cursor for cursor in cursors if cursor.wants(KeyValue(key, 2, 2, 1, b""))]
    assert set(machine.woken) == set(concerned)
    assert len(machine.woken) == len(concerned)
    for cursor in cursors:
        machine.cursors.close(cursor)
    assert len(machine.cursors) == 0


@given(keys, keys)
def test_a_prefix_holds_what_begins_with_it(prefix: bytes, key: bytes) -> None:
    end = prefix_end(prefix)
    if is_prefix(prefix, end):
        assert (prefix <= key < end) == key.startswith(prefix)


def prefix_end(prefix: bytes) -> bytes:
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else b"\0"
