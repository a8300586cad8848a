"""How soon a watch tells of a write, and what ten thousand watches cost a member.

    .venv/bin/python -P benchmarks/store_watches.py [writes a second] [seconds]

The delay is counted from the acknowledgement of the put to the event, with the same client on both ends, so
that it is below zero where the event comes first. Ours, then Debian's etcd; the members' resident memory is
read before and after ten thousand watches of different keys are opened at one of them.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import grpc.aio
import uvloop

from benchmarks.noise import Noise, resident_mb
from benchmarks.stores import STORES, client_of, find_leader, folder_for
from etcdlite.client import Client, rpc_pb2
from etcdlite.pb import rpc_pb2_grpc
from tests.etcdlite.server.test_against_etcd import credentials
from tests.support.store_cluster import StoreCluster

WATCHES = 10_000
WRITERS = 8
VALUE = bytes(1000)


async def delays_of(cluster: StoreCluster, rate: int, seconds: int) -> list[float]:
    """Milliseconds from the acknowledgement of each put to its event, at another member than the writer's."""
    seen: dict[bytes, float] = {}
    acknowledged: dict[bytes, float] = {}
    async with client_of(cluster, timeout=60) as writer, client_of(cluster, first=1) as reader:
        leader = await find_leader(writer, cluster)
        count = rate * seconds
        async with reader.watch(b"w/", b"w0") as watching:
            reading = asyncio.create_task(read(watching, seen, count))
            begin = time.perf_counter()
            await asyncio.gather(
                *(
                    write(writer, range(at, count, WRITERS), begin, rate, acknowledged)
                    for at in range(WRITERS)
                )
            )
            took = time.perf_counter() - begin
            await reading
    print(f"  {count / took:.0f} puts/s of {rate} wanted, leader m{leader}")
    return sorted((seen[key] - at) * 1000 for key, at in acknowledged.items())


async def write(client: Client, numbers: range, begin: float, rate: int, done: dict[bytes, float]) -> None:
    for number in numbers:
        await asyncio.sleep(max(begin + number / rate - time.perf_counter(), 0))
        key = b"w/%d" % number
        await client.put(key, VALUE)
        done[key] = time.perf_counter()


async def read(watching: object, seen: dict[bytes, float], count: int) -> None:
    async for response in watching:  # type: ignore[attr-defined]
        now = time.perf_counter()
        seen.update((event.kv.key, now) for event in response.events)
        if len(seen) == count:
            return


async def watch_many(cluster: StoreCluster) -> float:
    """Megabytes that a member grows by."""
    target = cluster.endpoints[0].removeprefix("https://")
    async with grpc.aio.secure_channel(target, credentials(cluster)) as channel:
        before = resident_mb(cluster.pid(0))
        stream = rpc_pb2_grpc.WatchStub(channel).Watch(wait_for_ready=True)
        for number in range(WATCHES):
            create = rpc_pb2.WatchCreateRequest(key=b"k%d" % number, watch_id=number + 1)
            await stream.write(rpc_pb2.WatchRequest(create_request=create))
            await stream.read()
        return resident_mb(cluster.pid(0)) - before


def main() -> None:
    rate, seconds = (int(argument) for argument in (sys.argv[1:] or ("500", "10")))
    noise = Noise()
    for name, kind in STORES.items():
        with tempfile.TemporaryDirectory() as base, kind(folder_for(Path(base), name)) as cluster:
            cluster.start()
            print(f"{name}:")
            delays = uvloop.run(delays_of(cluster, rate, seconds))
            middle, high = delays[len(delays) // 2], delays[len(delays) * 99 // 100]
            print(
                f"  event after acknowledgement: p50 {middle:.1f} ms, p99 {high:.1f} ms, "
                f"most {delays[-1]:.1f} ms"
            )
            print(f"  {WATCHES} watches: {uvloop.run(watch_many(cluster)):.1f} MB more in the member")
        noise.sample()
    print(noise)


if __name__ == "__main__":
    main()
