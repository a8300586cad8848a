"""Three real members whose links are cut on purpose: a leader cut off, one link cut, and the healing."""

from __future__ import annotations

import pytest

from etcdlite.client import Client, ClientError
from tests.etcdlite.test_cluster import all_equal, client_of, leader_of, wait_for_leader
from tests.support.store_cluster import StoreCluster
from tests.support.wait import until_async

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture
def cluster(tmp_path):
    with StoreCluster(tmp_path, flags=("--enable-fault-injection",)) as cluster:
        cluster.start()
        wait_for_leader(cluster)
        yield cluster


async def isolate(cluster: StoreCluster, client: Client, number: int) -> None:
    """Cut a member off from both others, at all ends."""
    statuses = [await client.status(endpoint) for endpoint in cluster.endpoints]
    ids = [status.header.member_id for status in statuses]
    for other in {0, 1, 2} - {number}:
        await client.cut_links(cluster.endpoints[number], [ids[other]])
        await client.cut_links(cluster.endpoints[other], [ids[number]])


async def test_a_leader_cut_off_loses_its_office_and_catches_up(cluster):
    async with client_of(cluster) as client:
        await client.put(b"before", b"")
        old = await leader_of(cluster, client)
        await isolate(cluster, client, old)
        others = [number for number in range(3) if number != old]
        async with client_of(cluster, *others) as majority, client_of(cluster, old) as minority:
            new = await leader_of(cluster, majority, others)
            assert new != old
            await majority.put(b"during", b"")
            with pytest.raises(ClientError):
                await minority.put(b"lost", b"", timeout=2)
            # It has noticed by itself that it hears no majority.
            await until_async("the old leader steps down", lambda: knows_no_leader(cluster, minority, old))
            assert (await minority.range_(b"during", serializable=True)).count == 0
            for endpoint in cluster.endpoints:
                await client.heal_links(endpoint)
            assert await client.list_cut_links(cluster.endpoints[old]) == []
            assert (await minority.range_(b"during", timeout=30)).count == 1
            assert (await majority.range_(b"lost")).count == 0
        await all_equal(cluster, client)


async def knows_no_leader(cluster: StoreCluster, client: Client, number: int) -> bool:
    return (await client.status(cluster.endpoints[number])).leader == 0


async def test_one_cut_link_costs_no_write_at_the_members_it_does_not_part(cluster):
    async with client_of(cluster) as client:
        leader = await leader_of(cluster, client)
        ends = [(leader + 1) % 3, leader]
        ids = [(await client.status(cluster.endpoints[number])).header.member_id for number in ends]
        for end, other in zip(ends, reversed(ids), strict=True):
            await client.cut_links(cluster.endpoints[end], [other])
        # The cut end asks for votes, and the member between them, which hears the leader, refuses.
        async with client_of(cluster, leader, (leader + 2) % 3) as near:
            await until_async("the far end is alone", lambda: knows_no_leader(cluster, client, ends[0]))
            for number in range(20):
                await near.put(b"k", b"%d" % number)
            assert await leader_of(cluster, near, [leader, (leader + 2) % 3]) == leader
        for endpoint in cluster.endpoints:
            await client.heal_links(endpoint)
        await all_equal(cluster, client)


async def test_links_to_strangers_are_refused(cluster):
    async with client_of(cluster) as client:
        await leader_of(cluster, client)
        with pytest.raises(ClientError, match="member not found"):
            await client.cut_links(cluster.endpoints[0], [12345])


async def test_without_the_flag_there_is_nothing_to_call(tmp_path):
    with StoreCluster(tmp_path, size=1) as single:
        single.start()
        async with client_of(single, 0) as client:
            await client.put(b"k", b"v")
            with pytest.raises(ClientError) as refused:
                await client.cut_links(single.endpoints[0], [])
    assert refused.value.code == "UNIMPLEMENTED"
