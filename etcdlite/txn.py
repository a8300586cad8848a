"""Core: what a transaction will do, decided before it does anything.

All compares, those of nested transactions too, are evaluated on the state before the first write. The
outcome is the *path*: one truth value per transaction met, outermost first, in the order in which they are
met. Along this path every operation is checked; a branch not taken may ask for the impossible.

After: etcd server/etcdserver/txn/txn.go, compareToPath and checkTxn.
"""

from __future__ import annotations

from collections.abc import Iterator

from etcdlite.commands import (
    Command,
    Compare,
    CompareResult,
    CompareTarget,
    LeaseGrantRequest,
    Operation,
    PutRequest,
    RangeRequest,
    TxnRequest,
)
from etcdlite.errors import Refusal
from etcdlite.lease.lessor import Lessor
from etcdlite.mvcc.key_value import KeyValue
from etcdlite.mvcc.store import Store

Path = Iterator[bool]
NOTHING = KeyValue(b"", 0, 0, 0, b"")


def path_of(store: Store, operation: Operation) -> list[bool]:
    """Which branch each transaction along the way takes."""
    if not isinstance(operation, TxnRequest):
        return []
    succeeded = all(holds(store, compare) for compare in operation.compares)
    branch = operation.success if succeeded else operation.failure
    return [succeeded, *(taken for inner in branch for taken in path_of(store, inner))]


def taken(operation: Operation, path: Path) -> Iterator[Operation]:
    """The plain operations along the path, in order."""
    if isinstance(operation, TxnRequest):
        for inner in operation.success if next(path) else operation.failure:
            yield from taken(inner, path)
    else:
        yield operation


def refuse(store: Store, lessor: Lessor, operation: Operation, path: list[bool]) -> Refusal | None:
    """The first reason why something along the path cannot be done: puts are asked first, then ranges."""
    if isinstance(operation, PutRequest):  # alone, a put is asked for its lease first
        return _refuse_lease(lessor, operation) or _refuse_missing(store, operation)
    operations = list(taken(operation, iter(path)))
    refusals = [
        *(
            _refuse_missing(store, put) or _refuse_lease(lessor, put)
            for put in operations
            if isinstance(put, PutRequest)
        ),
        *(store.refuse_revision(read.revision) for read in operations if isinstance(read, RangeRequest)),
    ]
    return next((refusal for refusal in refusals if refusal is not None), None)


def _refuse_missing(store: Store, put: PutRequest) -> Refusal | None:
    is_missing = (put.ignore_value or put.ignore_lease) and store.get(put.key) is None
    return Refusal.KEY_NOT_FOUND if is_missing else None


def _refuse_lease(lessor: Lessor, put: PutRequest) -> Refusal | None:
    return Refusal.LEASE_NOT_FOUND if put.lease and lessor.get(put.lease) is None else None


def grows(command: Command | Operation) -> bool:
    """Does the command store something new, so that a full store must refuse it?"""
    if isinstance(command, TxnRequest):
        return any(grows(inner) for inner in (*command.success, *command.failure))
    return isinstance(command, PutRequest | LeaseGrantRequest)


def is_read_only(operation: Operation) -> bool:
    """Can the operation be answered without the log?"""
    if isinstance(operation, TxnRequest):
        return all(is_read_only(inner) for inner in (*operation.success, *operation.failure))
    return isinstance(operation, RangeRequest)


def holds(store: Store, compare: Compare) -> bool:
    """Does every key of the range relate as asked? No key at all counts as zeros, and never has a value."""
    kvs, _ = store.range(compare.key, compare.range_end)
    if not kvs:
        return compare.target != CompareTarget.VALUE and _relates(compare, NOTHING)
    return all(_relates(compare, kv) for kv in kvs)


def _relates(compare: Compare, kv: KeyValue) -> bool:
    stored, given = _field(compare.target, kv), compare.operand
    match compare.result:
        case CompareResult.EQUAL:
            return stored == given
        case CompareResult.NOT_EQUAL:
            return stored != given
        case CompareResult.GREATER:
            return stored > given  # type: ignore[operator] # target and operand agree: codec.py
        case CompareResult.LESS:
            return stored < given  # type: ignore[operator]


def _field(target: CompareTarget, kv: KeyValue) -> int | bytes:
    match target:
        case CompareTarget.VERSION:
            return kv.version
        case CompareTarget.CREATE:
            return kv.create_revision
        case CompareTarget.MOD:
            return kv.mod_revision
        case CompareTarget.VALUE:
            return kv.value
        case CompareTarget.LEASE:
            return kv.lease
