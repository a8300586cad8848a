"""A process runtime on its feet, for tests."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from kube.base.clock import SystemClock
from kubelet.runtime.process import abilities
from kubelet.runtime.process.abilities import Abilities
from kubelet.runtime.process.records import Records
from kubelet.runtime.process.runtime import ProcessRuntime
from tests.kubelet.runtime_contract import Bench

NETWORK = IPv4Network("127.239.97.0/24")
OBEDIENT = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done"


def script(text: str, **config: Any) -> dict[str, Any]:
    """How to make a container that runs a shell's script."""
    return {"image": "any", "command": ["sh", "-c", text], **config}


KINDS = {
    "runs": script(OBEDIENT),
    "fails": script("echo hello; exit 3"),
    "stubborn": script("trap '' TERM; echo ready; while :; do sleep 0.05; done"),
}


def groups(pod_uid: str) -> Iterator[Path]:
    """The control groups of a pod, or of those that match a pattern."""
    for pattern in ("kubelite", "*/kubelite"):
        for top in Path("/sys/fs/cgroup").glob(pattern):
            yield from top.glob(f"pod{pod_uid}/**/")


@asynccontextmanager
async def process_bench(
    folder: Path, find: Callable[[Path], Awaitable[Abilities]] = abilities.find
) -> AsyncIterator[Bench]:
    """At the end nothing of it runs."""
    ids = itertools.count(1)

    def make() -> ProcessRuntime:
        records = Records(folder)
        records.open()
        return ProcessRuntime(records, NETWORK, "127.31.0.8", SystemClock(), lambda: f"id-{next(ids)}", find)

    bench = Bench(make, KINDS)
    await bench.start()
    try:
        yield bench
    finally:
        await bench.close()
        assert list(groups(f"contract-{os.getpid()}-*")) == [], "no control group is left"
