"""What is encoded comes back the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etcdlite import codec, commands
from etcdlite.mvcc.key_value import KeyValue
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

UINT64 = st.integers(0, 2**64 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1)
REVISION = st.integers(0, 2**62)
BYTES = st.binary(max_size=20)
ENTRIES = st.builds(Entry, UINT64, UINT64, st.sampled_from(EntryType), BYTES)
CONF_STATES = st.sets(st.integers(1, 2**64 - 1), max_size=5).map(lambda ids: ConfState(tuple(sorted(ids))))
METADATA = st.builds(SnapshotMetadata, UINT64, UINT64, CONF_STATES)
MESSAGES = st.builds(
    Message,
    type=st.sampled_from(MessageType),
    to=UINT64,
    from_=UINT64,
    term=UINT64,
    log_term=UINT64,
    index=UINT64,
    entries=st.lists(ENTRIES, max_size=3).map(tuple),
    commit=UINT64,
    reject=st.booleans(),
    reject_hint=UINT64,
    snapshot=st.none() | st.builds(Snapshot, METADATA, BYTES),
    context=BYTES,
)
RANGES = st.builds(
    commands.RangeRequest,
    BYTES,
    BYTES,
    INT64,
    INT64,
    st.sampled_from(commands.SortOrder),
    st.sampled_from(commands.SortTarget),
    st.booleans(),
    st.booleans(),
    REVISION,
    REVISION,
    REVISION,
    REVISION,
)
PUTS = st.builds(commands.PutRequest, BYTES, BYTES, INT64, st.booleans(), st.booleans(), st.booleans())
DELETES = st.builds(commands.DeleteRangeRequest, BYTES, BYTES, st.booleans())
NUMBER_TARGETS = st.sampled_from([t for t in commands.CompareTarget if t != commands.CompareTarget.VALUE])
COMPARES = st.builds(
    commands.Compare, BYTES, NUMBER_TARGETS, st.sampled_from(commands.CompareResult), INT64, BYTES
) | st.builds(
    commands.Compare,
    BYTES,
    st.just(commands.CompareTarget.VALUE),
    st.sampled_from(commands.CompareResult),
    BYTES,
    BYTES,
)


def txns(operations):
    lists = st.lists(operations, max_size=3).map(tuple)
    return st.builds(commands.TxnRequest, st.lists(COMPARES, max_size=3).map(tuple), lists, lists)


OPERATIONS = st.recursive(RANGES | PUTS | DELETES, txns, max_leaves=6)
COMMANDS = (
    PUTS
    | DELETES
    | txns(OPERATIONS)
    | st.builds(commands.CompactionRequest, INT64, st.booleans())
    | st.builds(commands.LeaseGrantRequest, INT64, INT64)
    | st.builds(commands.LeaseRevokeRequest, INT64)
    | st.builds(
        commands.AlarmRequest,
        st.sampled_from(commands.AlarmAction),
        UINT64,
        st.sampled_from(commands.AlarmType),
    )
)


@given(ENTRIES)
def test_entry(entry):
    assert codec.decode_entry(codec.encode_entry(entry)) == entry


@given(st.builds(HardState, UINT64, UINT64, UINT64))
def test_hard_state(state):
    assert codec.decode_hard_state(codec.encode_hard_state(state)) == state


@given(METADATA)
def test_snapshot_metadata(metadata):
    assert codec.decode_snapshot_metadata(codec.encode_snapshot_metadata(metadata)) == metadata


@given(MESSAGES)
@settings(deadline=None)
def test_message(message):
    pb = codec.message_to_pb(message)
    assert codec.message_from_pb(type(pb).FromString(pb.SerializeToString())) == message


@given(UINT64, COMMANDS)
@settings(deadline=None, max_examples=40)
def test_command(request_id, command):
    assert codec.decode_command(codec.encode_command(request_id, command)) == (request_id, command)


def test_an_unknown_command_is_not_guessed():
    with pytest.raises(AssertionError, match="unknown kind"):
        codec.decode_command(b"\x08\x01")


def test_results_as_clients_see_them():
    kv = KeyValue(b"k", 3, 5, 2, b"v", 9)
    assert codec.kv_to_pb(kv).mod_revision == 5
    inner = (
        commands.PutResult(6, kv),
        commands.DeleteRangeResult(6, 1, (kv,)),
        commands.RangeResult(6, [kv], True, 4),
    )
    response = codec.txn_result_to_pb(commands.TxnResult(6, True, (*inner, commands.TxnResult(6, False, ()))))
    assert response.succeeded
    put, delete, read, nested = response.responses
    assert put.response_put.prev_kv.key == b"k"
    assert put.response_put.header.revision == 6
    assert delete.response_delete_range.prev_kvs[0].lease == 9
    assert (read.response_range.more, read.response_range.count) == (True, 4)
    assert nested.HasField("response_txn")
