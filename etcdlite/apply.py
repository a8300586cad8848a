"""Core: the state machine: applies committed entries to keys, leases and alarms.

The same entries in the same order give the same rows on every member, byte for byte: nothing here reads a
clock, and a request is checked as a whole before its first change, so it happens entirely or not at all
everywhere. (etcd found a bad range inside a transaction only after earlier operations had written: its
issue 18667.)

    Put, DeleteRange, Txn -> one write transaction of mvcc/store.py; leases follow the keys
    Compaction            -> the mark moves; rows go later
    LeaseGrant, Revoke    -> lease/lessor.py
    Alarm                 -> rows; NOSPACE refuses what grows, CORRUPT refuses everything

Invariants: an entry's changes and its applied index are written in one step, so they become durable
together.
After: etcd server/etcdserver/apply and server/etcdserver/txn.
"""

from __future__ import annotations

import struct
from dataclasses import replace

from etcdlite import ranges, txn
from etcdlite.commands import (
    AlarmAction,
    AlarmMember,
    AlarmRequest,
    AlarmResult,
    AlarmType,
    Command,
    CompactionRequest,
    CompactionResult,
    DeleteRangeRequest,
    DeleteRangeResult,
    LeaseGrantRequest,
    LeaseGrantResult,
    LeaseRevokeRequest,
    LeaseRevokeResult,
    Operation,
    OperationResult,
    PutRequest,
    PutResult,
    RangeRequest,
    RangeResult,
    Result,
    TxnRequest,
    TxnResult,
)
from etcdlite.errors import Refusal
from etcdlite.lease.lessor import Lessor
from etcdlite.mvcc.backend import ALARM, META, Backend
from etcdlite.mvcc.store import Store, WriteTxn

APPLIED = b"applied"
POSITION = struct.Struct(">QQ")
ALARM_ROW = struct.Struct(">QB")


