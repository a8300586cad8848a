"""Core: the addresses and node ports a Service has, and what stands in their record that no Service has.

    plan     records that are missing are made, those nobody has had for a while are removed

A record may be without its Service because that is just being made, by another server perhaps. So it is
removed only when it has been seen so for GRACE_SECONDS, unchanged: no write takes that long.

After: k8s pkg/registry/core/service/ipallocator/controller/{repair,repairip}.go
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kube.api import meta
from kube.api.meta import Object

GRACE_SECONDS = 120.0

# A record: an address or a port, and what changes when it is claimed anew.
Record = tuple[str | int, int]


def values(service: Object) -> set[str | int]:
    """The address and the node ports of a Service."""
    address = meta.get(service, "spec", "clusterIP", default="")
    found: set[str | int] = set(node_ports_of(service))
    return found if address in ("", "None") else found | {address}


def node_ports_of(service: Object) -> frozenset[int]:
    """Its node ports, that of its health check among them."""
    ports = {each.get("nodePort") for each in meta.get(service, "spec", "ports", default=[]) or []}
    ports.add(meta.get(service, "spec", "healthCheckNodePort", default=0))
    return frozenset(port for port in ports if port)


@dataclass(frozen=True, slots=True)
class Repair:
    """What is to be put right: values without a record, records without a Service, values of several."""

    missing: list[str | int]
    leaked: list[Record]
    doubled: list[str | int]


def plan(
    held: Iterable[str | int], records: Mapping[str | int, int], seen: dict[Record, float], now: float
) -> Repair:
    """Compare; `held` are the values of all Services, `seen` since when each record was without one."""
    times: dict[str | int, int] = {}
    for value in held:
        times[value] = times.get(value, 0) + 1
    spare = {(value, version) for value, version in records.items() if value not in times}
    for record in set(seen) - spare:
        del seen[record]
    for record in spare:
        seen.setdefault(record, now)
    return Repair(
        missing=[value for value in times if value not in records],
        leaked=[record for record in spare if now - seen[record] >= GRACE_SECONDS],
        doubled=[value for value, count in times.items() if count > 1],
    )
