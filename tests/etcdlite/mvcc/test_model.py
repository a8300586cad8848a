"""The state machine against a model anyone can check by eye: a list of all states, each a plain dict."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from etcdlite.apply import Applier
from etcdlite.commands import (
    CompactionRequest,
    CompactionResult,
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRangeRequest,
    DeleteRangeResult,
    PutRequest,
    PutResult,
    RangeRequest,
    RangeResult,
    TxnRequest,
    TxnResult,
)
from etcdlite.errors import Refusal
from etcdlite.lease.lessor import Lessor
from etcdlite.mvcc.backend import MemoryBackend
from etcdlite.mvcc.key_value import KeyValue
from etcdlite.mvcc.store import Store
from etcdlite.ranges import range_or_refuse

KEYS = [b"a", b"b", b"c", b"ca", b"d"]
keys = st.sampled_from(KEYS)
ends = st.sampled_from([b"", b"\0", *KEYS])
values = st.binary(max_size=2)
State = dict[bytes, KeyValue]


def within(state: State, key: bytes, end: bytes) -> list[KeyValue]:
    return [
        kv
        for name, kv in sorted(state.items())
        if (name == key if not end else name >= key and (end == b"\0" or name < end))
    ]


@dataclass
class Model:
    """states[r] is the store at revision r; changes[r] what made it."""

    states: list[State] = field(default_factory=lambda: [{}, {}])
    changes: list[list[KeyValue]] = field(default_factory=lambda: [[], []])
    compacted: int = -1

    @property
    def revision(self) -> int:
        return len(self.states) - 1

    def do(self, *operations: PutRequest | DeleteRangeRequest) -> None:
        state, main, changes = dict(self.states[-1]), len(self.states), []
        for operation in operations:
            if isinstance(operation, PutRequest):
                old = state.get(operation.key)
                version, create = (old.version + 1, old.create_revision) if old else (1, main)
                kv = state[operation.key] = KeyValue(operation.key, create, main, version, operation.value)
                changes.append(kv)
            else:
                for kv in within(state, operation.key, operation.range_end):
                    del state[kv.key]
                    changes.append(KeyValue(kv.key, 0, main, 0, b""))
        if changes:
            self.states.append(state)
            self.changes.append(changes)


class StoreMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.backend = MemoryBackend()
        self.open()
        self.model = Model()
        self.index = 0

    def open(self) -> None:
        self.store = Store(self.backend)
        self.applier = Applier(self.backend, self.store, Lessor(self.backend))

    def apply(self, command):  # type: ignore[no-untyped-def]
        self.index += 1
        return self.applier.apply(self.index, 1, command)

    @rule(key=keys, value=values)
    def put(self, key: bytes, value: bytes) -> None:
        previous = self.model.states[-1].get(key)
        self.model.do(PutRequest(key, value))
        result = self.apply(PutRequest(key, value, prev_kv=True))
        assert result == PutResult(self.model.revision, previous)

    @rule(key=keys, end=ends)
    def delete(self, key: bytes, end: bytes) -> None:
        previous = within(self.model.states[-1], key, end)
        self.model.do(DeleteRangeRequest(key, end))
        result = self.apply(DeleteRangeRequest(key, end, prev_kv=True))
        assert result == DeleteRangeResult(self.model.revision, len(previous), tuple(previous))

    @rule(first=keys, second=keys, end=ends, revision=st.integers(0, 30), value=values)
    def txn(self, first: bytes, second: bytes, end: bytes, revision: int, value: bytes) -> None:
        """If `first` was last changed at that revision put it and clear the range; else only put `second`."""
        kv = self.model.states[-1].get(first)
        succeeded = (kv.mod_revision if kv else 0) == revision
        success = (PutRequest(first, value), DeleteRangeRequest(second, end))
        failure = (PutRequest(second, value),)
        self.model.do(*(success if succeeded else failure))
        compare = Compare(first, CompareTarget.MOD, CompareResult.EQUAL, revision)
        result = self.apply(TxnRequest((compare,), success, failure))
        assert isinstance(result, TxnResult)
        assert (result.succeeded, self.store.revision) == (succeeded, self.model.revision)

    @rule(key=keys, revision=st.integers(0, 40))
    def txn_with_a_bad_range(self, key: bytes, revision: int) -> None:
        result = self.apply(TxnRequest((), (PutRequest(key, b"x"), RangeRequest(key, revision=revision))))
        if revision > self.model.revision:
            assert result is Refusal.FUTURE_REVISION
        elif 0 < revision < self.model.compacted:
            assert result is Refusal.COMPACTED
        else:
            self.model.do(PutRequest(key, b"x"))
            assert isinstance(result, TxnResult)

    @rule(revision=st.integers(0, 40))
    def compact(self, revision: int) -> None:
        result = self.apply(CompactionRequest(revision))
        if revision > self.model.revision:
            assert result is Refusal.FUTURE_REVISION
        elif revision <= self.model.compacted:
            assert result is Refusal.COMPACTED
        else:
            self.model.compacted = revision
            assert result == CompactionResult(self.model.revision)

    @rule(row_count=st.integers(1, 5))
    def compact_step(self, row_count: int) -> None:
        if self.store.is_compacting:
            self.store.compact_step(row_count)

    @rule()
    def restart(self) -> None:
        self.open()

    @rule(key=keys, end=ends, revision=st.integers(0, 40), limit=st.integers(0, 3), count_only=st.booleans())
    def range(self, key: bytes, end: bytes, revision: int, limit: int, count_only: bool) -> None:
        request = RangeRequest(key, end, limit=limit, revision=revision, count_only=count_only)
        result = range_or_refuse(self.store, request)
        if revision > self.model.revision:
            assert result is Refusal.FUTURE_REVISION
        elif 0 < revision < self.model.compacted:
            assert result is Refusal.COMPACTED
        else:
            kvs = within(self.model.states[revision or -1], key, end)
            shown = [] if count_only else kvs[: limit or None]
            more = not count_only and 0 < limit < len(kvs)
            assert result == RangeResult(self.model.revision, shown, more, len(kvs))

    @invariant()
    def history_is_what_happened(self) -> None:
        start = max(self.model.compacted, 1)
        happened = [kv for changes in self.model.changes[start:] for kv in changes]
        assert list(self.store.changes_since(start)) == happened

    @invariant()
    def compaction_leaves_nothing_behind(self) -> None:
        if not self.store.is_compacting:
            compacted = max(self.model.compacted, 0)
            before = [kv for kv in self.model.states[compacted].values() if kv.mod_revision < compacted]
            after = [kv for changes in self.model.changes[compacted:] for kv in changes]
            assert len(list(self.store.changes_since(0))) == len(before) + len(after)
            assert len(list(self.backend.scan("history"))) == len(before) + len(after)
            touched = {kv.key for kv in before + after}
            assert [key for key, _ in self.backend.scan("index")] == sorted(touched)


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
