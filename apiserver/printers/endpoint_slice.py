"""Core: an EndpointSlice's row.

After: k8s pkg/printers/internalversion/printers.go, printEndpointSlice.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.printers.cells import age_of
from apiserver.printers.endpoints import first_three
from kube.api import meta
from kube.api.meta import Object
from kube.api.table import AGE, NAME, UNSET, Column

COLUMNS = (
    NAME,
    Column("AddressType", description="IPv4, IPv6 or FQDN."),
    Column("Ports", description="The ports of every endpoint."),
    Column("Endpoints", description="The first addresses of the endpoints."),
    AGE,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    ports = [str(each.get("port") or each.get("name") or "*") for each in o.get("ports") or ()]
    addresses = [text for each in o.get("endpoints") or () for text in each.get("addresses") or ()]
    return [
        meta.name(o),
        o.get("addressType", ""),
        first_three(ports) if ports else UNSET,
        first_three(addresses) if addresses else UNSET,
        age_of(o, now),
    ]
