"""How long are writes not acknowledged when the store's leader is killed? Ours beside Debian's etcd.

    .venv/bin/python -P benchmarks/failover.py [kills] [writers]

Three members on this machine; writers put in a loop, each through all endpoints. `kill -9` the leader, wait
until writes go on, start it again, wait until it has caught up; then the next kill. The gap is the longest
time between two acknowledgements, whichever writers got them, from one kill to the next.

Both stores have the same client, which gives up an attempt after 0.3 s and asks the next member: etcd's
followers would keep a forwarded write waiting for seconds when its leader has died.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import uvloop

from benchmarks.noise import Noise
from benchmarks.stores import STORES, catch_up, client_of, find_leader, folder_for
from etcdlite.client import Client, ClientError
from tests.support.store_cluster import StoreCluster

ATTEMPT_SECONDS = 0.3
SETTLED_ACKNOWLEDGEMENTS = 20
VALUE = bytes(1000)


class Writers:
    """Clients that write without a pause; `acknowledged_at` are the moments of their acknowledgements."""

    def __init__(self, cluster: StoreCluster, count: int) -> None:
        self.acknowledged_at: list[float] = []
        self._clients = [
            client_of(cluster, first=at % cluster.size, timeout=ATTEMPT_SECONDS) for at in range(count)
        ]
        self._tasks = [
            asyncio.create_task(self._write(at, client)) for at, client in enumerate(self._clients)
        ]

    async def _write(self, at: int, client: Client) -> None:
        while True:
            try:
                await client.put(b"writer/%d" % at, VALUE)
            except ClientError:
                await asyncio.sleep(0.001)
            else:
                self.acknowledged_at.append(time.perf_counter())

    async def more(self, count: int) -> None:
        """Return when so many more writes were acknowledged."""
        wanted = len(self.acknowledged_at) + count
        while len(self.acknowledged_at) < wanted:  # noqa: ASYNC110 # waits for a count, not for one event
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for client in self._clients:
            await client.close()


async def measure(cluster: StoreCluster, kills: int, writer_count: int, noise: Noise) -> list[float]:
    """The gap around each kill, in seconds."""
    chance = random.Random(1)
    async with client_of(cluster) as client:
        await find_leader(client, cluster)
        writers = Writers(cluster, writer_count)
        kills_at = []
        try:
            await writers.more(SETTLED_ACKNOWLEDGEMENTS)
            for _ in range(kills):
                leader = await find_leader(client, cluster)
                await asyncio.sleep(chance.uniform(0.1, 0.4))
                kills_at.append(time.perf_counter())
                cluster.kill(leader)
                await find_leader(client, cluster, but_not=leader)
                await writers.more(SETTLED_ACKNOWLEDGEMENTS)
                cluster.start(leader)
                await catch_up(client, cluster, leader)
                await writers.more(SETTLED_ACKNOWLEDGEMENTS)
                noise.sample()
        finally:
            with contextlib.suppress(ClientError):
                await writers.stop()
    return gaps(writers.acknowledged_at, [*kills_at, time.perf_counter()])


def gaps(acknowledged_at: list[float], kills_at: list[float]) -> list[float]:
    """The longest time between two acknowledgements that ended between one kill and the next."""
    pairs = list(pairwise(sorted(acknowledged_at)))
    return [
        max(later - earlier for earlier, later in pairs if begin < later <= end)
        for begin, end in pairwise(kills_at)
    ]


def report(name: str, writer_count: int, found: list[float]) -> None:
    print(
        f"{name}, {writer_count} writer{'s' if writer_count > 1 else ''}, {len(found)} kills of the leader: "
        f"median {statistics.median(found):.3f} s, worst {max(found):.3f} s"
    )


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    counts = [int(sys.argv[2])] if len(sys.argv) > 2 else [1, 8]
    noise = Noise()
    for count in counts:
        results = {}
        for name, kind in STORES.items():
            with tempfile.TemporaryDirectory() as base, kind(folder_for(Path(base), name)) as cluster:
                cluster.start()
                results[name] = uvloop.run(measure(cluster, kills, count, noise))
            report(name, count, results[name])
        if len(results) == 2:
            ours, theirs = results.values()
            print(
                f"ratio to etcd: median {statistics.median(ours) / statistics.median(theirs):.2f}, "
                f"worst {max(ours) / max(theirs):.2f}"
            )
    print(noise)


if __name__ == "__main__":
    main()
