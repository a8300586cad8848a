"""How long does a pod of one container take as a process, and how much memory does its shim?

    .venv/bin/python -P benchmarks/process_pods.py [--pods N]

The runtime alone, without a cluster: each pod is timed from the request for its sandbox until its container
runs, one after another; then a command in each; then all pods are removed at once, and started again
together. The shims' memory is their PSS while all run: what one has for itself, and its part of what is
shared. A connection is one that nobody takes, from a pod with an address of its own, which asks its shim, and
from one on the node's network, which does not.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable
from ipaddress import IPv4Network
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.noise import Noise, spread
from deploy.identity import memory_bytes
from kube.base.clock import SystemClock
from kubelet.runtime.interface import ContainerConfig, SandboxConfig
from kubelet.runtime.process.records import Records
from kubelet.runtime.process.runtime import ProcessRuntime

# A network that no cluster has.
NETWORK = IPv4Network("127.239.0.0/16")
COMMAND = ("sleep", "1000")
CONNECT = """
import socket, time
begin = time.perf_counter()
for _ in range(2000):
    with socket.socket() as each:
        each.connect_ex(("127.96.1.1", 9))
print((time.perf_counter() - begin) / 2000 * 1e6)
"""


class Pods:
    """Many of them, on one runtime."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ids, self._uids = itertools.count(1), (f"bench-{os.getpid()}-{each}" for each in itertools.count(1))
        records = Records(folder)
        records.open()
        self.runtime = ProcessRuntime(records, NETWORK, "127.0.0.1", SystemClock(), lambda: f"id-{next(ids)}")
        self.running: dict[str, str] = {}

    async def start(self, *, host_network: bool = False) -> str:
        uid = next(self._uids)
        await self.runtime.run_pod_sandbox(SandboxConfig(uid, "default", uid, host_network))
        container = await self.runtime.create_container(uid, ContainerConfig("c", 0, "any", COMMAND))
        await self.runtime.start_container(container)
        self.running[uid] = container
        return container

    async def execute(self, container: str) -> None:
        done = await self.runtime.exec_sync(container, ["true"], 60)
        assert done.exit_code == 0

    async def connect(self, *, host_network: bool) -> float:
        """Microseconds."""
        container = await self.start(host_network=host_network)
        done = await self.runtime.exec_sync(container, ["python3", "-c", CONNECT], 60)
        return float(done.output)

    async def remove(self, uid: str) -> None:
        await self.runtime.stop_container(self.running.pop(uid), 0)
        await self.runtime.stop_pod_sandbox(uid)
        await self.runtime.remove_pod_sandbox(uid)

    async def remove_all(self) -> None:
        await asyncio.gather(*(self.remove(uid) for uid in list(self.running)))

    def shim_memory(self, uid: str) -> float:
        """MB."""
        shim = json.loads((self.folder / uid / "shim.json").read_text())
        return (memory_bytes(shim["pid"]) or 0) / 1e6


async def timed(act: Awaitable[object]) -> float:
    """Milliseconds."""
    begin = time.perf_counter()
    await act
    return (time.perf_counter() - begin) * 1000


async def measure(folder: Path, count: int) -> None:
    pods = Pods(folder)
    await pods.runtime.start()
    starts = [await timed(pods.start()) for _ in range(count)]
    commands = [await timed(pods.execute(each)) for each in list(pods.running.values())]
    memory = statistics.median(pods.shim_memory(uid) for uid in pods.running)
    removed = await timed(pods.remove_all())
    together = await timed(asyncio.wait([asyncio.ensure_future(pods.start()) for _ in range(count)]))
    connects = [await pods.connect(host_network=each) for each in (False, True)]
    await pods.remove_all()
    await pods.runtime.stop()
    print(f"a pod until it runs: {spread(starts, 'ms', 0)}")
    print(f"a command in it: {spread(commands, 'ms', 1)}")
    print(f"a shim's memory: {memory:.1f} MB of {count}")
    print(f"{count} pods started together in {together:.0f} ms, removed together in {removed:.0f} ms")
    print(f"a connection: {connects[0]:.0f} us, on the node's network {connects[1]:.0f} us")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pods", type=int, default=100)
    options = parser.parse_args()
    noise = Noise()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), options.pods))
    print(noise)


if __name__ == "__main__":
    main()
