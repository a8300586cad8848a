"""What does a write cost, in processor time, and in which process? All other speeds follow from this.

    .venv/bin/python -P benchmarks/writes.py [--topology FILE] [--writes N] [--writers N] [--port-base N]

A whole cluster is started. It is left alone for a while: what it uses then is its idle cost. Then ConfigMaps
are created and patched through the API servers, and keys of 1000 bytes put into the store, each by several
writers at once. A process's idle cost is subtracted from what it used. The same puts then go to three members
of ours alone and to three of Debian's etcd.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import uvloop

from benchmarks.noise import Noise, cpu_seconds
from benchmarks.stores import STORES, client_of, find_leader, folder_for
from deploy import state
from deploy.layout import Layout
from deploy.processes import etcd_client_urls
from etcdlite.client import Client as StoreClient
from kube.api.resources import CONFIG_MAPS
from kube.client.config import ClientConfig
from kube.client.rest import Client
from tests.support.store_cluster import StoreCluster

ROOT = Path(__file__).resolve().parent.parent
IDLE_SECONDS = 10.0
WARM_COUNT = 200
VALUE = bytes(1000)
DATA = {"text": "x" * 1000}

Write = Callable[[int], Awaitable[object]]
Pids = dict[str, int]


class Meter:
    """The processor time of named processes, above what they use when idle."""

    def __init__(self, pids: Pids) -> None:
        self._pids = {"client": os.getpid(), **pids}
        self.idle = dict.fromkeys(self._pids, 0.0)

    async def measure_idle(self) -> None:
        """How much of a core each process uses when nobody asks for anything."""
        before = self._used()
        await asyncio.sleep(IDLE_SECONDS)
        self.idle = {name: (used - before[name]) / IDLE_SECONDS for name, used in self._used().items()}

    async def cost(self, write: Write, writes: int, writers: int) -> tuple[dict[str, float], float]:
        """Milliseconds of processor a write, by process; and writes a second."""
        await self._run(write, 0, WARM_COUNT, writers)
        before, begin = self._used(), time.perf_counter()
        await self._run(write, WARM_COUNT, writes, writers)
        seconds = time.perf_counter() - begin
        await asyncio.sleep(1)  # the tail: watchers, the store's flush
        used = self._used()
        total_seconds = time.perf_counter() - begin
        costs = {
            name: max(0.0, used[name] - before[name] - self.idle[name] * total_seconds) * 1000 / writes
            for name in self._pids
        }
        return costs, writes / seconds

    async def _run(self, write: Write, first: int, count: int, writers: int) -> None:
        async def work(at: int) -> None:
            for number in range(first + at, first + count, writers):
                await write(number)

        await asyncio.gather(*map(work, range(writers)))

    def _used(self) -> dict[str, float]:
        return {name: cpu_seconds(pid) for name, pid in self._pids.items()}


def kind_of(name: str) -> str:
    """`etcd` of etcd-0: processes that do the same are shown as one."""
    return "kubelet" if name.startswith("kubelet") else name.rstrip("0123456789").rstrip("-")


def by_kind(values: dict[str, float]) -> dict[str, float]:
    kinds: dict[str, float] = {}
    for name, value in values.items():
        kinds[kind_of(name)] = kinds.get(kind_of(name), 0.0) + value
    return kinds


def print_cost(what: str, costs: dict[str, float], rate: float) -> None:
    kinds = by_kind(costs)
    servers = sum(cost for kind, cost in kinds.items() if kind != "client")
    parts = ", ".join(f"{kind} {cost:.2f}" for kind, cost in kinds.items() if cost >= 0.005)
    print(f"{what}: {servers:.2f} ms ({parts}); {rate:.0f}/s")


@contextlib.contextmanager
def started(topology: Path, port_base: int) -> Iterator[Path]:
    """A cluster, until the end of the `with`; its data dir."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "cluster"
        where = ["--data-dir", str(data_dir)]
        up = ["deploy/up", *where, "--port-base", str(port_base), "--topology", str(topology)]
        try:
            subprocess.run(up, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
            yield data_dir
        finally:
            subprocess.run(["deploy/down", *where, "--wipe"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


async def measure_cluster(data_dir: Path, writes: int, writers: int) -> None:
    record = state.load_record(data_dir)
    assert record is not None
    topology, layout = record.topology, record.layout(data_dir)
    meter = Meter({name: identity.pid for name, identity in state.load_running(data_dir).items()})
    await meter.measure_idle()
    idle = by_kind({name: share * 100 for name, share in meter.idle.items() if name != "client"})
    shares = ", ".join(f"{kind} {share:.1f}" for kind, share in idle.items())
    print(f"idle, % of a core: {sum(idle.values()):.1f} ({shares})")
    config = ClientConfig.load(layout.admin_kubeconfig)
    clients = [Client(config, f"writes-{at}") for at in range(writers)]

    def create(number: int) -> Awaitable[object]:
        config_map = {"metadata": {"name": f"c{number}"}, "data": DATA}
        return clients[number % writers].create(CONFIG_MAPS, config_map, "default")

    def patch(number: int) -> Awaitable[object]:
        change = {"data": {"number": str(number)}}
        return clients[number % writers].patch(CONFIG_MAPS, "default", f"c{number}", change, "merge")

    print_cost("create a ConfigMap", *await meter.cost(create, writes, writers))
    print_cost("patch a ConfigMap", *await meter.cost(patch, writes, writers))
    for client in clients:
        await client.close()
    store = store_client(layout, etcd_client_urls(topology, layout))
    async with store:
        print_cost(
            "put into its store", *await meter.cost(lambda n: store.put(b"b/%d" % n, VALUE), writes, writers)
        )


def store_client(layout: Layout, urls: list[str]) -> StoreClient:
    name = "apiserver-etcd-client"
    return StoreClient(urls, str(layout.cert("etcd-ca")), str(layout.cert(name)), str(layout.key(name)))


async def measure_store(name: str, cluster: StoreCluster, writes: int) -> dict[int, float]:
    """Milliseconds of processor a put over all three members, by the number of writers."""
    async with client_of(cluster) as client:
        await find_leader(client, cluster)
    clients = [client_of(cluster, first=at) for at in range(cluster.size)]
    meter = Meter({f"{name}-{number}": cluster.pid(number) for number in range(cluster.size)})
    await meter.measure_idle()
    print(f"three members of {name} alone, idle: {sum(meter.idle.values()) * 100:.1f} % of a core")
    totals = {}
    for writers in (1, 8, 64):
        put = lambda n: clients[n % cluster.size].put(b"k/%d/%d" % (writers, n), VALUE)  # noqa: B023, E731
        costs, rate = await meter.cost(put, writes, writers)
        print_cost(f"  put, {writers} writer{'s' if writers > 1 else ''}", costs, rate)
        totals[writers] = by_kind(costs)[name]
    for client in clients:
        await client.close()
    return totals


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--topology", type=Path, default=ROOT / "deploy/topology.yaml")
    parser.add_argument("--writes", type=int, default=2000)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--port-base", type=int, default=7680)
    parser.add_argument("--only", choices=["cluster", "stores"])
    options = parser.parse_args()
    noise = Noise()
    if options.only != "stores":
        with started(options.topology.absolute(), options.port_base) as data_dir:
            uvloop.run(measure_cluster(data_dir, options.writes, options.writers))
        noise.sample()
    if options.only != "cluster":
        results = {}
        for name, kind in STORES.items():
            with tempfile.TemporaryDirectory() as base, kind(folder_for(Path(base), name)) as cluster:
                cluster.start()
                results[name] = uvloop.run(measure_store(name, cluster, options.writes))
            noise.sample()
        if len(results) == 2:
            ours, theirs = results.values()
            ratios = ", ".join(f"{writers} writers {ours[writers] / theirs[writers]:.1f}" for writers in ours)
            print(f"processor time of a put, ratio to etcd: {ratios}")
    print(noise)


if __name__ == "__main__":
    main()
