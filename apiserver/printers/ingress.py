"""Core: an Ingress's row.

After: k8s pkg/printers/internalversion/printers.go, printIngress.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.printers.cells import age_of
from kube.api import meta
from kube.api.meta import Object
from kube.api.table import AGE, NAME, NONE, Column

COLUMNS = (
    NAME,
    Column("Class", description="The ingress class."),
    Column("Hosts", description="The hosts of the rules."),
    Column("Address", description="The load balancer's addresses."),
    Column("Ports", description="The ports clients use."),
    AGE,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    ingress = meta.get(o, "status", "loadBalancer", "ingress", default=[])
    return [
        meta.name(o),
        meta.get(o, "spec", "ingressClassName") or NONE,
        hosts(o),
        ",".join(sorted({each.get("ip") or each.get("hostname") or "" for each in ingress} - {""})),
        "80, 443" if meta.get(o, "spec", "tls") else "80",
        age_of(o, now),
    ]


def hosts(o: Object) -> str:
    """The first three hosts; a rule without one is for all."""
    named = [each["host"] for each in meta.get(o, "spec", "rules", default=[]) if each.get("host")]
    if not named:
        return "*"
    more = f" + {len(named) - 3} more..." if len(named) > 3 else ""
    return ",".join(named[:3]) + more
