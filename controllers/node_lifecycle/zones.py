"""Core: how fast nodes are emptied: slower the more of a zone is lost, for then the cause may be ours.

    zone                                     a second
    Normal                                   --node-eviction-rate
    PartialDisruption, more than two nodes
      and --unhealthy-zone-threshold lost    --secondary-node-eviction-rate; small zones: not at all
    FullDisruption, all of them lost         --node-eviction-rate; all zones lost: not at all

Invariants: a node that may be emptied may be until it is ready again; the first of a zone needs not wait.
After: k8s pkg/controller/nodelifecycle/node_lifecycle_controller.go, ComputeZoneState, setLimiterInZone;
scheduler/rate_limited_queue.go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from kube.api import conditions, meta
from kube.api.meta import Object

REGION, ZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"
NORMAL, PARTIAL, FULL = "Normal", "PartialDisruption", "FullDisruption"
# So few lost nodes are no disruption, whatever their share.
LOST_MIN = 2


@dataclass(frozen=True, slots=True)
class Rates:
    """Nodes emptied a second in a zone, and what makes the difference; the defaults are Kubernetes'."""

    normal: float = 0.1
    secondary: float = 0.01
    large_zone: int = 50
    unhealthy_share: float = 0.55


def zone_of(node: Object) -> tuple[str, str]:
    """The region and zone of a node; nodes that name none are in one together."""
    labels = meta.labels(node)
    return labels.get(REGION, ""), labels.get(ZONE, "")


def state(ready: int, lost: int, rates: Rates) -> str:
    """The state of a zone with so many ready and lost nodes."""
    if ready == 0 and lost > 0:
        return FULL
    if lost > LOST_MIN and lost / (lost + ready) >= rates.unhealthy_share:
        return PARTIAL
    return NORMAL


def rate(nodes: Iterable[Object], zone: tuple[str, str], rates: Rates) -> float:
    """How many nodes of the zone may be emptied a second."""
    counts = Counter((zone_of(each), conditions.is_true(each, "Ready")) for each in nodes)
    if not any(is_ready for _, is_ready in counts):
        return 0.0
    ready, lost = counts[zone, True], counts[zone, False]
    if state(ready, lost, rates) == PARTIAL:
        return rates.secondary if ready + lost > rates.large_zone else 0.0
    return rates.normal


class Gate:
    """Lets lost nodes through one by one, each zone at its rate."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], datetime] = {}
        self._through: dict[str, str] = {}

    def close(self, name: str) -> None:
        """The node is ready, or gone: once it is lost again, it waits again."""
        self._through.pop(name, None)

    def is_through(self, node: Object) -> bool:
        """True for a node that was let through before."""
        return self._through.get(meta.name(node)) == meta.uid(node)

    def admit(self, node: Object, a_second: float, now: datetime) -> bool:
        """Whether the node may be emptied now."""
        zone = zone_of(node)
        last = self._last.get(zone)
        if a_second <= 0 or (last is not None and now - last < timedelta(seconds=1 / a_second)):
            return False
        self._last[zone] = now
        self._through[meta.name(node)] = meta.uid(node)
        return True
