"""Core: a Node's row.

After: k8s pkg/printers/internalversion/printers.go, printNode.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.printers.cells import age_of, joined
from kube.api import conditions, meta
from kube.api.meta import Object
from kube.api.table import AGE, NAME, NONE, UNKNOWN, Column

COLUMNS = (
    NAME,
    Column("Status", description="Whether the node is ready and may take pods."),
    Column("Roles", description="The roles of the node, from its labels."),
    AGE,
    Column("Version", description="Version of its kubelet."),
    Column("Internal-IP", priority=1, description="Address inside the cluster."),
    Column("External-IP", priority=1, description="Address outside the cluster."),
    Column("OS-Image", priority=1, description="Operating system."),
    Column("Kernel-Version", priority=1, description="Version of its kernel."),
    Column("Container-Runtime", priority=1, description="Container runtime and its version."),
)
ROLE_PREFIX = "node-role.kubernetes.io/"


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    info = meta.get(o, "status", "nodeInfo", default={})
    return [
        meta.name(o),
        status(o),
        joined(roles(o)),
        age_of(o, now),
        info.get("kubeletVersion", ""),
        address(o, "InternalIP"),
        address(o, "ExternalIP"),
        info.get("osImage") or UNKNOWN,
        info.get("kernelVersion") or UNKNOWN,
        info.get("containerRuntimeVersion") or UNKNOWN,
    ]


def status(o: Object) -> str:
    """`Ready`, `NotReady` or `Unknown`, and whether pods may come."""
    ready = conditions.find(o, "Ready")
    words = ["Unknown"] if ready is None else ["Ready" if ready.get("status") == "True" else "NotReady"]
    if meta.get(o, "spec", "unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


def roles(o: Object) -> list[str]:
    """The roles that labels give the node."""
    found = {
        key.removeprefix(ROLE_PREFIX)
        for key in meta.labels(o)
        if key.startswith(ROLE_PREFIX) and key != ROLE_PREFIX
    }
    if legacy := meta.labels(o).get("kubernetes.io/role"):
        found.add(legacy)
    return sorted(found)


def address(o: Object, kind: str) -> str:
    """The first address of a kind."""
    for each in meta.get(o, "status", "addresses", default=[]):
        if each.get("type") == kind:
            return str(each.get("address"))
    return NONE
