"""The same random requests to etcd 3.4 and to three members of ours: answer for answer the same."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from subprocess import DEVNULL, Popen
from typing import Any

import grpc
import grpc.aio
import pytest

from etcdlite.pb import rpc_pb2, rpc_pb2_grpc
from tests.etcdlite.server.conversation import KEYS, Asker, Store
from tests.support.store_cluster import StoreCluster, free_ports

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
REQUESTS = 200


@dataclass
class Pair:
    """The address of the one, the processes of the other."""

    etcd: str
    cluster: StoreCluster


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    client, peer = (f"127.0.0.1:{port}" for port in free_ports(2))
    flags = {
        "data-dir": str(tmp_path_factory.mktemp("etcd") / "data"),
        "listen-client-urls": f"http://{client}",
        "advertise-client-urls": f"http://{client}",
        "listen-peer-urls": f"http://{peer}",
        "initial-advertise-peer-urls": f"http://{peer}",
        "initial-cluster": f"default=http://{peer}",
    }
    arguments = [f"--{name}={value}" for name, value in flags.items()]
    with (
        StoreCluster(tmp_path_factory.mktemp("ours")) as cluster,
        Popen(["etcd", *arguments], stdout=DEVNULL, stderr=DEVNULL) as etcd,
    ):
        cluster.start()
        yield Pair(client, cluster)
        etcd.kill()


def credentials(cluster: StoreCluster) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        *(Path(file).read_bytes() for file in (cluster.ca, cluster.key, cluster.cert))
    )


@asynccontextmanager
async def both(pair: Pair) -> AsyncIterator[tuple[Store, Store]]:
    """Both stores, answering and empty of what an earlier test left."""
    members = [endpoint.removeprefix("https://") for endpoint in pair.cluster.endpoints]
    theirs = Store([grpc.aio.insecure_channel(pair.etcd)])
    ours = Store([grpc.aio.secure_channel(member, credentials(pair.cluster)) for member in members])
    everything = rpc_pb2.DeleteRangeRequest(key=b"\0", range_end=b"\0")
    for store in (theirs, ours):
        for _ in store.channels:
            await store.call("DeleteRange", everything, wait_for_ready=True, timeout=60)
    yield theirs, ours
    for channel in theirs.channels + ours.channels:
        await channel.close()


async def converse(asker: Asker, theirs: Store, ours: Store) -> None:
    for number in range(REQUESTS):
        kind, request = asker.request()
        expected = await theirs.ask(kind, request)
        actual = await ours.ask(kind, request)
        assert actual == expected, f"request {number}: {kind} {request}"
        asker.revision = (await theirs.call("Range", rpc_pb2.RangeRequest(key=b"none"))).header.revision


async def hashes(store: Store) -> set[tuple[int, int]]:
    """What the members say of all their history up to the newest revision."""
    newest = (await store.call("Range", rpc_pb2.RangeRequest(key=b"none"))).header.revision
    said = set()
    for channel in store.channels:
        await rpc_pb2_grpc.KVStub(channel).Range(rpc_pb2.RangeRequest(key=b"none"))  # it has caught up now
        response = await rpc_pb2_grpc.MaintenanceStub(channel).HashKV(rpc_pb2.HashKVRequest(revision=newest))
        said.add((response.hash, response.compact_revision))
    return said


@pytest.mark.parametrize("seed", range(5))
async def test_same_answers(pair: Pair, seed: int) -> None:
    async with both(pair) as (theirs, ours):
        await converse(Asker(seed), theirs, ours)
        assert len(await hashes(ours)) == 1


@pytest.mark.parametrize("seed", range(3))
async def test_same_events(pair: Pair, seed: int) -> None:
    async with both(pair) as (theirs, ours):
        asker = Asker(seed + 100)
        await converse(asker, theirs, ours)
        random = Random(seed)
        watches = [creation(random, asker) for _ in range(8)]
        expected, actual = await asyncio.gather(*(store.watch(*watches) for store in (theirs, ours)))
        assert (missing(expected, actual), missing(actual, expected)) == ([], [])


def missing(whole: list[str], part: list[str]) -> list[str]:
    return list((Counter(whole) - Counter(part)).elements())


def creation(random: Random, asker: Asker) -> Any:
    no_put, no_delete = rpc_pb2.WatchCreateRequest.NOPUT, rpc_pb2.WatchCreateRequest.NODELETE
    return rpc_pb2.WatchCreateRequest(
        key=random.choice(KEYS),
        range_end=random.choice([b"", b"\0", b"c", b"d"]),
        start_revision=max(asker.revision - random.randint(0, 60), 1),
        prev_kv=random.random() < 0.5,
        filters=random.choice([[], [], [no_put], [no_delete]]),
    )
