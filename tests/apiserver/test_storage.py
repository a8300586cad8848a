"""The contract of Storage, kept by real members (ours, Debian's) and the twin in memory of other tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from apiserver import compactor
from apiserver.storage.etcd import EtcdStorage
from apiserver.storage.interface import Compacted, KeyExists, Refused, Stale, Storage, Unavailable
from etcdlite.client import rpc_pb2 as pb
from tests.support.memory_storage import MemoryStorage
from tests.support.store_cluster import DEBIANS, OURS, StoreCluster
from tests.support.wait import until_async


@asynccontextmanager
async def member(folder: Path, program: tuple[str, ...] = OURS) -> AsyncIterator[EtcdStorage]:
    """A client of one real member that answers."""
    with StoreCluster(folder, size=1, program=program) as cluster:
        cluster.start()
        real = EtcdStorage(cluster.endpoints, cluster.ca, cluster.cert, cluster.key)

        async def answers() -> bool:
            try:
                return await real.current_revision() > 0
            except Unavailable:
                return False

        try:
            await until_async("the member answers", answers)
            yield real
        finally:
            await real.close()


REAL = [pytest.mark.e2e, pytest.mark.slow]
PROGRAMS = [pytest.param(OURS, id="ours", marks=REAL), pytest.param(DEBIANS, id="debians", marks=REAL)]


@pytest.fixture(params=[pytest.param(None, id="memory"), *PROGRAMS])
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    if request.param is None:
        yield MemoryStorage()
        return
    async with member(tmp_path, request.param) as real:
        yield real


async def test_a_key_is_created_once(storage: Storage) -> None:
    assert await storage.get("/registry/x/a") is None
    revision = await storage.create("/registry/x/a", b"1")
    found = await storage.get("/registry/x/a")
    assert found is not None
    assert (found.value, found.revision) == (b"1", revision)
    with pytest.raises(KeyExists):
        await storage.create("/registry/x/a", b"2")
    assert await storage.current_revision() == revision


async def test_writes_are_guarded_and_tell_what_stands_there(storage: Storage) -> None:
    first = await storage.create("/registry/x/a", b"1")
    second = await storage.update("/registry/x/a", b"2", first)
    with pytest.raises(Stale) as stale:
        await storage.update("/registry/x/a", b"3", first)
    assert stale.value.current is not None
    assert (stale.value.current.value, stale.value.current.revision) == (b"2", second)
    with pytest.raises(Stale):
        await storage.delete("/registry/x/a", first)
    third = await storage.delete("/registry/x/a", second)
    assert third > second
    with pytest.raises(Stale) as gone:
        await storage.update("/registry/x/a", b"4", second)
    assert gone.value.current is None


async def test_lists_are_ordered_paged_and_of_one_revision(storage: Storage) -> None:
    for name in "cab":
        await storage.create(f"/registry/x/{name}", b"1")
    await storage.create("/registry/y/z", b"1")
    page = await storage.list("/registry/x/", limit=2)
    assert ([each.key[-1] for each in page.items], page.remaining) == (["a", "b"], 1)
    await storage.create("/registry/x/d", b"1")
    rest = await storage.list("/registry/x/", page.items[-1].key + "\0", 2, page.revision)
    assert ([each.key[-1] for each in rest.items], rest.remaining) == (["c"], 0)
    await storage.compact(await storage.current_revision())
    with pytest.raises(Compacted):
        await storage.list("/registry/x/", revision=page.revision)


async def test_a_watch_sees_every_change_once_and_in_order(storage: Storage) -> None:
    first = await storage.create("/registry/x/a", b"1")
    second = await storage.update("/registry/x/a", b"2", first)
    seen = []
    async with asyncio.timeout(60):
        async for changes in storage.watch(first):
            seen += [(each.key, each.value, each.revision) for each in changes.changes]
            if len(seen) == 2:
                third = await storage.delete("/registry/x/a", second)
            if len(seen) == 3:
                break
    key = "/registry/x/a"
    assert seen == [(key, b"1", first), (key, b"2", second), (key, None, third)]


async def test_a_watch_from_before_the_history_is_refused(storage: Storage) -> None:
    first = await storage.create("/registry/x/a", b"1")
    second = await storage.update("/registry/x/a", b"2", first)
    await storage.compact(second)
    with pytest.raises(Compacted):
        async with asyncio.timeout(60):
            await anext(aiter(storage.watch(first)))


async def test_a_key_may_have_a_lifetime(storage: Storage) -> None:
    revision = await storage.create("/registry/events/a", b"1", ttl_seconds=3600)
    assert await storage.update("/registry/events/a", b"2", revision, ttl_seconds=3600) > revision


@pytest.mark.parametrize("program", PROGRAMS)
async def test_of_several_servers_one_compacts(tmp_path: Path, program: tuple[str, ...]) -> None:
    async with member(tmp_path, program) as storage:
        revisions = [await storage.create(f"/registry/x/{name}", b"1") for name in "ab"]
        # Both begin; only one makes the guard.
        first = await compactor.one_round(storage, 0, 0)
        second = await compactor.one_round(storage, 0, 0)
        assert (first[0], second[0]) == (1, 1)
        first = await compactor.one_round(storage, *first)
        with pytest.raises(Compacted):
            await storage.list("/registry/x/", revision=revisions[0])
        # The other one takes over when that one is gone, and a compaction by hand is no obstacle.
        second = await compactor.one_round(storage, *second)
        assert first[0] == second[0] == 2
        await storage.compact(await storage.current_revision())
        assert (await compactor.one_round(storage, *second))[0] == 3


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_lease_that_the_store_has_lost_is_made_anew(tmp_path: Path, program: tuple[str, ...]) -> None:
    async with member(tmp_path, program) as storage:
        await storage.create("/registry/events/a", b"1", ttl_seconds=100)
        await storage.create("/registry/events/b", b"1", ttl_seconds=100)
        [lease] = (await storage._client._call("lease", "LeaseLeases", pb.LeaseLeasesRequest())).leases
        await storage._client.lease_revoke(lease.ID)
        assert await storage.get("/registry/events/a") is None
        await storage.create("/registry/events/a", b"2", ttl_seconds=100)
        assert await storage.get("/registry/events/a") is not None


@pytest.mark.e2e
@pytest.mark.slow
async def test_two_clusters_share_a_store_under_their_prefixes(tmp_path: Path) -> None:
    with StoreCluster(tmp_path, size=1) as cluster:
        cluster.start()
        cluster.wait_until_started()
        files = (cluster.endpoints, cluster.ca, cluster.cert, cluster.key)
        one, other = EtcdStorage(*files), EtcdStorage(*files, prefix="/other")
        revision = await one.create("/registry/x/a", b"1")
        assert await other.create("/registry/x/a", b"2") > revision
        with pytest.raises(Stale) as stale:
            await other.update("/registry/x/a", b"3", revision)
        assert stale.value.current is not None
        assert (stale.value.current.key, stale.value.current.value) == ("/registry/x/a", b"2")
        assert [each.value for each in (await one.list("/registry/")).items] == [b"1"]
        seen = []
        async for changes in other.watch(revision):
            # Of the other cluster's changes one learns the revisions alone.
            seen += [(each.key, each.revision) for each in changes.changes]
            if len(seen) == 2:
                break
        assert seen == [("", revision), ("/registry/x/a", revision + 1)]
        keys = cluster.etcdctl("get", "--keys-only", "--prefix", "/").split()
        assert keys == ["/other/x/a", "/registry/x/a"]
        await one.close()
        await other.close()


@pytest.mark.parametrize("program", PROGRAMS)
async def test_the_store_says_no_in_its_own_words(tmp_path: Path, program: tuple[str, ...]) -> None:
    async with member(tmp_path, program) as storage:
        with pytest.raises(Refused) as refused:
            await storage.create("/registry/x/a", b"1" * 1_600_000)
        assert str(refused.value) == "etcdserver: request is too large"
