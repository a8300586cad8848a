"""Core: an Endpoints object's row: the first three addresses.

After: k8s pkg/printers/internalversion/printers.go, printEndpoints, formatEndpoints.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.printers.cells import age_of, joined
from kube.api import meta
from kube.api.meta import Object
from kube.api.table import AGE, NAME, Column

COLUMNS = (
    NAME,
    Column("Endpoints", description="The addresses and ports."),
    AGE,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    return [meta.name(o), first_three(addresses(o)), age_of(o, now)]


def addresses(o: Object) -> list[str]:
    """Each ready address with each port."""
    found: list[str] = []
    for subset in o.get("subsets") or ():
        ips = [each.get("ip", "") for each in subset.get("addresses") or ()]
        ports = [each.get("port") for each in subset.get("ports") or ()]
        found += [host_port(ip, port) for port in ports for ip in ips] if ports else ips
    return found


def host_port(ip: str, port: Any) -> str:
    """An address and a port, told apart by brackets where the address has colons of its own."""
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def first_three(texts: list[str]) -> str:
    """Three texts and how many more there are."""
    more = f" + {len(texts) - 3} more..." if len(texts) > 3 else ""
    return joined(texts[:3]) + more
