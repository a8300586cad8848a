"""Core: Raft's values and the commands of the log as bytes, and back.

What the disk keeps per entry is a fixed head and the data; what travels between members is protobuf
(proto/raft.proto); the data of an entry is one request in etcd's own messages (proto/command.proto), with the
number by which the member that proposed it finds who waits for the result.

Invariants: decode(encode(x)) == x; unknown fields of a newer member are ignored, an unknown command is not.
"""

from __future__ import annotations

import struct
from typing import Any

from etcdlite import commands
from etcdlite.mvcc.key_value import KeyValue
from etcdlite.pb import command_pb2, kv_pb2, raft_pb2, rpc_pb2
from etcdlite.raft.messages import (
    ConfState,
    Entry,
    EntryType,
    HardState,
    Message,
    MessageType,
    Snapshot,
    SnapshotMetadata,
)

ENTRY_HEAD = struct.Struct("<QQB")
HARD_STATE = struct.Struct("<QQQ")

# ---- what Raft saves


def encode_entry(entry: Entry) -> bytes:
    """One entry of the log, for the disk."""
    return ENTRY_HEAD.pack(entry.term, entry.index, entry.type) + entry.data


def decode_entry(data: bytes) -> Entry:
    """The entry in a record."""
    term, index, kind = ENTRY_HEAD.unpack_from(data)
    return Entry(term, index, EntryType(kind), data[ENTRY_HEAD.size :])


def encode_hard_state(state: HardState) -> bytes:
    """Term, vote and commit, for the disk."""
    return HARD_STATE.pack(state.term, state.vote, state.commit)


def decode_hard_state(data: bytes) -> HardState:
    """The hard state in a record."""
    return HardState(*HARD_STATE.unpack(data))


def encode_snapshot_metadata(metadata: SnapshotMetadata) -> bytes:
    """The mark that the state machine holds all up to here."""
    data: bytes = metadata_to_pb(metadata).SerializeToString()
    return data


def decode_snapshot_metadata(data: bytes) -> SnapshotMetadata:
    """The snapshot mark in a record."""
    return _metadata_from_pb(raft_pb2.SnapshotMetadata.FromString(data))


def metadata_to_pb(metadata: SnapshotMetadata) -> Any:
    """A snapshot mark as a message."""
    conf_state = raft_pb2.ConfState(voters=metadata.conf_state.voters, learners=metadata.conf_state.learners)
    return raft_pb2.SnapshotMetadata(index=metadata.index, term=metadata.term, conf_state=conf_state)


def _metadata_from_pb(pb: Any) -> SnapshotMetadata:
    conf_state = ConfState(tuple(pb.conf_state.voters), tuple(pb.conf_state.learners))
    return SnapshotMetadata(pb.index, pb.term, conf_state)


# ---- what members say to one another


def message_to_pb(message: Message) -> Any:
    """A message for the stream to another member."""
    pb = raft_pb2.Message(
        type=message.type,
        to=message.to,
        term=message.term,
        log_term=message.log_term,
        index=message.index,
        commit=message.commit,
        reject=message.reject,
        reject_hint=message.reject_hint,
        context=message.context,
        entries=[
            raft_pb2.Entry(term=entry.term, index=entry.index, type=entry.type, data=entry.data)
            for entry in message.entries
        ],
    )
    setattr(pb, "from", message.from_)
    if message.snapshot is not None:
        pb.snapshot.metadata.CopyFrom(metadata_to_pb(message.snapshot.metadata))
        pb.snapshot.data = message.snapshot.data
    return pb


def message_from_pb(pb: Any) -> Message:
    """A message as it came."""
    snapshot = None
    if pb.HasField("snapshot"):
        snapshot = Snapshot(_metadata_from_pb(pb.snapshot.metadata), pb.snapshot.data)
    return Message(
        type=MessageType(pb.type),
        to=pb.to,
        from_=getattr(pb, "from"),
        term=pb.term,
        log_term=pb.log_term,
        index=pb.index,
        entries=tuple(Entry(e.term, e.index, EntryType(e.type), e.data) for e in pb.entries),
        commit=pb.commit,
        reject=pb.reject,
        reject_hint=pb.reject_hint,
        snapshot=snapshot,
        context=pb.context,
    )


# ---- the commands of the log


