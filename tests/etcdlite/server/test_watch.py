"""What etcd's own watch tests assert, on one member of ours."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest

from etcdlite.mvcc.watch import Cursors
from etcdlite.pb import kv_pb2, rpc_pb2
from etcdlite.server import watch as watch_service
from tests.etcdlite.server.conftest import Member
from tests.support.wait import until_async


async def put(member: Member, key: bytes, value: bytes = b"v") -> int:
    return int((await member.kv.Put(rpc_pb2.PutRequest(key=key, value=value))).header.revision)


class Stream:
    """A watch stream, read one response at a time."""

    def __init__(self, member: Member, **options: Any) -> None:
        self.call = member.watch.Watch(**options)

    async def create(self, key: bytes, range_end: bytes = b"", **fields: Any) -> Any:
        request = rpc_pb2.WatchCreateRequest(key=key, range_end=range_end, **fields)
        await self.call.write(rpc_pb2.WatchRequest(create_request=request))
        return await self.read()

    async def cancel(self, watch_id: int) -> None:
        request = rpc_pb2.WatchCancelRequest(watch_id=watch_id)
        await self.call.write(rpc_pb2.WatchRequest(cancel_request=request))

    async def ask_progress(self) -> None:
        await self.call.write(rpc_pb2.WatchRequest(progress_request=rpc_pb2.WatchProgressRequest()))

    async def read(self) -> Any:
        async with asyncio.timeout(10):
            return await self.call.read()


async def test_the_created_response_comes_first_and_every_later_event_follows(member: Member) -> None:
    stream = Stream(member)
    created = await stream.create(b"a")
    assert (created.created, created.watch_id) == (True, 0)
    revision = await put(member, b"a", b"1")
    assert revision == created.header.revision + 1
    event = (await stream.read()).events[0]
    assert (event.type, event.kv.value, event.kv.mod_revision) == (kv_pb2.Event.PUT, b"1", revision)


async def test_several_watches_on_a_stream_each_get_every_event_once(member: Member) -> None:
    stream = Stream(member)
    assert [(await stream.create(b"a")).watch_id for _ in range(3)] == [0, 1, 2]
    await put(member, b"a")
    responses = [await stream.read() for _ in range(3)]
    assert sorted(response.watch_id for response in responses) == [0, 1, 2]
    assert {len(response.events) for response in responses} == {1}


async def test_chosen_ids_may_not_repeat(member: Member) -> None:
    stream = Stream(member)
    assert (await stream.create(b"a", watch_id=7)).watch_id == 7
    again = await stream.create(b"a", watch_id=7)
    assert (again.canceled, again.watch_id) == (True, -1)
    assert again.cancel_reason == "mvcc: duplicate watch ID provided on the WatchStream"


async def test_an_empty_range_is_refused(member: Member) -> None:
    refused = await Stream(member).create(b"b", b"a")
    assert (refused.created, refused.canceled, refused.watch_id) == (True, True, -1)


async def test_silence_after_cancel(member: Member) -> None:
    stream = Stream(member)
    await stream.create(b"a")
    await stream.create(b"b")
    await stream.cancel(0)
    assert (await stream.read()).canceled
    await put(member, b"a")
    await put(member, b"b")
    assert (await stream.read()).watch_id == 1


async def test_a_transaction_arrives_as_one_response(member: Member) -> None:
    stream = Stream(member)
    await stream.create(b"a", b"z")
    puts = [rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=key)) for key in (b"c", b"a", b"b")]
    await member.kv.Txn(rpc_pb2.TxnRequest(success=puts))
    assert [event.kv.key for event in (await stream.read()).events] == [b"c", b"a", b"b"]


async def test_a_future_start_hears_nothing_before_it(member: Member) -> None:
    stream = Stream(member)
    now = (await stream.create(b"a", start_revision=1)).header.revision
    await stream.create(b"a", start_revision=now + 2)
    await put(member, b"a", b"early")
    await put(member, b"a", b"late")
    values: dict[int, list[bytes]] = {0: [], 1: []}
    while values != {0: [b"early", b"late"], 1: [b"late"]}:
        response = await stream.read()
        values[response.watch_id] += [event.kv.value for event in response.events]


async def test_replay_goes_over_into_live_without_a_gap(member: Member) -> None:
    revisions = [await put(member, b"a") for _ in range(20)]
    stream = Stream(member)
    await stream.create(b"a", start_revision=revisions[0])
    writing = asyncio.gather(*(put(member, b"a") for _ in range(50)))
    seen: list[int] = []
    while len(seen) < 70:
        seen += [event.kv.mod_revision for event in (await stream.read()).events]
    await writing
    assert seen == list(range(revisions[0], revisions[0] + 70))


async def test_a_compacted_start_is_canceled_with_the_revision(member: Member) -> None:
    revisions = [await put(member, b"a") for _ in range(5)]
    await member.kv.Compact(rpc_pb2.CompactionRequest(revision=revisions[3], physical=True))
    stream = Stream(member)
    await stream.create(b"a", start_revision=revisions[0])
    canceled = await stream.read()
    assert (canceled.canceled, canceled.compact_revision) == (True, revisions[3])
    await stream.create(b"a", start_revision=revisions[3])
    assert [event.kv.mod_revision for event in (await stream.read()).events] == revisions[3:]


async def test_prev_kv_on_change_and_delete_not_on_creation(member: Member) -> None:
    stream = Stream(member)
    await stream.create(b"a", prev_kv=True)
    await put(member, b"a", b"1")
    await put(member, b"a", b"2")
    await member.kv.DeleteRange(rpc_pb2.DeleteRangeRequest(key=b"a"))
    events: list[Any] = []
    while len(events) < 3:
        events += (await stream.read()).events
    assert [event.prev_kv.value for event in events] == [b"", b"1", b"2"]
    assert [event.type for event in events] == [kv_pb2.Event.PUT, kv_pb2.Event.PUT, kv_pb2.Event.DELETE]


async def test_progress_comes_after_the_events_it_promises(member: Member) -> None:
    stream = Stream(member)
    revisions = [await put(member, b"a", b"v" * 1000) for _ in range(50)]
    await stream.create(b"a", start_revision=revisions[0])
    await stream.ask_progress()
    seen = 0
    while (response := await stream.read()).watch_id != -1:
        seen += len(response.events)
    assert (seen, response.header.revision) == (50, revisions[-1])


async def test_a_silent_watch_that_asked_hears_of_progress(member: Member) -> None:
    stream = Stream(member)
    created = await stream.create(b"a", progress_notify=True)
    await stream.create(b"a", progress_notify=True, start_revision=created.header.revision + 100)
    revision = await put(member, b"other")
    while (response := await stream.read()).header.revision < revision:
        assert not response.events
    assert response.watch_id == 0


async def test_a_large_response_comes_in_fragments_if_asked(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_service, "FRAGMENT_EXTRA_BYTES", 2500 - member.node.limits.request_bytes)
    puts = [
        rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=b"%d" % i, value=b"v" * 1000)) for i in range(5)
    ]
    revision = (await member.kv.Txn(rpc_pb2.TxnRequest(success=puts))).header.revision
    stream = Stream(member)
    await stream.create(b"\0", b"\0", start_revision=revision, fragment=True)
    parts = [await stream.read() for _ in range(3)]
    assert [(len(part.events), part.fragment) for part in parts] == [(2, True), (2, True), (1, False)]
    await stream.create(b"\0", b"\0", start_revision=revision)
    whole = await stream.read()
    assert (len(whole.events), whole.fragment) == (5, False)


async def test_a_client_that_asks_no_more_may_still_listen(member: Member) -> None:
    stream = Stream(member)
    await stream.create(b"a")
    await stream.call.done_writing()
    await put(member, b"a")
    assert len((await stream.read()).events) == 1


async def test_a_client_that_leaves_takes_its_cursors_along(member: Member) -> None:
    stream = Stream(member)
    await stream.create(b"a")
    stream.call.cancel()
    fresh = Stream(member)
    await fresh.create(b"a")
    await put(member, b"a")
    assert len((await fresh.read()).events) == 1
    [cursors] = [listener for listener in member.node.store.listeners if isinstance(listener, Cursors)]
    await until_async("its cursors are gone", lambda: len(cursors) == 1)


async def test_who_demands_a_leader_is_refused_without_one(member: Member) -> None:
    await put(member, b"a")
    member.node.waits.leader_is(0)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await member.watch.Watch(metadata=(("hasleader", "true"),)).read()
    assert (refused.value.code(), refused.value.details()) == (
        grpc.StatusCode.UNAVAILABLE,
        "etcdserver: no leader",
    )


async def test_who_demands_a_leader_is_left_when_there_is_none_for_long(member: Member) -> None:
    await put(member, b"a")
    stream = Stream(member, metadata=(("hasleader", "true"),))
    await stream.create(b"a")
    member.node.waits.leader_is(0)
    with pytest.raises(grpc.aio.AioRpcError) as left:
        await stream.read()
    assert left.value.details() == "etcdserver: no leader"
