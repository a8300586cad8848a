"""Shell: what the machine has and uses, from /proc and the file system of the kubelet's folder.

After: cadvisor's machine and container info of the root cgroup; k8s pkg/kubelet/stats/cri_stats_provider.go
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kubelet.stats.usage import Amounts, Disk, NodeUsage

NANO = 1_000_000_000
KIB = 1024


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine that a node with a real runtime is; folder: on the disk that pods use."""

    folder: Path

    def usage(self, now: datetime) -> NodeUsage:
        """All of it, now."""
        memory = _memory()
        used = memory["MemTotal"] - memory["MemAvailable"]
        return NodeUsage(
            Amounts(now, _cpu_nanoseconds(), used),
            datetime.fromtimestamp(_boot_time(), UTC),
            memory["MemTotal"],
            self.disk(),
            _pids(),
            int(Path("/proc/sys/kernel/pid_max").read_text()),
        )

    def disk(self) -> Disk:
        """The disk of the folder."""
        told = os.statvfs(self.folder)
        size = told.f_frsize
        return Disk(told.f_blocks * size, told.f_bavail * size, told.f_files, told.f_ffree)


def cpu_count() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


def memory_bytes() -> int:
    """The machine's memory."""
    return _memory()["MemTotal"]


def _memory() -> dict[str, int]:
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) * KIB for words in lines}


def _cpu_nanoseconds() -> int:
    """Time that all processors spent on something: user, nice, system, irq, softirq, steal."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    ticks = [int(word) for word in words]
    busy = ticks[0] + ticks[1] + ticks[2] + sum(ticks[5:8])
    return busy * NANO // os.sysconf("SC_CLK_TCK")


def _boot_time() -> int:
    lines = Path("/proc/stat").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("btime "))


def _pids() -> int:
    """Tasks that there are: the last number but one of `0.00 0.01 0.05 1/123 4567`."""
    return int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
