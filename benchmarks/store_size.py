"""What a store of many keys takes: memory, and time to start.

    .venv/bin/python -P benchmarks/store_size.py [keys]

Three members from nothing to the first acknowledged put; their memory when empty; a member's memory with so
many keys of 1 KB; and how long that member, killed and started again, takes to answer a linearizable read.
Ours, then Debian's etcd.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import uvloop

from benchmarks.noise import Noise, resident_mb
from benchmarks.stores import STORES, client_of, folder_for
from etcdlite.client import Client, ClientError
from tests.support.store_cluster import StoreCluster

VALUE = bytes(1000)
WRITERS = 64
POLL_SECONDS = 0.01
SETTLE_SECONDS = 3.0


@dataclass
class Result:
    """Seconds and megabytes, as the module says."""

    ready: float
    empty_mb: float
    full_mb: float
    restart: float


async def measure(cluster: StoreCluster, keys: int) -> Result:
    begin = time.perf_counter()
    cluster.start()
    async with client_of(cluster, timeout=60) as client:
        await answered(client.put, b"first", b"")
        ready = time.perf_counter() - begin
        await asyncio.sleep(SETTLE_SECONDS)
        empty = memory(cluster)
        await fill(client, keys)
    await asyncio.sleep(SETTLE_SECONDS)
    full = memory(cluster)
    cluster.kill(0)
    begin = time.perf_counter()
    cluster.start(0)
    one = Client(cluster.endpoints[:1], cluster.ca, cluster.cert, cluster.key, timeout=1)
    async with one:
        await answered(one.range_, b"first")
        restart = time.perf_counter() - begin
    return Result(ready, empty, full, restart)


async def fill(client: Client, keys: int) -> None:
    async def work(at: int) -> None:
        for number in range(at, keys, WRITERS):
            await client.put(b"k/%d" % number, VALUE)

    await asyncio.gather(*map(work, range(WRITERS)))


async def answered(call: object, *arguments: bytes) -> None:
    """Try until it succeeds."""
    while True:
        try:
            await call(*arguments)  # type: ignore[operator]
        except ClientError:
            await asyncio.sleep(POLL_SECONDS)
        else:
            return


def memory(cluster: StoreCluster) -> float:
    """The largest member's, in megabytes."""
    return max(resident_mb(cluster.pid(number)) for number in range(cluster.size))


def main() -> None:
    keys = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    noise = Noise()
    for name, kind in STORES.items():
        with tempfile.TemporaryDirectory() as base, kind(folder_for(Path(base), name)) as cluster:
            result = uvloop.run(measure(cluster, keys))
        print(
            f"{name}: three members take a put {result.ready:.2f} s after their start, "
            f"{result.empty_mb:.0f} MB each; with {keys} keys of 1 KB {result.full_mb:.0f} MB, "
            f"and a restarted member answers after {result.restart:.2f} s"
        )
        noise.sample()
    print(noise)


if __name__ == "__main__":
    main()