def encode_command(request_id: int, command: commands.Command) -> bytes:
    """The data of the log entry that asks for this."""
    pb = command_pb2.Command(request_id=request_id)
    match command:
        case commands.PutRequest():
            _put_to_pb(command, pb.put)
        case commands.DeleteRangeRequest():
            _delete_to_pb(command, pb.delete_range)
        case commands.TxnRequest():
            _txn_to_pb(command, pb.txn)
        case commands.CompactionRequest():
            pb.compaction.revision, pb.compaction.physical = command.revision, command.physical
        case commands.LeaseGrantRequest():
            pb.lease_grant.ID, pb.lease_grant.TTL = command.id, command.ttl
        case commands.LeaseRevokeRequest():
            pb.lease_revoke.ID = command.id
        case commands.AlarmRequest():
            pb.alarm.action, pb.alarm.memberID = command.action, command.member_id
            pb.alarm.alarm = command.alarm
    data: bytes = pb.SerializeToString()
    return data


def decode_command(data: bytes) -> tuple[int, commands.Command | Any]:
    """Who waits, and what is asked: a command, or a protobuf Member that publishes its attributes."""
    pb = command_pb2.Command.FromString(data)
    return pb.request_id, _command_from_pb(pb)


def _command_from_pb(pb: Any) -> commands.Command | Any:
    match pb.WhichOneof("request"):
        case "put":
            return put_from_pb(pb.put)
        case "delete_range":
            return delete_from_pb(pb.delete_range)
        case "txn":
            return txn_from_pb(pb.txn)
        case "compaction":
            return commands.CompactionRequest(pb.compaction.revision, pb.compaction.physical)
        case "lease_grant":
            return commands.LeaseGrantRequest(pb.lease_grant.ID, pb.lease_grant.TTL)
        case "lease_revoke":
            return commands.LeaseRevokeRequest(pb.lease_revoke.ID)
        case "alarm":
            return alarm_from_pb(pb.alarm)
        case "member_attributes":
            return pb.member_attributes
        case kind:
            raise AssertionError(f"a command of unknown kind {kind} was committed")


def range_from_pb(pb: Any) -> commands.RangeRequest:
    """What a Range asks, but for `serializable`, which is the server's affair."""
    return commands.RangeRequest(
        pb.key,
        pb.range_end,
        pb.limit,
        pb.revision,
        commands.SortOrder(pb.sort_order),
        commands.SortTarget(pb.sort_target),
        pb.keys_only,
        pb.count_only,
        pb.min_mod_revision,
        pb.max_mod_revision,
        pb.min_create_revision,
        pb.max_create_revision,
    )


def put_from_pb(pb: Any) -> commands.PutRequest:
    """What a Put asks."""
    return commands.PutRequest(pb.key, pb.value, pb.lease, pb.prev_kv, pb.ignore_value, pb.ignore_lease)


def delete_from_pb(pb: Any) -> commands.DeleteRangeRequest:
    """What a DeleteRange asks."""
    return commands.DeleteRangeRequest(pb.key, pb.range_end, pb.prev_kv)


def txn_from_pb(pb: Any) -> commands.TxnRequest:
    """What a Txn asks, nested ones too."""
    return commands.TxnRequest(
        tuple(map(_compare_from_pb, pb.compare)),
        tuple(map(_operation_from_pb, pb.success)),
        tuple(map(_operation_from_pb, pb.failure)),
    )


def alarm_from_pb(pb: Any) -> commands.AlarmRequest:
    """What an Alarm asks."""
    return commands.AlarmRequest(commands.AlarmAction(pb.action), pb.memberID, commands.AlarmType(pb.alarm))


OPERAND_FIELDS = {
    commands.CompareTarget.VERSION: "version",
    commands.CompareTarget.CREATE: "create_revision",
    commands.CompareTarget.MOD: "mod_revision",
    commands.CompareTarget.VALUE: "value",
    commands.CompareTarget.LEASE: "lease",
}


def _compare_from_pb(pb: Any) -> commands.Compare:
    target = commands.CompareTarget(pb.target)
    operand = getattr(pb, OPERAND_FIELDS[target])
    return commands.Compare(pb.key, target, commands.CompareResult(pb.result), operand, pb.range_end)


