"""The same random requests to etcd 3.4 and to one member of ours: answer for answer the same."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from subprocess import DEVNULL, Popen
from typing import Any

import grpc.aio
import pytest

from etcdlite.pb import rpc_pb2
from tests.etcdlite.server.conversation import KEYS, Asker, Store

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
REQUESTS = 400
OURS = [sys.executable, "-P", "-m", "etcdlite"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[int]]:
    """The client ports of one etcd and one member of ours."""
    ports = []
    with ExitStack() as ending:
        for command in (["etcd"], OURS):
            client, peer = (f"http://127.0.0.1:{port}" for port in (free_port(), free_port()))
            flags = {
                "name": "m",
                "data-dir": str(tmp_path_factory.mktemp("data") / "m"),
                "listen-client-urls": client,
                "advertise-client-urls": client,
                "listen-peer-urls": peer,
                "initial-advertise-peer-urls": peer,
                "initial-cluster": f"m={peer}",
            }
            arguments = [word for name, value in flags.items() for word in (f"--{name}", value)]
            process = ending.enter_context(
                Popen([*command, *arguments], stdout=DEVNULL, stderr=DEVNULL, cwd=Path(__file__).parents[3])
            )
            ending.callback(process.terminate)
            ports.append(int(client.rsplit(":", 1)[1]))
        yield ports


@asynccontextmanager
async def both(ports: list[int]) -> AsyncIterator[tuple[Store, Store]]:
    """Both stores, answering and empty of what an earlier test left."""
    channels = [grpc.aio.insecure_channel(f"127.0.0.1:{port}") for port in ports]
    theirs, ours = map(Store, channels)
    for store in (theirs, ours):
        everything = rpc_pb2.DeleteRangeRequest(key=b"\0", range_end=b"\0")
        await store.calls["DeleteRange"](everything, wait_for_ready=True, timeout=30)
    yield theirs, ours
    for channel in channels:
        await channel.close()


async def converse(asker: Asker, theirs: Store, ours: Store) -> None:
    for number in range(REQUESTS):
        kind, request = asker.request()
        expected = await theirs.ask(kind, request)
        actual = await ours.ask(kind, request)
        assert actual == expected, f"request {number}: {kind} {request}"
        asker.revision = int(await revision_of(theirs))


async def revision_of(store: Store) -> int:
    response = await store.calls["Range"](rpc_pb2.RangeRequest(key=b"none"))
    return int(response.header.revision)


@pytest.mark.parametrize("seed", range(6))
async def test_same_answers(ports: list[int], seed: int) -> None:
    async with both(ports) as (theirs, ours):
        await converse(Asker(seed), theirs, ours)


@pytest.mark.parametrize("seed", range(3))
async def test_same_events(ports: list[int], seed: int) -> None:
    async with both(ports) as (theirs, ours):
        asker = Asker(seed + 100)
        await converse(asker, theirs, ours)
        random = Random(seed)
        watches = [creation(random, asker) for _ in range(8)]
        expected, actual = await asyncio.gather(*(store.watch(*watches) for store in (theirs, ours)))
        assert (missing(expected, actual), missing(actual, expected)) == ([], [])


def missing(whole: list[str], part: list[str]) -> list[str]:
    return list((Counter(whole) - Counter(part)).elements())


def creation(random: Random, asker: Asker) -> Any:
    return rpc_pb2.WatchCreateRequest(
        key=random.choice(KEYS),
        range_end=random.choice([b"", b"\0", b"c", b"d"]),
        start_revision=max(asker.revision - random.randint(0, 60), 1),
        prev_kv=random.random() < 0.5,
        filters=random.choice(
            [[], [], [rpc_pb2.WatchCreateRequest.NOPUT], [rpc_pb2.WatchCreateRequest.NODELETE]]
        ),
    )
