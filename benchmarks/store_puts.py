"""How many acknowledged (fsynced) puts a second three members take, and how long a put or a get takes alone.

    .venv/bin/python -P benchmarks/store_puts.py [clients] [puts]

Ours, then Debian's etcd. Everything runs on this machine, over TLS, clients and members sharing its cores.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import uvloop

from benchmarks.noise import Noise, cpu_seconds_of
from benchmarks.stores import STORES, client_of, find_leader, folder_for, timed
from etcdlite.client import Client
from tests.support.store_cluster import StoreCluster

VALUE = bytes(1000)
SINGLE_COUNT = 500
CALLS: dict[str, Callable[[Client, int], Awaitable[object]]] = {
    "put": lambda client, at: client.put(b"single/%d" % at, VALUE),
    "linearizable get": lambda client, at: client.range_(b"single/%d" % at),
}


@dataclass
class Result:
    """Milliseconds of one call alone, by what it is and where; puts a second of many clients."""

    alone_ms: dict[str, float]
    rate: float


async def measure(name: str, cluster: StoreCluster, clients: int, puts: int) -> Result:
    async with client_of(cluster) as client:
        leader = await find_leader(client, cluster)
    alone = {}
    for where, number in (("the leader", leader), ("a follower", (leader + 1) % cluster.size)):
        async with client_of(cluster, first=number) as client:
            for what, call in CALLS.items():
                times = sorted([await timed(call(client, at)) for at in range(SINGLE_COUNT)])
                print(f"{name}, one {what} at a time at {where}: {percentiles(times)}")
                alone[f"a {what} at {where}"] = times[len(times) // 2]
    return Result(alone, await many(name, cluster, clients, puts))


async def many(name: str, cluster: StoreCluster, clients: int, puts: int) -> float:
    connections = [client_of(cluster, first=at, timeout=60) for at in range(cluster.size)]
    times: list[float] = []

    async def work(at: int) -> None:
        client = connections[at % cluster.size]
        times.extend([await timed(client.put(b"k/%d/%d" % (at, n), VALUE)) for n in range(puts // clients)])

    pids = [cluster.pid(number) for number in range(cluster.size)]
    members_before, clients_before = cpu_seconds_of(pids), time.process_time()
    begin = time.perf_counter()
    await asyncio.gather(*map(work, range(clients)))
    seconds = time.perf_counter() - begin
    times.sort()
    members = (cpu_seconds_of(pids) - members_before) * 1000 / len(times)
    own = (time.process_time() - clients_before) * 1000 / len(times)
    print(
        f"{name}, {clients} clients: {len(times) / seconds:.0f} puts/s, {percentiles(times)}; "
        f"processor a put: members {members:.2f} ms, clients {own:.2f} ms"
    )
    for connection in connections:
        await connection.close()
    return len(times) / seconds


def percentiles(times: list[float]) -> str:
    """Of sorted times."""
    return f"p50 {times[len(times) // 2]:.1f} ms, p99 {times[len(times) * 99 // 100]:.1f} ms"


def main() -> None:
    clients, puts = (int(argument) for argument in (sys.argv[1:] or ("64", "5000")))
    noise = Noise()
    results = {}
    for name, kind in STORES.items():
        with tempfile.TemporaryDirectory() as base, kind(folder_for(Path(base), name)) as cluster:
            cluster.start()
            results[name] = uvloop.run(measure(name, cluster, clients, puts))
        noise.sample()
    if len(results) == 2:
        ours, theirs = results.values()
        alone = (f"{what} {ours.alone_ms[what] / theirs.alone_ms[what]:.1f} times" for what in ours.alone_ms)
        print(
            f"ratio to etcd: {', '.join(alone)} as long; "
            f"{clients} clients get {ours.rate / theirs.rate:.2f} of the puts"
        )
    print(noise)


if __name__ == "__main__":
    main()
