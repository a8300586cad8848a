"""The contract of Storage, kept by a real store member and by the twin in memory that the other tests use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from apiserver.storage.etcd import EtcdStorage
from apiserver.storage.interface import Compacted, KeyExists, Stale, Storage, Unavailable
from tests.support.memory_storage import MemoryStorage
from tests.support.store_cluster import StoreCluster
from tests.support.wait import until_async


@asynccontextmanager
async def member(folder: Path) -> AsyncIterator[EtcdStorage]:
    """A client of one real member that answers."""
    with StoreCluster(folder, size=1) as cluster:
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


@pytest.fixture(params=["memory", pytest.param("member", marks=[pytest.mark.e2e, pytest.mark.slow])])
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    if request.param == "memory":
        yield MemoryStorage()
        return
    async with member(tmp_path) as real:
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


@pytest.mark.e2e
@pytest.mark.slow
async def test_of_several_servers_one_may_compact(tmp_path: Path) -> None:
    async with member(tmp_path) as storage:
        first = await storage.create("/registry/x/a", b"1")
        assert await storage.claim_compaction(0) == (True, 1, first)
        late = await storage.claim_compaction(0)
        assert late == (False, 1, first)
        await storage.update("/registry/x/a", b"2", first)
        mine, version, _ = await storage.claim_compaction(late[1])
        assert (mine, version) == (True, 2)
        assert (await storage.claim_compaction(1))[0] is False