def _operation_from_pb(pb: Any) -> commands.Operation:
    match pb.WhichOneof("request"):
        case "request_range":
            return range_from_pb(pb.request_range)
        case "request_put":
            return put_from_pb(pb.request_put)
        case "request_delete_range":
            return delete_from_pb(pb.request_delete_range)
        case "request_txn":
            return txn_from_pb(pb.request_txn)
        case kind:
            raise AssertionError(f"an operation of unknown kind {kind} was let in")


def _range_to_pb(request: commands.RangeRequest, pb: Any) -> None:
    pb.MergeFrom(
        rpc_pb2.RangeRequest(**{name: getattr(request, name) for name in commands.RangeRequest.__slots__})
    )


def _put_to_pb(request: commands.PutRequest, pb: Any) -> None:
    pb.key, pb.value, pb.lease = request.key, request.value, request.lease
    pb.prev_kv, pb.ignore_value, pb.ignore_lease = request.prev_kv, request.ignore_value, request.ignore_lease
    pb.SetInParent()


def _delete_to_pb(request: commands.DeleteRangeRequest, pb: Any) -> None:
    pb.key, pb.range_end, pb.prev_kv = request.key, request.range_end, request.prev_kv
    pb.SetInParent()


def _txn_to_pb(request: commands.TxnRequest, pb: Any) -> None:
    pb.SetInParent()
    for compare in request.compares:
        added = pb.compare.add(
            key=compare.key, target=compare.target, result=compare.result, range_end=compare.range_end
        )
        setattr(added, OPERAND_FIELDS[compare.target], compare.operand)
    for branch, operations in ((pb.success, request.success), (pb.failure, request.failure)):
        for operation in operations:
            _operation_to_pb(operation, branch.add())


def _operation_to_pb(operation: commands.Operation, pb: Any) -> None:
    match operation:
        case commands.RangeRequest():
            pb.request_range.SetInParent()
            _range_to_pb(operation, pb.request_range)
        case commands.PutRequest():
            _put_to_pb(operation, pb.request_put)
        case commands.DeleteRangeRequest():
            _delete_to_pb(operation, pb.request_delete_range)
        case commands.TxnRequest():
            _txn_to_pb(operation, pb.request_txn)


# ---- results, as a client sees them


def kv_to_pb(kv: KeyValue) -> Any:
    """One version of a key."""
    return kv_pb2.KeyValue(
        key=kv.key,
        create_revision=kv.create_revision,
        mod_revision=kv.mod_revision,
        version=kv.version,
        value=kv.value,
        lease=kv.lease,
    )


def range_result_to_pb(result: commands.RangeResult, header: Any = None) -> Any:
    """The response of a Range."""
    return rpc_pb2.RangeResponse(
        header=header, kvs=map(kv_to_pb, result.kvs), more=result.more, count=result.count
    )


def put_result_to_pb(result: commands.PutResult, header: Any = None) -> Any:
    """The response of a Put."""
    previous = None if result.prev_kv is None else kv_to_pb(result.prev_kv)
    return rpc_pb2.PutResponse(header=header, prev_kv=previous)


def delete_result_to_pb(result: commands.DeleteRangeResult, header: Any = None) -> Any:
    """The response of a DeleteRange."""
    return rpc_pb2.DeleteRangeResponse(
        header=header, deleted=result.deleted, prev_kvs=map(kv_to_pb, result.prev_kvs)
    )


def txn_result_to_pb(result: commands.TxnResult, header: Any = None) -> Any:
    """The response of a Txn; each response inside it has its own revision."""
    return rpc_pb2.TxnResponse(
        header=header, succeeded=result.succeeded, responses=map(_operation_result_to_pb, result.responses)
    )


def _operation_result_to_pb(result: commands.OperationResult) -> Any:
    header = rpc_pb2.ResponseHeader(revision=result.revision)
    match result:
        case commands.RangeResult():
            return rpc_pb2.ResponseOp(response_range=range_result_to_pb(result, header))
        case commands.PutResult():
            return rpc_pb2.ResponseOp(response_put=put_result_to_pb(result, header))
        case commands.DeleteRangeResult():
            return rpc_pb2.ResponseOp(response_delete_range=delete_result_to_pb(result, header))
        case commands.TxnResult():
            return rpc_pb2.ResponseOp(response_txn=txn_result_to_pb(result, header))
