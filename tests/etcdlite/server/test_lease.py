"""What etcd's own lease tests assert, on one member of ours."""

from __future__ import annotations

from typing import Any

import grpc
import grpc.aio
import pytest

from etcdlite.pb import kv_pb2, rpc_pb2
from tests.etcdlite.server.conftest import Member
from tests.etcdlite.server.test_watch import Stream

MIN_TTL = 1  # one and a half election timeouts of the fixture, rounded up


async def grant(member: Member, ttl: int, lease_id: int = 0) -> Any:
    return await member.lease.LeaseGrant(rpc_pb2.LeaseGrantRequest(TTL=ttl, ID=lease_id))


async def time_to_live(member: Member, lease_id: int) -> Any:
    return await member.lease.LeaseTimeToLive(rpc_pb2.LeaseTimeToLiveRequest(ID=lease_id, keys=True))


async def refused(call: Any) -> tuple[grpc.StatusCode, str | None]:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value.code(), error.value.details()


async def test_a_grant_picks_an_id_and_has_a_least_ttl(member: Member) -> None:
    granted = await grant(member, 0)
    assert (granted.ID > 0, granted.TTL) == (True, MIN_TTL)
    again = grpc.StatusCode.FAILED_PRECONDITION, "etcdserver: lease already exists"
    assert await refused(grant(member, 10, granted.ID)) == again
    too_large = grpc.StatusCode.OUT_OF_RANGE, "etcdserver: too large lease TTL"
    assert await refused(grant(member, 9_000_000_001)) == too_large


async def test_time_to_live_names_keys_and_knows_what_is_gone(member: Member) -> None:
    await grant(member, 100, -5)
    for key in (b"b", b"a"):
        await member.kv.Put(rpc_pb2.PutRequest(key=key, lease=-5))
    answer = await time_to_live(member, -5)
    assert (answer.grantedTTL, list(answer.keys)) == (100, [b"a", b"b"])
    assert 90 < answer.TTL <= 100
    await member.lease.LeaseRevoke(rpc_pb2.LeaseRevokeRequest(ID=-5))
    assert (await time_to_live(member, -5)).TTL == -1
    missing = grpc.StatusCode.NOT_FOUND, "etcdserver: requested lease not found"
    assert await refused(member.lease.LeaseRevoke(rpc_pb2.LeaseRevokeRequest(ID=-5))) == missing


async def test_leases_are_listed_next_to_expire_first(member: Member) -> None:
    for lease_id, ttl in ((1, 300), (2, 100), (3, 200)):
        await grant(member, ttl, lease_id)
        await time_to_live(member, lease_id)  # its time begins when the leader looks
    listed = await member.lease.LeaseLeases(rpc_pb2.LeaseLeasesRequest())
    assert [lease.ID for lease in listed.leases] == [2, 3, 1]


async def test_expiry_deletes_the_keys_in_one_revision(member: Member) -> None:
    stream = Stream(member)
    await stream.create(b"a", b"c")
    granted = await grant(member, MIN_TTL)
    for key in (b"b", b"a"):
        await member.kv.Put(rpc_pb2.PutRequest(key=key, lease=granted.ID))
        await stream.read()
    deleted = await stream.read()
    assert [(event.type, event.kv.key) for event in deleted.events] == [
        (kv_pb2.Event.DELETE, b"a"),
        (kv_pb2.Event.DELETE, b"b"),
    ]
    assert len({event.kv.mod_revision for event in deleted.events}) == 1


async def test_keepalive_renews_and_answers_zero_for_what_is_gone(member: Member) -> None:
    await grant(member, 100, 7)
    await time_to_live(member, 7)  # its time begins when the leader looks
    lease = member.node.lessor.get(7)
    assert lease is not None
    call = member.lease.LeaseKeepAlive()
    for _ in range(3):
        before = lease.deadline
        await call.write(rpc_pb2.LeaseKeepAliveRequest(ID=7))
        assert (await call.read()).TTL == 100
        assert lease.deadline > before
    await call.write(rpc_pb2.LeaseKeepAliveRequest(ID=77))
    gone = await call.read()
    assert (gone.ID, gone.TTL) == (77, 0)
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
