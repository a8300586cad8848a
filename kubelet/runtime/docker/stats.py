"""Core: what a container has used, from the engine's numbers, on cgroups of both versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kube.api.meta import parse_time
from kubelet.runtime.interface import ContainerStats


def read(container_id: str, stats: Mapping[str, Any], files_bytes: int) -> ContainerStats | None:
    """None for a container that has just ended. The memory is the working set: not what can be dropped."""
    memory = stats.get("memory_stats") or {}
    if "usage" not in memory:
        return None
    details = memory.get("stats") or {}
    droppable = details.get("total_inactive_file", details.get("inactive_file", 0))
    return ContainerStats(
        container_id=container_id,
        at=parse_time(stats["read"]),
        cpu_nanoseconds=int(stats["cpu_stats"]["cpu_usage"]["total_usage"]),
        memory_bytes=max(int(memory["usage"]) - int(droppable), 0),
        files_bytes=files_bytes,
    )
