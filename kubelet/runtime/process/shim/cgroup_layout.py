"""Core: the files of control groups, v1 and v2: names of limits, what was used, whether memory ran out.

v1 has one tree a controller, v2 one for all; the rest of the runtime does not know which it has.
After: the kernel's Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst; runc's libcontainer/cgroups.
"""

from __future__ import annotations

from collections.abc import Mapping

V1_CONTROLLERS = ("cpu", "cpuacct", "memory", "pids")
V2_CONTROLLERS = ("cpu", "memory", "pids")
UNLIMITED_V1, UNLIMITED_V2 = "-1", "max"
# Swap is no memory that a pod asked for; kernels without it lack these files.
OPTIONAL = frozenset(("memory.memsw.limit_in_bytes", "memory.swap.max", "memory.oom.group"))


def trees(mountinfo: str) -> tuple[int, dict[str, str]]:
    """The version, and the folder of each controller's tree; of v2 all are one. (0, {}) if there is none."""
    v1: dict[str, str] = {}
    v2 = ""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        place, kind, options = left.split()[4], right.split()[0], right.split()[-1].split(",")
        if kind == "cgroup":
            v1.update((name, place) for name in V1_CONTROLLERS if name in options)
        elif kind == "cgroup2":
            v2 = v2 or place
    if "memory" in v1:
        return 1, v1
    return (2, dict.fromkeys(V2_CONTROLLERS, v2)) if v2 else (0, {})


def limits(version: int, resources: Mapping[str, int]) -> list[tuple[str, str, str]]:
    """Controller, file and value of each limit; `resources` as kubelet.runtime.interface.Resources."""
    shares, quota = max(resources["cpu_shares"], 2), resources["cpu_quota"]
    period, memory = resources["cpu_period"], resources["memory_limit_bytes"]
    if version == 1:
        bytes_max = str(memory) if memory else UNLIMITED_V1
        return [
            ("cpu", "cpu.shares", str(shares)),
            ("cpu", "cpu.cfs_period_us", str(period)),
            ("cpu", "cpu.cfs_quota_us", str(quota) if quota else UNLIMITED_V1),
            ("memory", "memory.limit_in_bytes", bytes_max),
            ("memory", "memory.memsw.limit_in_bytes", bytes_max),
        ]
    return [
        ("cpu", "cpu.weight", str(weight(shares))),
        ("cpu", "cpu.max", f"{quota or UNLIMITED_V2} {period}"),
        ("memory", "memory.max", str(memory) if memory else UNLIMITED_V2),
        ("memory", "memory.swap.max", "0" if memory else UNLIMITED_V2),
        ("memory", "memory.oom.group", "1"),
    ]


def weight(shares: int) -> int:
    """Shares of 2 to 262144 as a weight of 1 to 10000."""
    return 1 + (shares - 2) * 9999 // 262142


# What is read of a container: the controller and file of each figure.
CPU = {1: ("cpuacct", "cpuacct.usage"), 2: ("cpu", "cpu.stat")}
MEMORY = {1: ("memory", "memory.usage_in_bytes"), 2: ("memory", "memory.current")}
MEMORY_STAT = ("memory", "memory.stat")
INACTIVE = {1: "total_inactive_file", 2: "inactive_file"}
OUT_OF_MEMORY = {1: ("memory", "memory.oom_control"), 2: ("memory", "memory.events")}


def cpu_nanoseconds(version: int, text: str) -> int:
    """Processor time used."""
    return int(text) if version == 1 else _rows(text).get("usage_usec", 0) * 1000


def working_set(version: int, usage: str, stat: str) -> int:
    """Memory in use that cannot be taken back at once, as the kubelet counts it."""
    return max(int(usage) - _rows(stat).get(INACTIVE[version], 0), 0)


def out_of_memory_kills(text: str) -> int:
    """How many processes the kernel ended for want of memory."""
    return _rows(text).get("oom_kill", 0)


def _rows(text: str) -> dict[str, int]:
    pairs = [line.split() for line in text.splitlines()]
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}
