"""Core: refuses requests that make no sense, before they cost a round of Raft.

It reads the protobuf messages as they came: what passes here the codec can turn into commands.

    put a, put a in one transaction           -> duplicate key; so is a put inside a deleted range, but (as in
                                                 etcd) not one whose end is a zero byte, "all from here on"
    txn(if .. then put a else put a)          -> fine: only one of them happens
    txn(put a), txn(put a) side by side       -> duplicate key: both may happen

After: etcd server/etcdserver/api/v3rpc/key.go, checkTxnRequest and checkIntervals.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from etcdlite.errors import Refusal
from etcdlite.limits import Limits

Interval = tuple[bytes, bytes]


def refuse_range(pb: Any) -> Refusal | None:
    """Why a Range makes no sense."""
    if not pb.key:
        return Refusal.EMPTY_KEY
    if not (0 <= pb.sort_order <= 2 and 0 <= pb.sort_target <= 4):
        return Refusal.INVALID_SORT_OPTION
    return None


def refuse_put(pb: Any, limits: Limits) -> Refusal | None:
    """Why a Put makes no sense."""
    too_large = Refusal.REQUEST_TOO_LARGE if pb.ByteSize() > limits.request_bytes else None
    return _refuse_put(pb) or too_large


def _refuse_put(pb: Any) -> Refusal | None:
    if not pb.key:
        return Refusal.EMPTY_KEY
    if pb.ignore_value and pb.value:
        return Refusal.VALUE_PROVIDED
    if pb.ignore_lease and pb.lease:
        return Refusal.LEASE_PROVIDED
    return None


def refuse_delete(pb: Any) -> Refusal | None:
    """Why a DeleteRange makes no sense."""
    return None if pb.key else Refusal.EMPTY_KEY


def refuse_txn(pb: Any, limits: Limits) -> Refusal | None:
    """Why a Txn makes no sense; each list of it may be so long, nested ones counted with their parents."""
    refusal = _refuse_shape(pb, limits.txn_operation_count)
    if refusal is not None:
        return refusal
    if _written(pb.success) is None or _written(pb.failure) is None:
        return Refusal.DUPLICATE_KEY
    return Refusal.REQUEST_TOO_LARGE if pb.ByteSize() > limits.request_bytes else None


def _refuse_shape(pb: Any, count_max: int) -> Refusal | None:
    count = max(len(pb.compare), len(pb.success), len(pb.failure))
    if count > count_max:
        return Refusal.TOO_MANY_OPS
    if any(not compare.key for compare in pb.compare):
        return Refusal.EMPTY_KEY
    refusals = (_refuse_operation(op, count_max - count) for op in (*pb.success, *pb.failure))
    return next((refusal for refusal in refusals if refusal is not None), None)


def _refuse_operation(pb: Any, count_max: int) -> Refusal | None:
    match pb.WhichOneof("request"):
        case "request_range":
            return refuse_range(pb.request_range)
        case "request_put":
            return _refuse_put(pb.request_put)
        case "request_delete_range":
            return refuse_delete(pb.request_delete_range)
        case "request_txn":
            return _refuse_shape(pb.request_txn, count_max)
    return Refusal.KEY_NOT_FOUND  # etcd's word for an empty operation


def _written(operations: Iterable[Any]) -> tuple[set[bytes], list[Interval]] | None:
    """The keys put and the ranges deleted by a list of operations; None if a key would be written twice."""
    puts: set[bytes] = set()
    deletes = [_interval(op.request_delete_range) for op in operations if op.HasField("request_delete_range")]
    for op in operations:
        if op.HasField("request_txn"):
            success, failure = _written(op.request_txn.success), _written(op.request_txn.failure)
            if success is None or failure is None:
                return None
            inner = success[0] | failure[0]  # only one branch happens, so they may share keys
            if inner & puts or _covers(deletes, inner):
                return None
            puts |= inner
            deletes += success[1] + failure[1]
    for op in operations:
        if op.HasField("request_put"):
            key = op.request_put.key
            if key in puts or _covers(deletes, (key,)):
                return None
            puts.add(key)
    return puts, deletes


def _interval(pb: Any) -> Interval:
    return pb.key, pb.range_end or pb.key + b"\0"


def _covers(intervals: list[Interval], keys: Iterable[bytes]) -> bool:
    return any(start <= key < end for key in keys for start, end in intervals)
