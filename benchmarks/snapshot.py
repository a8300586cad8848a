"""What it costs the others that a member far behind is sent everything.

    .venv/bin/python -P benchmarks/snapshot.py [megabytes]

Three members; one follower is killed, so much is written and the log is cut; then the follower starts again
while one client goes on writing. Printed are: how long until the follower has caught up, the longest time
between two acknowledged writes meanwhile, how much memory leader and follower took at most, and how many
elections there were (none is what one wants). Ours, then Debian's etcd.
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
from benchmarks.stores import STORES, catch_up, client_of, find_leader, folder_for
from etcdlite.client import Client
from tests.support.store_cluster import StoreCluster

VALUE = bytes(range(256)) * 64  # 16 KiB: more entries than etcd 3.4 keeps for slow members
WRITERS = 32
SAMPLE_SECONDS = 0.05
FLAGS = {
    "etcdlite": ("--snapshot-count=100", "--snapshot-catchup-entries=50"),
    "etcd": ("--snapshot-count=100",),
}


@dataclass
class Result:
    """Seconds, megabytes, and a number of elections, as the module says."""

    caught_up: float
    longest_gap: float
    leader_mb: float
    follower_mb: float
    elections: int


async def measure(cluster: StoreCluster, megabytes: int) -> Result:
    cluster.start()
    async with client_of(cluster, timeout=60) as client:
        await client.put(b"first", b"")
        leader = await find_leader(client, cluster)
        behind = (leader + 1) % cluster.size
        others = [number for number in range(cluster.size) if number != behind]
        endpoints = [cluster.endpoints[number] for number in others]
        async with Client(endpoints, cluster.ca, cluster.cert, cluster.key, timeout=60) as two:
            cluster.kill(behind)
            await fill(two, megabytes)
            term = (await two.status(cluster.endpoints[leader])).raftTerm
            watched = {leader: 0.0, behind: 0.0}
            gaps = [0.0]
            begin = time.perf_counter()
            cluster.start(behind)
            tasks = [asyncio.create_task(write(two, gaps)), asyncio.create_task(sample(cluster, watched))]
            await catch_up(client, cluster, behind)
            caught_up = time.perf_counter() - begin
            for task in tasks:
                task.cancel()
            now = (await two.status(cluster.endpoints[leader])).raftTerm
    return Result(caught_up, max(gaps), watched[leader], watched[behind], now - term)


async def fill(client: Client, megabytes: int) -> None:
    async def work(at: int) -> None:
        for number in range(at, megabytes * (1 << 20) // len(VALUE), WRITERS):
            await client.put(b"k/%d" % number, VALUE)

    await asyncio.gather(*map(work, range(WRITERS)))


async def write(client: Client, gaps: list[float]) -> None:
    """One small write after the other; how long each took."""
    number = 0
    while True:
        begin = time.perf_counter()
        await client.put(b"w/%d" % (number % 100), b"")
        gaps.append(time.perf_counter() - begin)
        number += 1


async def sample(cluster: StoreCluster, watched: dict[int, float]) -> None:
    while True:
        for number in watched:
            watched[number] = max(watched[number], resident_mb(cluster.pid(number)))
        await asyncio.sleep(SAMPLE_SECONDS)


def main() -> None:
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    noise = Noise()
    for name, kind in STORES.items():
        with (
            tempfile.TemporaryDirectory() as base,
            kind(folder_for(Path(base), name), flags=FLAGS[name]) as cluster,
        ):
            result = uvloop.run(measure(cluster, megabytes))
        print(
            f"{name}: {megabytes} MB to a member that was away: caught up {result.caught_up:.1f} s after its "
            f"start, longest write meanwhile {result.longest_gap * 1000:.0f} ms, "
            f"at most {result.leader_mb:.0f} MB (leader) and {result.follower_mb:.0f} MB (follower), "
            f"{result.elections} elections"
        )
        noise.sample()
    print(noise)


if __name__ == "__main__":
    main()
