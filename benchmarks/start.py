"""How long does an installed project take from `deploy/up` to a usable cluster, and how big is it then?

    .venv/bin/python -P benchmarks/start.py [--topology FILE] [--runs N] [--port-base N]

Each run starts a new cluster in a folder of its own (so that certificates are made, too) and removes it. One
run more comes first and is not counted: it reads the files into the page cache. Usable: all nodes are Ready
and the default ServiceAccount exists. Memory is PSS, what a process has for itself plus its part of what it
shares, summed over all components, the supervisor and the nursery. Processor time is theirs and that of `up`.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.noise import Noise, cpu_seconds_of, spread
from deploy import state
from deploy.identity import memory_bytes

ROOT = Path(__file__).resolve().parent.parent
SETTLE_SECONDS = 10.0
NODES_READY = "nodes are Ready"


@dataclass
class Run:
    """One start: seconds from the call on; megabytes at once and after a while; processor seconds."""

    ready_seconds: float
    usable_seconds: float
    memory_mb: float
    settled_mb: float
    processor_seconds: float
    processes: int


def run_once(topology: Path, port_base: int, data_dir: Path) -> Run:
    """Start a cluster, look at it, and remove it."""
    up = [
        "deploy/up",
        "--data-dir",
        str(data_dir),
        "--port-base",
        str(port_base),
        "--topology",
        str(topology),
    ]
    children_before = children_seconds()
    begin = time.perf_counter()
    ready_seconds = 0.0
    try:
        with subprocess.Popen(up, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if NODES_READY in line:
                    ready_seconds = time.perf_counter() - begin
        usable_seconds = time.perf_counter() - begin
        assert process.returncode == 0, f"deploy/up failed, see {data_dir}/logs"
        pids = [identity.pid for identity in state.load_running(data_dir).values()]
        processor_seconds = cpu_seconds_of(pids) + children_seconds() - children_before
        memory_mb = total_mb(pids)
        time.sleep(SETTLE_SECONDS)
        return Run(ready_seconds, usable_seconds, memory_mb, total_mb(pids), processor_seconds, len(pids))
    finally:
        down = ["deploy/down", "--data-dir", str(data_dir), "--wipe"]
        subprocess.run(down, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def total_mb(pids: list[int]) -> float:
    sizes = [memory_bytes(pid) for pid in pids]
    assert all(sizes), "a process has ended, or may not be looked at"
    return sum(size or 0 for size in sizes) / 1e6


def children_seconds() -> float:
    """The processor time of ended children of this process."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--topology", type=Path, default=ROOT / "deploy/topology.yaml")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--port-base", type=int, default=7680)
    options = parser.parse_args()
    noise = Noise()
    runs = []
    for number in range(options.runs + 1):
        with tempfile.TemporaryDirectory() as folder:
            run = run_once(options.topology.absolute(), options.port_base, Path(folder) / "cluster")
        noise.sample()
        if number:
            runs.append(run)
    print(f"{options.topology.name}: {runs[0].processes} processes with the launcher's two; {len(runs)} runs")
    print("until three Ready nodes:", spread([run.ready_seconds for run in runs], "s"))
    print("until deploy/up returns:", spread([run.usable_seconds for run in runs], "s"))
    print("processor time until then:", spread([run.processor_seconds for run in runs], "s"))
    print("total PSS then:", spread([run.memory_mb for run in runs], "MB", 0))
    print(f"total PSS {SETTLE_SECONDS:g} s later:", spread([run.settled_mb for run in runs], "MB", 0))
    print(noise)


if __name__ == "__main__":
    main()
