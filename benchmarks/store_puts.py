"""How many acknowledged (fsynced) puts a second three local members take, and how long one takes alone.

    .venv/bin/python -P benchmarks/store_puts.py [clients] [puts]

Everything runs on this machine, over TLS, clients and members sharing its processors.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import uvloop

from etcdlite.client import Client
from tests.support.store_cluster import StoreCluster

VALUE = bytes(1000)


async def measure(cluster: StoreCluster, clients: int, puts: int) -> None:
    number = await leader(cluster)
    for name, endpoint in (("leader", number), ("follower", (number + 1) % 3)):
        async with Client([cluster.endpoints[endpoint]], cluster.ca, cluster.cert, cluster.key) as client:
            single = sorted([await timed(client, b"single/%d" % n) for n in range(200)])
            print(f"one client at the {name}: p50 {single[100]:.1f} ms, p99 {single[197]:.1f} ms")
    connections = [
        Client([endpoint], cluster.ca, cluster.cert, cluster.key, timeout=60)
        for endpoint in cluster.endpoints
    ]
    times: list[float] = []
    used_before = [cpu_seconds(cluster.pid(n)) for n in range(3)] + [time.process_time()]
    begin = time.perf_counter()

    async def worker(at: int) -> None:
        times.extend([await timed(connections[at % 3], b"k/%d/%d" % (at, n)) for n in range(puts // clients)])

    await asyncio.gather(*map(worker, range(clients)))
    seconds = time.perf_counter() - begin
    times.sort()
    print(
        f"{clients} clients: {len(times) / seconds:.0f} puts/s, p50 {statistics.median(times):.1f} ms, "
        f"p99 {times[len(times) * 99 // 100]:.1f} ms"
    )
    used_after = [cpu_seconds(cluster.pid(n)) for n in range(3)] + [time.process_time()]
    costs = [(after - before) * 1000 / len(times) for before, after in zip(used_before, used_after)]
    names = [f"member {n}{' (leads)' if n == number else ''}" for n in range(3)] + ["clients"]
    print("processor ms a put:", ", ".join(f"{name} {cost:.2f}" for name, cost in zip(names, costs)))
    for connection in connections:
        await connection.close()


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def leader(cluster: StoreCluster) -> int:
    while True:
        for number, endpoint in enumerate(cluster.endpoints):
            async with Client([endpoint], cluster.ca, cluster.cert, cluster.key, timeout=30) as client:
                await client.range_(b"k")
                status = await client.status(endpoint)
            if status.leader == status.header.member_id:
                return number


async def timed(client: Client, key: bytes) -> float:
    begin = time.perf_counter()
    await client.put(key, VALUE)
    return (time.perf_counter() - begin) * 1000


if __name__ == "__main__":
    clients, puts = (int(argument) for argument in (sys.argv[1:] or ("64", "5000")))
    with tempfile.TemporaryDirectory() as folder, StoreCluster(Path(folder)) as cluster:
        cluster.start()
        uvloop.run(measure(cluster, clients, puts))
