"""Core: decides how a node without a range of addresses for its pods gets one.

Sees: a Node without `spec.podCIDRs`, and what was promised to it.
Says: Patch; or EmitEvent and RequeueAfter, when nothing is left.
Invariants: a patch names the node's uid: it never hits a new node of the same name.
Absent: which ranges; `ranges.py` knows that.

After: k8s pkg/controller/nodeipam/ipam/range_allocator.go, AllocateOrOccupyCIDR, updateCIDRsAllocation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kube.api import meta
from kube.api.actions import Action, EmitEvent, Patch, RequeueAfter
from kube.api.meta import Object
from kube.api.resources import NODES

# A node that goes wakes those that wait; this is for ranges that become free in another way.
LOOK_AGAIN_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Seen:
    """A node without ranges; promised: None when there are none left."""

    node: Object
    promised: tuple[str, ...] | None


def plan(seen: Seen, _now: datetime) -> list[Action]:
    """Give the node what was promised to it."""
    name = meta.name(seen.node)
    if seen.promised is None:
        text = f"Node {name} status is now: CIDRNotAvailable"
        return [
            EmitEvent(seen.node, "Normal", "CIDRNotAvailable", text),
            RequeueAfter(LOOK_AGAIN_SECONDS),
        ]
    spec = {"podCIDR": seen.promised[0], "podCIDRs": [*seen.promised]}
    patch = {"metadata": {"uid": meta.uid(seen.node)}, "spec": spec}
    return [Patch(NODES, "", name, patch, "strategic")]
