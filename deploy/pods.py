"""Shell: ends the pods that are more than data: they outlive their kubelet, but not the cluster."""

from __future__ import annotations

import asyncio
from pathlib import Path

from deploy import state
from deploy.errors import LaunchError
from deploy.topology import Flags


def end(data_dir: Path) -> None:
    """Nothing of any pod is left; LaunchError for a node whose pods cannot be ended now."""
    record = state.load_record(data_dir)
    if record is None:
        return
    topology, layout = record.topology, record.layout(data_dir)
    for node in topology.nodes:
        asyncio.run(_clear(node, layout.root_dir(node), topology.kubelet_flags(node)))


async def _clear(node: str, root_dir: Path, flags: Flags) -> None:
    # Here, so that `up` does not wait for the import.
    from kubelet import runtimes
    from kubelet.runtime.interface import RuntimeFailure

    try:
        await runtimes.clear(
            flags.get("container-runtime", ""), root_dir, flags.get("container-runtime-endpoint", "")
        )
    except RuntimeFailure as failure:
        raise LaunchError(f"the pods of node {node} were left: {failure}") from failure
