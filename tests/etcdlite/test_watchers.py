"""Many watches and slow ones, at a real member: nothing is lost, and nobody costs the others anything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from etcdlite.client import Client
from etcdlite.pb import rpc_pb2, rpc_pb2_grpc
from tests.etcdlite.server.test_against_etcd import credentials
from tests.support.store_cluster import StoreCluster

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

WATCHES = 10_000
# Written while nobody reads: more than all buffers on the way, and than what a member keeps in memory.
WRITTEN_BYTES = 48 << 20
VALUE = bytes(256 << 10)
SLOW = 20
# What a member may grow by: its log, recent events, what waits for the disk; not SLOW times that.
GROWTH_BYTES_MAX = 4 * WRITTEN_BYTES


@pytest.fixture
def single(tmp_path: Path) -> Iterator[StoreCluster]:
    with StoreCluster(tmp_path, size=1) as cluster:
        cluster.start()
        yield cluster


def client_of(cluster: StoreCluster) -> Client:
    return Client(cluster.endpoints, cluster.ca, cluster.cert, cluster.key, timeout=60)


@asynccontextmanager
async def stream_of(cluster: StoreCluster) -> AsyncIterator[Any]:
    """A bare watch stream, which reads nothing by itself."""
    target = cluster.endpoints[0].removeprefix("https://")
    async with grpc.aio.secure_channel(target, credentials(cluster)) as channel:
        call = rpc_pb2_grpc.WatchStub(channel).Watch(wait_for_ready=True)
        yield call
        call.cancel()


def create(key: bytes, watch_id: int = 0, **options: Any) -> rpc_pb2.WatchRequest:
    request = rpc_pb2.WatchCreateRequest(key=key, watch_id=watch_id, **options)
    return rpc_pb2.WatchRequest(create_request=request)


async def test_ten_thousand_watches_see_what_is_theirs(single: StoreCluster) -> None:
    async with client_of(single) as client, stream_of(single) as stream:
        for number in range(WATCHES):
            await stream.write(create(b"k%d" % number, watch_id=number + 1))
            assert (await stream.read()).created
        for number in (0, WATCHES // 2, WATCHES - 1, 3):
            await client.put(b"k%d" % number, b"v")
            response = await stream.read()
            assert response.watch_id == number + 1
            assert [event.kv.key for event in response.events] == [b"k%d" % number]


async def test_ten_thousand_watches_of_one_key_all_hear_of_it(single: StoreCluster) -> None:
    async with client_of(single) as client, stream_of(single) as stream:
        for number in range(WATCHES):
            await stream.write(create(b"k", watch_id=number + 1))
            assert (await stream.read()).created
        put = await client.put(b"k", b"v")
        heard = set()
        for _ in range(WATCHES):
            response = await stream.read()
            assert [event.kv.mod_revision for event in response.events] == [put.header.revision]
            heard.add(response.watch_id)
    assert heard == set(range(1, WATCHES + 1))


def resident_bytes(cluster: StoreCluster) -> int:
    """What a member holds for itself; what it maps of its files can be dropped at any time."""
    status = Path(f"/proc/{cluster.pid(0)}/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("RssAnon:"))


async def test_clients_that_do_not_read_cost_no_memory_and_miss_nothing(single: StoreCluster) -> None:
    count = WRITTEN_BYTES // len(VALUE)
    async with client_of(single) as client, AsyncExitStack() as stack:
        quick = await stack.enter_async_context(client.watch(b"k"))
        slow = [await stack.enter_async_context(stream_of(single)) for _ in range(SLOW)]
        for stream in slow:
            await stream.write(create(b"k"))
            assert (await stream.read()).created
        await client.put(b"k", VALUE)
        before = resident_bytes(single)
        for _ in range(count - 1):
            await client.put(b"k", VALUE)
        # Whoever reads is up to date while the others have not read a byte.
        assert await versions_of(quick.__anext__, count) == list(range(1, count + 1))
        assert resident_bytes(single) - before < GROWTH_BYTES_MAX
        assert await versions_of(slow[0].read, count) == list(range(1, count + 1))


async def versions_of(read: Callable[[], Awaitable[Any]], count: int) -> list[int]:
    """The versions in the next responses, until there are so many."""
    versions: list[int] = []
    while len(versions) < count:
        versions += [event.kv.version for event in (await read()).events]
    return versions


async def test_the_slow_client_that_leaves_is_forgotten(single: StoreCluster) -> None:
    async with client_of(single) as client:
        async with stream_of(single) as slow:
            await slow.write(create(b"k"))
            assert (await slow.read()).created
            for _ in range(8):
                await client.put(b"k", VALUE)
        async with client.watch(b"k") as again:
            await client.put(b"k", b"last")
            response = await anext(again)
    assert [event.kv.value for event in response.events] == [b"last"]
