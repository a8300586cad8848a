"""Transactions, however nested, against a model anyone can check by eye: states as plain dicts, in a list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from etcdlite import codec
from etcdlite.apply import Applier
from etcdlite.commands import (
    Command,
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRangeRequest,
    DeleteRangeResult,
    LeaseGrantRequest,
    Operation,
    OperationResult,
    PutRequest,
    PutResult,
    RangeRequest,
    RangeResult,
    SortOrder,
    SortTarget,
    TxnRequest,
    TxnResult,
)
from etcdlite.errors import Refusal
from etcdlite.lease.lessor import Lessor
from etcdlite.limits import Limits
from etcdlite.mvcc.backend import MemoryBackend
from etcdlite.mvcc.key_value import KeyValue
from etcdlite.mvcc.store import Store
from etcdlite.pb import rpc_pb2
from etcdlite.server import requests

KEYS = [b"a", b"b", b"c"]
LEASES = [1, 2]
keys = st.sampled_from(KEYS)
ends = st.sampled_from([b"", b"\0", *KEYS])
values = st.sampled_from([b"", b"x", b"y"])
numbers = st.integers(0, 6)
State = dict[bytes, KeyValue]
FIELDS = {
    CompareTarget.VERSION: "version",
    CompareTarget.CREATE: "create_revision",
    CompareTarget.MOD: "mod_revision",
    CompareTarget.VALUE: "value",
    CompareTarget.LEASE: "lease",
}
SORT_FIELDS = {
    SortTarget.KEY: "key",
    SortTarget.VERSION: "version",
    SortTarget.CREATE: "create_revision",
    SortTarget.MOD: "mod_revision",
    SortTarget.VALUE: "value",
}


@st.composite
def compares(draw: Any) -> Compare:
    target = draw(st.sampled_from(CompareTarget))
    operand = draw(values if target is CompareTarget.VALUE else numbers)
    return Compare(draw(keys), target, draw(st.sampled_from(CompareResult)), operand, draw(ends))


puts = st.builds(
    PutRequest,
    keys,
    values,
    st.sampled_from([0, 0, *LEASES]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
).map(lambda put: put if not put.ignore_value else PutRequest(put.key, b"", put.lease, put.prev_kv, True))
deletions = st.builds(DeleteRangeRequest, keys, ends, st.booleans())
ranges = st.builds(
    RangeRequest,
    keys,
    ends,
    limit=st.integers(0, 2),
    revision=st.one_of(st.just(0), numbers),
    sort_order=st.sampled_from(SortOrder),
    sort_target=st.sampled_from(SortTarget),
    keys_only=st.booleans(),
    count_only=st.booleans(),
    min_mod_revision=st.sampled_from([0, 0, 3]),
    max_create_revision=st.sampled_from([0, 0, 3]),
)
plain = st.one_of(puts, deletions, ranges)


def txns(operations: st.SearchStrategy[Any]) -> st.SearchStrategy[TxnRequest]:
    some = st.lists(operations, max_size=3).map(tuple)
    return st.builds(TxnRequest, st.lists(compares(), max_size=2).map(tuple), some, some)


nested = st.recursive(plain, lambda inner: st.one_of(plain, txns(inner)), max_leaves=6)


def within(state: State, key: bytes, end: bytes) -> list[KeyValue]:
    return [
        kv
        for name, kv in sorted(state.items())
        if (name == key if not end else name >= key and (end == b"\0" or name < end))
    ]


def holds(state: State, compare: Compare) -> bool:
    found = within(state, compare.key, compare.range_end)
    if not found and compare.target is CompareTarget.VALUE:
        return False
    stored = [getattr(kv, FIELDS[compare.target]) for kv in found] or [0]
    return all(
        {
            CompareResult.EQUAL: one == compare.operand,
            CompareResult.NOT_EQUAL: one != compare.operand,
            CompareResult.GREATER: one > compare.operand,
            CompareResult.LESS: one < compare.operand,
        }[compare.result]
        for one in stored
    )


def branch_of(state: State, txn: TxnRequest) -> tuple[bool, tuple[Operation, ...]]:
    succeeded = all(holds(state, compare) for compare in txn.compares)
    return succeeded, txn.success if succeeded else txn.failure


def operations_taken(state: State, operation: Operation) -> Iterator[Operation]:
    """Every compare is made on the state before the first write."""
    if isinstance(operation, TxnRequest):
        for inner in branch_of(state, operation)[1]:
            yield from operations_taken(state, inner)
    else:
        yield operation


class Running:
    """A transaction under way: `before` is the state it found, `state` what it has made of it."""

    def __init__(self, states: list[State]) -> None:
        self.states = states
        self.before = states[-1]
        self.state = dict(states[-1])
        self.is_changed = False

    @property
    def revision(self) -> int:
        return len(self.states) - (not self.is_changed)

    def do(self, operation: Operation) -> OperationResult:
        match operation:
            case PutRequest():
                return self.put(operation)
            case DeleteRangeRequest():
                return self.delete(operation)
            case RangeRequest():
                return self.range(operation)
            case TxnRequest():
                succeeded, branch = branch_of(self.before, operation)
                return TxnResult(0, succeeded, tuple(self.do(inner) for inner in branch))

    def put(self, put: PutRequest) -> PutResult:
        old = self.state.get(put.key)
        main = len(self.states)
        value = old.value if put.ignore_value and old else put.value
        lease = old.lease if put.ignore_lease and old else put.lease
        version, create = (old.version + 1, old.create_revision) if old else (1, main)
        self.state[put.key] = KeyValue(put.key, create, main, version, value, lease)
        self.is_changed = True
        return PutResult(self.revision, old if put.prev_kv else None)

    def delete(self, delete: DeleteRangeRequest) -> DeleteRangeResult:
        gone = within(self.state, delete.key, delete.range_end)
        for kv in gone:
            del self.state[kv.key]
        self.is_changed = self.is_changed or bool(gone)
        return DeleteRangeResult(self.revision, len(gone), tuple(gone) if delete.prev_kv else ())

    def range(self, wanted: RangeRequest) -> RangeResult:
        state = self.states[wanted.revision] if wanted.revision else self.state
        kvs = within(state, wanted.key, wanted.range_end)
        count = len(kvs)
        is_filtered = bool(wanted.min_mod_revision or wanted.max_create_revision)
        if wanted.count_only:
            kvs = []
        if wanted.limit and not is_filtered and wanted.sort_order is SortOrder.NONE:
            kvs = kvs[: wanted.limit + 1]
        kvs = [kv for kv in kvs if kv.mod_revision >= wanted.min_mod_revision]
        if wanted.max_create_revision:
            kvs = [kv for kv in kvs if kv.create_revision <= wanted.max_create_revision]
        is_down = wanted.sort_order is SortOrder.DESCEND
        kvs.sort(key=lambda kv: getattr(kv, SORT_FIELDS[wanted.sort_target]), reverse=is_down)
        more = 0 < wanted.limit < len(kvs)
        kvs = kvs[: wanted.limit or None]
        if wanted.keys_only:
            kvs = [kv._replace(value=b"") for kv in kvs]
        return RangeResult(self.revision, kvs, more, count)


class TxnMachine(RuleBasedStateMachine):
    """states[r] is the store at revision r."""

    def __init__(self) -> None:
        super().__init__()
        self.backend = MemoryBackend()
        self.store = Store(self.backend)
        self.applier = Applier(self.backend, self.store, Lessor(self.backend))
        self.states: list[State] = [{}, {}]
        self.granted: set[int] = set()
        self.index = 0

    def apply(self, command: Command) -> Any:
        self.index += 1
        return self.applier.apply(self.index, 1, command)

    @rule(lease=st.sampled_from(LEASES))
    def grant(self, lease: int) -> None:
        self.apply(LeaseGrantRequest(lease, 60))
        self.granted.add(lease)

    @rule(put=puts)
    def put(self, put: PutRequest) -> None:
        self.txn(TxnRequest((), (put,), ()))

    @rule(txn=txns(nested))
    def txn(self, txn: TxnRequest) -> None:
        assume(requests.refuse_txn(as_pb(txn), Limits()) is None)
        assert codec.txn_from_pb(as_pb(txn)) == txn
        before = self.store.revision
        result = self.apply(txn)
        expected = self.refuse(txn)
        if expected is not None:
            assert result is expected
            assert self.store.revision == before
            return
        running = Running(self.states)
        told = running.do(txn)
        assert isinstance(told, TxnResult)
        if running.is_changed:
            self.states.append(running.state)
        assert result == TxnResult(len(self.states) - 1, told.succeeded, told.responses)

    def refuse(self, txn: TxnRequest) -> Refusal | None:
        """The first put that cannot be done, else the first range."""
        taken = list(operations_taken(self.states[-1], txn))
        for put in (one for one in taken if isinstance(one, PutRequest)):
            if (put.ignore_value or put.ignore_lease) and put.key not in self.states[-1]:
                return Refusal.KEY_NOT_FOUND
            if put.lease and put.lease not in self.granted:
                return Refusal.LEASE_NOT_FOUND
        for wanted in (one for one in taken if isinstance(one, RangeRequest)):
            if wanted.revision > len(self.states) - 1:
                return Refusal.FUTURE_REVISION
        return None

    @invariant()
    def the_state_is_the_models(self) -> None:
        kvs, _ = self.store.range(b"\0", b"\0")
        assert kvs == within(self.states[-1], b"\0", b"\0")


def as_pb(txn: TxnRequest) -> Any:
    """The request as a client sends it."""
    pb = rpc_pb2.TxnRequest()
    codec._txn_to_pb(txn, pb)
    return pb


TestTxns = TxnMachine.TestCase
TestTxns.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
