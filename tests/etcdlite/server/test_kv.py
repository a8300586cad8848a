"""What a whole member adds to the state machine: large ranges in slices, while others write."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest

from etcdlite.mvcc import store as mvcc_store
from etcdlite.pb import rpc_pb2
from etcdlite.server import kv as kv_service
from tests.etcdlite.server.conftest import Member

EVERYTHING = {"key": b"\0", "range_end": b"\0"}


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mvcc_store, "SLICE_KEY_COUNT", 3)
    monkeypatch.setattr(kv_service, "SLICE_KEY_COUNT", 3)


async def fill(member: Member, count: int) -> int:
    puts = [
        rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=b"%04d" % i, value=b"old")) for i in range(count)
    ]
    return int((await member.kv.Txn(rpc_pb2.TxnRequest(success=puts))).header.revision)


async def read(member: Member, **fields: Any) -> Any:
    return await member.kv.Range(rpc_pb2.RangeRequest(**EVERYTHING, **fields))


@pytest.mark.parametrize("limit", [0, 1, 3, 4, 50])
@pytest.mark.usefixtures("small_slices")
async def test_slices_add_up(member: Member, limit: int) -> None:
    await fill(member, 10)
    response = await read(member, limit=limit)
    assert [kv.key for kv in response.kvs] == [b"%04d" % i for i in range(limit or 10)][:10]
    assert (response.count, response.more) == (10, 0 < limit < 10)
    assert (await read(member, count_only=True)).count == 10
    assert [kv.key for kv in (await read(member, sort_order="DESCEND", limit=1)).kvs] == [b"0009"]


@pytest.mark.usefixtures("small_slices")
async def test_a_range_read_in_slices_shows_one_revision(member: Member) -> None:
    revision = await fill(member, 60)

    async def overwrite() -> None:
        for i in range(59, -1, -1):
            await member.kv.Put(rpc_pb2.PutRequest(key=b"%04d" % i, value=b"%d" % (revision + 60 - i)))

    writing = asyncio.create_task(overwrite())
    while not writing.done():
        response = await read(member, serializable=True)
        written = response.header.revision - revision
        expected = [b"old"] * (60 - written) + [
            b"%d" % (response.header.revision - i) for i in range(written)
        ]
        assert [kv.value for kv in response.kvs] == expected
    await writing


@pytest.mark.usefixtures("small_slices")
async def test_compaction_may_overtake_a_long_range(member: Member) -> None:
    await fill(member, 30)

    async def compact() -> None:
        for i in range(30):
            revision = (await member.kv.Put(rpc_pb2.PutRequest(key=b"%04d" % i))).header.revision
            await member.kv.Compact(rpc_pb2.CompactionRequest(revision=revision))
            while member.node.store.is_compacting:
                member.node.store.compact_step()

    compacting = asyncio.create_task(compact())
    while not compacting.done():
        assert len((await read(member, serializable=True)).kvs) == 30
    await compacting


async def test_a_refusal_is_a_status(member: Member) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await read(member, revision=99)
    expected = grpc.StatusCode.OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision"
    assert (refused.value.code(), refused.value.details()) == expected


async def test_a_transaction_that_only_reads_takes_no_entry(member: Member) -> None:
    await fill(member, 2)
    applied = member.node.applied
    get = rpc_pb2.RequestOp(request_range=rpc_pb2.RangeRequest(key=b"0001"))
    response = await member.kv.Txn(rpc_pb2.TxnRequest(success=[get]))
    assert response.responses[0].response_range.kvs[0].value == b"old"
    assert member.node.applied == applied
