"""Core: a Service's row.

After: k8s pkg/printers/internalversion/printers.go, printService.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.printers.cells import age_of, joined, pairs
from kube.api import meta
from kube.api.meta import Object
from kube.api.table import AGE, NAME, NONE, Column

COLUMNS = (
    NAME,
    Column("Type", description="How the Service is reached."),
    Column("Cluster-IP", description="The address inside the cluster."),
    Column("External-IP", description="The addresses outside the cluster."),
    Column("Port(s)", description="The ports."),
    AGE,
    Column("Selector", priority=1, description="The labels of the pods behind it."),
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    ips = meta.get(o, "spec", "clusterIPs", default=[])
    return [
        meta.name(o),
        meta.get(o, "spec", "type", default=""),
        (ips[0] if ips else meta.get(o, "spec", "clusterIP")) or NONE,
        external_ips(o),
        joined(port_text(port) for port in meta.get(o, "spec", "ports", default=[])),
        age_of(o, now),
        pairs(meta.get(o, "spec", "selector")),
    ]


def port_text(port: dict[str, Any]) -> str:
    """`80/TCP`, or `80:30080/TCP` where nodes listen too."""
    node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port')}{node_port}/{port.get('protocol', 'TCP')}"


def external_ips(o: Object) -> str:
    """The addresses a client outside may use; a load balancer's are pending until it has one."""
    spec = o.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", ""))
    addresses = []
    if spec.get("type") == "LoadBalancer":
        ingress = meta.get(o, "status", "loadBalancer", "ingress", default=[])
        addresses = sorted({each.get("ip") or each.get("hostname") or "" for each in ingress} - {""})
    addresses += spec.get("externalIPs") or []
    if not addresses and spec.get("type") == "LoadBalancer":
        return "<pending>"
    return joined(addresses)
