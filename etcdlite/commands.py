"""Core: what can be asked of the state machine, and what it answers.

One frozen dataclass per request of etcd's KV and Lease services (and the alarms), with etcd's field names.
They are what the raft log carries (codec.py turns them into protobuf and back) and what `apply.py`
understands; reads use the same RangeRequest whether they stand alone or inside a transaction. A result
carries the revision that the header of its response must show. A request that cannot be done is answered
with a `Refusal` of errors.py.

Absent: serializable and other words to the server alone; headers with cluster and member ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from etcdlite.mvcc.key_value import KeyValue as KeyValue

# ---- KV


class SortOrder(IntEnum):
    """In which direction a range is sorted."""

    NONE = 0
    ASCEND = 1
    DESCEND = 2


class SortTarget(IntEnum):
    """By what a range is sorted."""

    KEY = 0
    VERSION = 1
    CREATE = 2
    MOD = 3
    VALUE = 4


@dataclass(frozen=True, slots=True)
class RangeRequest:
    """The keys of [key, range_end) at a revision (0: now); no end: the one key, a zero byte: to the last."""

    key: bytes
    range_end: bytes = b""
    limit: int = 0
    revision: int = 0
    sort_order: SortOrder = SortOrder.NONE
    sort_target: SortTarget = SortTarget.KEY
    keys_only: bool = False
    count_only: bool = False
    min_mod_revision: int = 0
    max_mod_revision: int = 0
    min_create_revision: int = 0
    max_create_revision: int = 0


@dataclass(frozen=True, slots=True)
class RangeResult:
    """`count` is the number of keys in the whole range, whatever limit and filters left in `kvs`."""

    revision: int
    kvs: list[KeyValue]
    more: bool
    count: int


@dataclass(frozen=True, slots=True)
class PutRequest:
    """Write one key; `ignore_value` keeps the value it has, `ignore_lease` the lease."""

    key: bytes
    value: bytes = b""
    lease: int = 0
    prev_kv: bool = False
    ignore_value: bool = False
    ignore_lease: bool = False


@dataclass(frozen=True, slots=True)
class PutResult:
    """What was there before, if that was asked and there was something."""

    revision: int
    prev_kv: KeyValue | None = None


@dataclass(frozen=True, slots=True)
class DeleteRangeRequest:
    """Delete the keys of a range, all in one revision."""

    key: bytes
    range_end: bytes = b""
    prev_kv: bool = False


@dataclass(frozen=True, slots=True)
class DeleteRangeResult:
    """How many keys went, and what they held if that was asked."""

    revision: int
    deleted: int
    prev_kvs: tuple[KeyValue, ...] = ()


class CompareResult(IntEnum):
    """How the stored side must relate to the given one."""

    EQUAL = 0
    GREATER = 1
    LESS = 2
    NOT_EQUAL = 3


class CompareTarget(IntEnum):
    """Which field of the key is compared."""

    VERSION = 0
    CREATE = 1
    MOD = 2
    VALUE = 3
    LEASE = 4


@dataclass(frozen=True, slots=True)
class Compare:
    """Holds when every key of the range relates so; `operand` is bytes for VALUE, a number for the rest."""

    key: bytes
    target: CompareTarget
    result: CompareResult
    operand: int | bytes
    range_end: bytes = b""


@dataclass(frozen=True, slots=True)
class TxnRequest:
    """If all compares hold do `success`, else `failure`; either way as one revision."""

    compares: tuple[Compare, ...] = ()
    success: tuple[Operation, ...] = ()
    failure: tuple[Operation, ...] = ()


@dataclass(frozen=True, slots=True)
class TxnResult:
    """Which branch was taken and the results of its operations, in their order."""

    revision: int
    succeeded: bool
    responses: tuple[OperationResult, ...]


@dataclass(frozen=True, slots=True)
class CompactionRequest:
    """Forget the history before a revision; `physical` callers wait until the rows are gone."""

    revision: int
    physical: bool = False


@dataclass(frozen=True, slots=True)
class CompactionResult:
    """The history before the asked revision can no longer be read."""

    revision: int


# ---- leases


@dataclass(frozen=True, slots=True)
class LeaseGrantRequest:
    """Make a lease; the server has already chosen the id and raised ttl (seconds) to its minimum."""

    id: int
    ttl: int


@dataclass(frozen=True, slots=True)
class LeaseGrantResult:
    """The lease as it now is."""

    revision: int
    id: int
    ttl: int


@dataclass(frozen=True, slots=True)
class LeaseRevokeRequest:
    """End a lease and delete every key attached to it."""

    id: int


@dataclass(frozen=True, slots=True)
class LeaseRevokeResult:
    """The lease is gone."""

    revision: int


# ---- alarms


class AlarmType(IntEnum):
    """What a member can raise: out of space, or found to differ from the others."""

    NONE = 0
    NOSPACE = 1
    CORRUPT = 2


class AlarmAction(IntEnum):
    """What to do with an alarm; GET never needs the log."""

    GET = 0
    ACTIVATE = 1
    DEACTIVATE = 2


@dataclass(frozen=True, slots=True)
class AlarmMember:
    """One alarm of one member."""

    member_id: int
    alarm: AlarmType


@dataclass(frozen=True, slots=True)
class AlarmRequest:
    """Raise or clear an alarm; clearing with member_id 0 clears that alarm of all members."""

    action: AlarmAction
    member_id: int = 0
    alarm: AlarmType = AlarmType.NONE


@dataclass(frozen=True, slots=True)
class AlarmResult:
    """The alarms the request touched, or all that are raised for GET."""

    revision: int
    alarms: tuple[AlarmMember, ...]


Operation = RangeRequest | PutRequest | DeleteRangeRequest | TxnRequest
OperationResult = RangeResult | PutResult | DeleteRangeResult | TxnResult
Command = (
    PutRequest
    | DeleteRangeRequest
    | TxnRequest
    | CompactionRequest
    | LeaseGrantRequest
    | LeaseRevokeRequest
    | AlarmRequest
)
Result = (
    PutResult
    | DeleteRangeResult
    | TxnResult
    | CompactionResult
    | LeaseGrantResult
    | LeaseRevokeResult
    | AlarmResult
)
