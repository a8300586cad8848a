"""Shell: what a running container uses, from its control groups: the engine takes a second to tell.

After: k8s pkg/kubelet/stats/cri_stats_provider_linux.go
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from kubelet.runtime.interface import ContainerStats
from kubelet.runtime.process.shim import cgroup_layout as layout


def read(inspected: Mapping[str, Any], now: datetime) -> ContainerStats | None:
    """None for a container that has just ended. inspected: with the size of its files."""
    pid, container_id = inspected["State"]["Pid"], inspected["Id"]
    try:
        version, trees = layout.trees(Path("/proc/self/mountinfo").read_text())
        groups = _groups(Path(f"/proc/{pid}/cgroup").read_text())
        if container_id not in groups.get("memory", groups.get("", "")):
            return None

        def text(place: tuple[str, str]) -> str:
            controller, file = place
            group = groups.get(controller, groups.get("", ""))
            return Path(f"{trees[controller]}{group}/{file}").read_text()

        return ContainerStats(
            container_id=container_id,
            at=now,
            cpu_nanoseconds=layout.cpu_nanoseconds(version, text(layout.CPU[version])),
            memory_bytes=layout.working_set(version, text(layout.MEMORY[version]), text(layout.MEMORY_STAT)),
            files_bytes=inspected.get("SizeRw", 0),
        )
    except OSError:
        return None


def _groups(text: str) -> dict[str, str]:
    """The group of each controller, as /proc/<pid>/cgroup has it; version 2 names no controller."""
    lines = (line.split(":", 2) for line in text.splitlines())
    return {name: group for _, names, group in lines for name in names.split(",")}