class Applier:
    """The state machine. `applied` and `durable` are (index, term) of its last entry, now and on disk."""

    def __init__(self, backend: Backend, store: Store, lessor: Lessor) -> None:
        self._backend = backend
        self._store = store
        self._lessor = lessor
        self.txn_count = 0
        self._load()

    def _load(self) -> None:
        self.applied = position(self._backend.get(META, APPLIED))
        self.alarms = {AlarmMember(*_alarm(key)) for key, _ in self._backend.scan(ALARM)}

    def restored(self) -> None:
        """The backend holds a snapshot of the leader now."""
        self._load()
        self._store.restored()
        self._lessor.restored()

    @property
    def durable(self) -> tuple[int, int]:
        return position(self._backend.durable(META, APPLIED))

    def apply(self, index: int, term: int, command: Command | None) -> Result | Refusal | None:
        """Apply the entry at that index; entries without a command only move the index."""
        assert index > self.applied[0], "an entry is applied once, in order"
        result = None if command is None else self._refuse_alarmed(command) or self._execute(command)
        self.applied = (index, term)
        self._backend.put(META, APPLIED, POSITION.pack(index, term))
        return result

    def _refuse_alarmed(self, command: Command) -> Refusal | None:
        if not self.alarms or isinstance(command, AlarmRequest):
            return None
        if any(alarm.alarm == AlarmType.CORRUPT for alarm in self.alarms):
            return Refusal.CORRUPT
        return Refusal.NO_SPACE if txn.grows(command) else None

    def _execute(self, command: Command) -> Result | Refusal:
        match command:
            case PutRequest() | DeleteRangeRequest() | TxnRequest():
                return self._write(command)
            case CompactionRequest():
                return self._compact(command)
            case LeaseGrantRequest():
                return self._grant(command)
            case LeaseRevokeRequest():
                return self._revoke(command)
            case AlarmRequest():
                return self._alarm(command)

    # ---- keys

    def read(self, request: TxnRequest) -> TxnResult | Refusal:
        """Answer a transaction that writes nothing, without an entry."""
        assert txn.is_read_only(request), "a write needs an entry"
        result = self._write(request)
        assert isinstance(result, TxnResult | Refusal), "a transaction has a transaction's result"
        return result

    def _write(self, request: PutRequest | DeleteRangeRequest | TxnRequest) -> Result | Refusal:
        self.txn_count += isinstance(request, TxnRequest)
        path = txn.path_of(self._store, request)
        refusal = txn.refuse(self._store, self._lessor, request, path)
        if refusal is not None:
            return refusal
        write = self._store.write()
        result = self._operate(write, request, iter(path))
        write.end()
        assert not isinstance(result, RangeResult), "a range alone is not proposed"
        return replace(result, revision=self._store.revision) if isinstance(result, TxnResult) else result

    def _operate(self, write: WriteTxn, operation: Operation, path: txn.Path) -> OperationResult:
        match operation:
            case RangeRequest():
                return ranges.evaluate(self._store, operation, write.revision)
            case PutRequest():
                return self._put(write, operation)
            case DeleteRangeRequest():
                return self._delete(write, operation)
            case TxnRequest():
                succeeded = next(path)
                branch = operation.success if succeeded else operation.failure
                responses = tuple(self._operate(write, inner, path) for inner in branch)
                return TxnResult(0, succeeded, responses)  # etcd leaves nested headers empty

    def _put(self, write: WriteTxn, request: PutRequest) -> PutResult:
        previous = None
        if request.prev_kv or request.ignore_value or request.ignore_lease:
            previous = self._store.get(request.key)
        value, lease = request.value, request.lease
        if request.ignore_value:
            assert previous is not None, "checked before"
            value = previous.value
        if request.ignore_lease:
            assert previous is not None, "checked before"
            lease = previous.lease
        held_by = write.put(request.key, value, lease)
        if held_by and held_by != lease:
            self._lessor.detach(held_by, request.key)
        if lease and held_by != lease:
            self._lessor.attach(lease, request.key)
        return PutResult(write.revision, previous if request.prev_kv else None)

    def _delete(self, write: WriteTxn, request: DeleteRangeRequest) -> DeleteRangeResult:
        previous = self._store.range(request.key, request.range_end)[0] if request.prev_kv else []
        deleted = write.delete_range(request.key, request.range_end)
        for key, lease in deleted:
            if lease:
                self._lessor.detach(lease, key)
        return DeleteRangeResult(write.revision, len(deleted), tuple(previous))

    def _compact(self, request: CompactionRequest) -> CompactionResult | Refusal:
        refusal = self._store.refuse_compact(request.revision)
        if refusal is not None:
            return refusal
        self._store.compact(request.revision)
        return CompactionResult(self._store.revision)

    # ---- leases

    def _grant(self, request: LeaseGrantRequest) -> LeaseGrantResult | Refusal:
        refusal = self._lessor.grant(request.id, request.ttl)
        return refusal or LeaseGrantResult(self._store.revision, request.id, request.ttl)

    def _revoke(self, request: LeaseRevokeRequest) -> LeaseRevokeResult | Refusal:
        if self._lessor.get(request.id) is None:
            return Refusal.LEASE_NOT_FOUND
        write = self._store.write()
        for key in self._lessor.keys(request.id):
            write.delete_range(key)
        self._lessor.revoke(request.id)
        write.end()
        return LeaseRevokeResult(self._store.revision)

    # ---- alarms

    def _alarm(self, request: AlarmRequest) -> AlarmResult:
        touched: set[AlarmMember] = set()
        if request.action == AlarmAction.GET:
            touched = set(self.alarms)
        elif request.action == AlarmAction.ACTIVATE:
            touched = {AlarmMember(request.member_id, request.alarm)}
            self.alarms |= touched
            self._backend.put(ALARM, ALARM_ROW.pack(request.member_id, request.alarm), b"")
        else:
            touched = {alarm for alarm in self.alarms if _is_meant(request, alarm)}
            self.alarms -= touched
            for alarm in touched:
                self._backend.delete(ALARM, ALARM_ROW.pack(alarm.member_id, alarm.alarm))
        return AlarmResult(self._store.revision, tuple(sorted(touched, key=lambda a: (a.member_id, a.alarm))))


def position(row: bytes | None) -> tuple[int, int]:
    """Index and term in the row of the applied position."""
    if row is None:
        return 0, 0
    index, term = POSITION.unpack(row)
    return index, term


def _alarm(key: bytes) -> tuple[int, AlarmType]:
    member_id, alarm = ALARM_ROW.unpack(key)
    return member_id, AlarmType(alarm)


def _is_meant(request: AlarmRequest, alarm: AlarmMember) -> bool:
    return request.member_id in (0, alarm.member_id) and request.alarm in (AlarmType.NONE, alarm.alarm)
