"""Core: which node holds which ranges: one of each of the cluster's (two of them for both families).

What a node was promised stays its own until the node is gone or turns out to have something else: a patch
whose answer was lost is repeated with the same ranges.
Invariants: no range is promised to two nodes; a node gets one range of each cluster range, or none at all;
ranges of Services are promised to nobody.

After: k8s pkg/controller/nodeipam/ipam/range_allocator.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from controllers.node_ipam.cidr_set import CidrSet, Network


@dataclass(frozen=True, slots=True)
class Layout:
    """What the flags say: the cluster's ranges, the mask size of a node's block of each, Services' ranges."""

    clusters: Sequence[Network]
    mask_sizes: Sequence[int]
    services: Sequence[Network] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """What one node has, or was promised; uid: a new node of the same name has nothing."""

    uid: str
    cidrs: tuple[str, ...]


class Ranges:
    """All ranges, and who holds them, by name of node."""

    def __init__(self, layout: Layout) -> None:
        pairs = zip(layout.clusters, layout.mask_sizes, strict=True)
        self._sets = [CidrSet(cluster, size) for cluster, size in pairs]
        self._held: dict[str, Held] = {}
        for service in layout.services:
            for each in self._sets:
                each.occupy(service)

    def hold(self, name: str, uid: str, cidrs: Sequence[str]) -> list[str]:
        """The node has these; those of them that are in no range of the cluster, when heard of first."""
        wanted = Held(uid, tuple(cidrs))
        if self._held.get(name) == wanted:
            return []
        self.release(name)
        self._held[name] = wanted
        strangers = [*wanted.cidrs[len(self._sets) :]]
        for each, cidr in zip(self._sets, wanted.cidrs, strict=False):
            if not each.occupy(ip_network(cidr, strict=False)):
                strangers.append(cidr)
        return strangers

    def propose(self, name: str, uid: str) -> tuple[str, ...] | None:
        """Ranges for a node that has none; None when one of the cluster's ranges is used up."""
        held = self._held.get(name)
        if held is not None and held.uid == uid:
            return held.cidrs
        self.release(name)
        blocks = [each.allocate() for each in self._sets]
        cidrs = tuple(str(block) for block in blocks if block is not None)
        if len(cidrs) < len(self._sets):
            for each, block in zip(self._sets, blocks, strict=True):
                if block is not None:
                    each.release(block)
            return None
        self._held[name] = Held(uid, cidrs)
        return cidrs

    def release(self, name: str) -> None:
        """The node is gone."""
        held = self._held.pop(name, None)
        for each, cidr in zip(self._sets, held.cidrs if held is not None else (), strict=False):
            each.release(ip_network(cidr, strict=False))
