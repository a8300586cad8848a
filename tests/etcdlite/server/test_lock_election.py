"""Locks and elections: the same tests on etcd 3.4 and on three members of ours, each call at another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import cycle
from typing import Any

import grpc
import grpc.aio
import pytest

from etcdlite.pb import election_pb2, election_pb2_grpc, lock_pb2, lock_pb2_grpc, rpc_pb2, rpc_pb2_grpc
from tests.etcdlite.server.test_against_etcd import Pair, credentials, pair
from tests.support.wait import until_async

__all__ = ["pair"]

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
SECONDS = 60


class Store:
    """The services of one store; each time they are asked for, at its next member."""

    def __init__(self, channels: list[grpc.aio.Channel]) -> None:
        self.channels = channels
        self._next = cycle(channels)

    @property
    def lock(self) -> Any:
        return lock_pb2_grpc.LockStub(next(self._next))

    @property
    def election(self) -> Any:
        return election_pb2_grpc.ElectionStub(next(self._next))

    @property
    def kv(self) -> Any:
        return rpc_pb2_grpc.KVStub(next(self._next))

    @property
    def leases(self) -> Any:
        return rpc_pb2_grpc.LeaseStub(next(self._next))

    async def grant(self) -> int:
        return (await self.leases.LeaseGrant(rpc_pb2.LeaseGrantRequest(TTL=600))).ID

    async def revoke(self, lease: int) -> None:
        await self.leases.LeaseRevoke(rpc_pb2.LeaseRevokeRequest(ID=lease))

    async def keys(self, prefix: bytes) -> list[bytes]:
        end = prefix[:-1] + bytes([prefix[-1] + 1])
        request = rpc_pb2.RangeRequest(key=prefix, range_end=end, sort_target=2, sort_order=1)
        return [kv.key for kv in (await self.kv.Range(request)).kvs]


@pytest.fixture(params=["etcd", "ours"])
async def store(request: pytest.FixtureRequest, pair: Pair) -> AsyncIterator[Store]:
    if request.param == "etcd":
        channels = [grpc.aio.insecure_channel(pair.etcd)]
    else:
        members = [endpoint.removeprefix("https://") for endpoint in pair.cluster.endpoints]
        channels = [grpc.aio.secure_channel(member, credentials(pair.cluster)) for member in members]
    everything = rpc_pb2.DeleteRangeRequest(key=b"\0", range_end=b"\0")
    for channel in channels:
        kv = rpc_pb2_grpc.KVStub(channel)
        await kv.DeleteRange(everything, wait_for_ready=True, timeout=SECONDS)
    yield Store(channels)
    for channel in channels:
        await channel.close()


def key(name: bytes, lease: int) -> bytes:
    return name + b"/%x" % lease


async def refusal(call: Any) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value.code().name, refused.value.details()


async def waiting(store: Store, prefix: bytes, count: int) -> None:
    async def all_there() -> bool:
        return len(await store.keys(prefix)) == count

    await until_async(f"{count} keys under {prefix!r}", all_there)


# ---- locks


async def test_a_lock_passes_from_one_to_the_next_in_order(store: Store) -> None:
    leases = [await store.grant() for _ in range(3)]
    got: list[int] = []

    async def take(lease: int) -> None:
        answer = await store.lock.Lock(lock_pb2.LockRequest(name=b"l", lease=lease), timeout=SECONDS)
        assert answer.key == key(b"l", lease)
        got.append(lease)

    takers = []
    for count, lease in enumerate(leases, start=1):
        takers.append(asyncio.ensure_future(take(lease)))
        await waiting(store, b"l/", count)
    await until_async("the first has it", lambda: got == leases[:1])
    await store.lock.Unlock(lock_pb2.UnlockRequest(key=key(b"l", leases[0])))
    await until_async("the second has it", lambda: got == leases[:2])
    # A holder whose lease ends has lost it, too.
    await store.revoke(leases[1])
    await until_async("the third has it", lambda: got == leases)
    await asyncio.gather(*takers)


async def test_who_holds_a_lock_may_ask_again(store: Store) -> None:
    lease = await store.grant()
    request = lock_pb2.LockRequest(name=b"l", lease=lease)
    first = await store.lock.Lock(request, timeout=SECONDS)
    again = await store.lock.Lock(request, timeout=SECONDS)
    assert again.key == first.key
    assert again.header.revision == first.header.revision


async def test_without_a_lease_one_is_made(store: Store) -> None:
    answer = await store.lock.Lock(lock_pb2.LockRequest(name=b"l"), timeout=SECONDS)
    lease = int(answer.key.removeprefix(b"l/"), 16)
    left = await store.leases.LeaseTimeToLive(rpc_pb2.LeaseTimeToLiveRequest(ID=lease, keys=True))
    assert (left.grantedTTL, list(left.keys)) == (60, [answer.key])


async def test_an_unknown_lease_locks_nothing(store: Store) -> None:
    call = store.lock.Lock(lock_pb2.LockRequest(name=b"l", lease=12345), timeout=SECONDS)
    assert await refusal(call) == ("UNKNOWN", "etcdserver: requested lease not found")
    assert await store.keys(b"l/") == []


async def test_names_that_begin_alike_are_two_locks(store: Store) -> None:
    for name in (b"l", b"ll", b"l/l"):
        lease = await store.grant()
        await store.lock.Lock(lock_pb2.LockRequest(name=name, lease=lease), timeout=SECONDS)
        await store.revoke(lease)


async def test_unlocking_what_is_not_locked_is_no_mistake(store: Store) -> None:
    await store.lock.Unlock(lock_pb2.UnlockRequest(key=b"l/1"))
    assert await refusal(store.lock.Unlock(lock_pb2.UnlockRequest())) == (
        "UNKNOWN",
        "etcdserver: key is not provided",
    )


# ---- elections


async def campaign(store: Store, lease: int, value: bytes) -> Any:
    request = election_pb2.CampaignRequest(name=b"e", lease=lease, value=value)
    return await store.election.Campaign(request, timeout=SECONDS)


async def test_a_leader_proclaims_and_resigns_and_another_leads(store: Store) -> None:
    one, two = await store.grant(), await store.grant()
    elected = await campaign(store, one, b"first")
    assert (elected.leader.name, elected.leader.key) == (b"e", key(b"e", one))
    assert (elected.leader.lease, elected.leader.rev) == (one, elected.header.revision)
    heir = asyncio.ensure_future(campaign(store, two, b"second"))
    await waiting(store, b"e/", 2)
    asked = election_pb2.LeaderRequest(name=b"e")
    assert (await store.election.Leader(asked)).kv.value == b"first"
    await store.election.Proclaim(election_pb2.ProclaimRequest(leader=elected.leader, value=b"still"))
    assert (await store.election.Leader(asked)).kv.value == b"still"
    await store.election.Resign(election_pb2.ResignRequest(leader=elected.leader))
    assert (await heir).leader.key == key(b"e", two)
    assert (await store.election.Leader(asked)).kv.value == b"second"
    # Who resigned does not speak for the others any more; to resign twice is no mistake.
    late = store.election.Proclaim(election_pb2.ProclaimRequest(leader=elected.leader, value=b"x"))
    assert await refusal(late) == ("UNKNOWN", "election: not leader")
    await store.election.Resign(election_pb2.ResignRequest(leader=elected.leader))
    assert (await store.election.Leader(asked)).kv.value == b"second"


async def test_who_campaigns_again_changes_his_value(store: Store) -> None:
    lease = await store.grant()
    first = await campaign(store, lease, b"a")
    again = await campaign(store, lease, b"b")
    assert again.leader.rev == first.leader.rev
    leader = await store.election.Leader(election_pb2.LeaderRequest(name=b"e"))
    assert (leader.kv.value, leader.kv.create_revision) == (b"b", first.leader.rev)


async def test_nobody_elected(store: Store) -> None:
    asked = store.election.Leader(election_pb2.LeaderRequest(name=b"e"))
    assert await refusal(asked) == ("UNKNOWN", "election: no leader")
    for nameless in (
        store.election.Proclaim(election_pb2.ProclaimRequest(value=b"x")),
        store.election.Resign(election_pb2.ResignRequest()),
    ):
        assert await refusal(nameless) == ("UNKNOWN", '"leader" field must be provided')


async def test_an_observer_sees_every_leader_and_what_they_proclaim(store: Store) -> None:
    one, two = await store.grant(), await store.grant()
    observing = store.election.Observe(election_pb2.LeaderRequest(name=b"e"))
    elected = await campaign(store, one, b"1")
    assert (await observing.read()).kv.value == b"1"
    await store.election.Proclaim(election_pb2.ProclaimRequest(leader=elected.leader, value=b"2"))
    assert (await observing.read()).kv.value == b"2"
    heir = asyncio.ensure_future(campaign(store, two, b"3"))
    await waiting(store, b"e/", 2)
    await store.revoke(one)
    await heir
    seen = await observing.read()
    assert (seen.kv.key, seen.kv.value) == (key(b"e", two), b"3")
    observing.cancel()


async def test_who_gives_up_a_campaign_is_out_of_the_queue(store: Store) -> None:
    one, two = await store.grant(), await store.grant()
    await campaign(store, one, b"1")
    request = election_pb2.CampaignRequest(name=b"e", lease=two, value=b"2")
    call = store.election.Campaign(request, timeout=SECONDS)
    await waiting(store, b"e/", 2)
    call.cancel()
    await waiting(store, b"e/", 1)
    assert await store.keys(b"e/") == [key(b"e", one)]
