"""What `etcdctl check perf` says of three members: does the store keep up with so many writes a second?

    .venv/bin/python -P benchmarks/check_perf.py [loads]

Loads are etcdctl's: s asks for 150 writes a second of 50 clients, m for 1,000 of 200, l for 8,000 of 500, for
a minute each (etcdctl/ctlv3/command/check.go, `checkPerfCfgMap`). Ours, then Debian's etcd, for every load.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.noise import Noise, cpu_seconds_of
from benchmarks.stores import STORES, folder_for
from tests.support.store_cluster import StoreCluster

DEFAULT_LOADS = "s,m,l"
VERDICTS = ("PASS", "FAIL", "Slowest", "Stddev")
THROUGHPUT = re.compile(r"(\d+) writes/s")


def check(cluster: StoreCluster, load: str) -> tuple[list[str], float]:
    """The lines of etcdctl's verdict, and the processor seconds that the members used."""
    pids = [cluster.pid(number) for number in range(cluster.size)]
    before = cpu_seconds_of(pids)
    run = subprocess.run(
        [
            "etcdctl",
            f"--endpoints={','.join(cluster.endpoints)}",
            f"--cacert={cluster.ca}",
            f"--cert={cluster.cert}",
            f"--key={cluster.key}",
            "check",
            "perf",
            f"--load={load}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.strip() for line in run.stdout.splitlines() if line.startswith(VERDICTS)]
    return lines or [run.stderr.strip()], cpu_seconds_of(pids) - before


def writes_per_second(lines: list[str]) -> int:
    """The throughput in a verdict; 0 where it has none."""
    found = THROUGHPUT.search("\n".join(lines))
    return int(found[1]) if found else 0


def main() -> None:
    loads = (sys.argv[1] if len(sys.argv) > 1 else DEFAULT_LOADS).split(",")
    noise = Noise()
    for load in loads:
        rates = []
        for name, kind in STORES.items():
            with tempfile.TemporaryDirectory() as base, kind(folder_for(Path(base), name)) as cluster:
                cluster.start()
                cluster.wait_until_started()
                lines, seconds = check(cluster, load)
            rates.append(writes_per_second(lines))
            print(f"{name}, load {load}: {'; '.join(lines)}; members used {seconds:.0f} s of processor")
            noise.sample()
        if len(rates) == 2 and all(rates):
            print(f"ratio to etcd at load {load}: {rates[0] / rates[1]:.2f} of the writes")
    print(noise)


if __name__ == "__main__":
    main()
