"""Core: what a shim is told of its pod."""

from __future__ import annotations

from typing import Any

from kubelet.runtime.process.abilities import Abilities
from kubelet.runtime.process.records import PodRecord


def facts(record: PodRecord, abilities: Abilities, node_ip: str, port_offset: int) -> dict[str, Any]:
    """As shim/surroundings.py reads it."""
    config, group = record.config, abilities.group_of(record.config.pod_uid)
    return {
        "ip": record.sandbox.ip,
        "hostname": config.hostname or config.name,
        "host_network": config.host_network,
        "host_pid": config.host_pid,
        "host_ipc": config.host_ipc,
        "share_process_namespace": config.share_process_namespace,
        "node_ip": node_ip,
        # A pod on the node's network has them already.
        "host_ports": [] if config.host_network else [list(row) for row in config.host_ports],
        "port_offset": port_offset,
        "has_mounts": abilities.has_mounts,
        "has_redirection": abilities.has_redirection,
        "cgroup": group.described() if group else None,
    }
