"""What do a thousand pretended nodes cost, and how many of their pods a second begin to run and go?

    .venv/bin/python -P benchmarks/kubelet.py [--nodes N] [--pods N] [--clients N] [--port-base N]

A cluster of one of everything and a fleet of nodes (deploy/topology-fleet.yaml). First nothing runs but the
heartbeats, for a minute: the memory (PSS) and the processor of the fleet, and what they cost the others. Then
pods are created that have a node already, by many clients at once, and a watch tells when the last one is
Running; then all are deleted, one by one, and it tells when the last one is gone. So the rates are those of
the whole way, creation included. KWOK has gates of its own: 167 a second Running, 111 gone (test/kwokctl).
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.noise import Noise, cpu_seconds
from deploy import state
from deploy.identity import memory_bytes
from kube.api import meta
from kube.api.resources import PODS
from kube.client.config import ClientConfig
from kube.client.informer import Informer
from kube.client.rest import Client

ROOT = Path(__file__).resolve().parent.parent
IDLE_SECONDS = 60.0
SETTLE_SECONDS = 5.0
NAMESPACE = "default"


class Watched:
    """The pods as an informer tells of them, which goes on when a watch is cut off."""

    def __init__(self, client: Client) -> None:
        self.running: set[str] = set()
        self.present: set[str] = set()
        self.changed = asyncio.Event()
        self.informer = Informer(client, PODS, NAMESPACE)
        self.informer.add_handler(self._there, lambda _, new: self._there(new), self._gone)

    def _there(self, pod: meta.Object) -> None:
        name = meta.name(pod)
        self.present.add(name)
        if meta.get(pod, "status", "phase") == "Running":
            self.running.add(name)
        self.changed.set()

    def _gone(self, pod: meta.Object) -> None:
        self.present.discard(meta.name(pod))
        self.changed.set()

    async def until(self, check: Callable[[], bool]) -> float:
        while not check():
            self.changed.clear()
            await self.changed.wait()
        return time.perf_counter()


def pod(number: int, nodes: int) -> meta.Object:
    """One that is bound from the beginning, as a scheduler would leave it."""
    spec = {
        "nodeName": f"fleet-{number % nodes}",
        "containers": [{"name": "main", "image": "registry.k8s.io/pause:3.10"}],
        "automountServiceAccountToken": False,
    }
    return {"metadata": {"name": f"pod-{number}", "namespace": NAMESPACE}, "spec": spec}


async def by_many(clients: int, count: int, do: Callable[[int], Awaitable[object]]) -> None:
    """Do it for every number, so many at once."""
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            await do(number)

    await asyncio.gather(*(work() for _ in range(clients)))


class Processors:
    """What each process of the cluster has used since the last question."""

    def __init__(self, data_dir: Path) -> None:
        self.pids = {name: each.pid for name, each in state.load_running(data_dir).items()}
        self._used = self._read()

    def _read(self) -> dict[str, float]:
        return {name: cpu_seconds(pid) for name, pid in self.pids.items()}

    def used(self) -> dict[str, float]:
        before, self._used = self._used, self._read()
        return {name: self._used[name] - before[name] for name in before}


def told(used: dict[str, float], seconds: float) -> str:
    """Cores of each process, the busiest first."""
    rows = sorted(used.items(), key=lambda row: -row[1])
    return ", ".join(f"{name} {value / seconds:.2f}" for name, value in rows if value / seconds >= 0.005)


async def measure(data_dir: Path, nodes: int, pods: int, clients: int) -> None:
    noise, processors = Noise(), Processors(data_dir)
    await asyncio.sleep(SETTLE_SECONDS)
    processors.used()
    await asyncio.sleep(IDLE_SECONDS)
    used = processors.used()
    memory = (memory_bytes(processors.pids["fleet"]) or 0) / 1e6
    print(f"{nodes} nodes, nothing but heartbeats: {memory:.0f} MB; cores: {told(used, IDLE_SECONDS)}")
    noise.sample()
    if pods:
        client = Client(ClientConfig.load(str(data_dir / "admin.kubeconfig")), user_agent="benchmark")
        await churn(client, processors, noise, nodes, pods, clients)
        await client.close()
    print(noise)


async def churn(
    client: Client, processors: Processors, noise: Noise, nodes: int, pods: int, clients: int
) -> None:
    watched = Watched(client)
    following = asyncio.ensure_future(watched.informer.run())
    await watched.informer.wait_synced()
    begin = time.perf_counter()
    await by_many(clients, pods, lambda number: client.create(PODS, pod(number, nodes)))
    created = time.perf_counter() - begin
    took = await watched.until(lambda: len(watched.running) == pods) - begin
    memory = (memory_bytes(processors.pids["fleet"]) or 0) / 1e6
    print(f"{pods} pods Running: {pods / took:.0f} a second ({took:.1f} s; created after {created:.1f} s)")
    print(f"  the fleet with them: {memory:.0f} MB; cores: {told(processors.used(), took)}")
    noise.sample()
    begin = time.perf_counter()
    await by_many(clients, pods, lambda number: client.delete(PODS, NAMESPACE, f"pod-{number}"))
    took = await watched.until(lambda: not watched.present) - begin
    print(f"{pods} pods gone: {pods / took:.0f} a second ({took:.1f} s)")
    print(f"  cores: {told(processors.used(), took)}")
    following.cancel()


@contextmanager
def fleet(nodes: int, port_base: int) -> Iterator[Path]:
    """A cluster of one of everything and so many pretended nodes, while it is used; its data folder."""
    with tempfile.TemporaryDirectory() as name:
        topology, data_dir = Path(name) / "topology.yaml", Path(name) / "cluster"
        document = yaml.safe_load((ROOT / "deploy" / "topology-fleet.yaml").read_text())
        topology.write_text(yaml.safe_dump({**document, "fleet": {"nodes": nodes}}))
        where = ["--data-dir", str(data_dir)]
        up = ["deploy/up", *where, "--port-base", str(port_base), "--topology", str(topology)]
        subprocess.run(up, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        try:
            yield data_dir
        finally:
            subprocess.run(["deploy/down", *where, "--wipe"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--port-base", type=int, default=14000)
    options = parser.parse_args()
    began = time.perf_counter()
    with fleet(options.nodes, options.port_base) as data_dir:
        took = time.perf_counter() - began
        print(f"{options.nodes} nodes Ready: {took:.1f} s after the start of the cluster")
        asyncio.run(measure(data_dir, options.nodes, options.pods, options.clients))


if __name__ == "__main__":
    main()
