"""Core: what the rules need to know of nodes: where node ports answer, and on which node a client is.

    node1   127.16.0.1   pods 127.224.1.0/24   zone a
    ""      127.0.0.1    the loopback belongs to no node, and stands for the whole machine

One proxy serves all nodes of a machine, so "this node" is not its own but the client's: pods connect from
their own addresses, and each node has a network for its pods.

After: k8s pkg/proxy/config/node.go, pkg/proxy/healthcheck/proxy_health.go (which nodes are to be left).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from kube.api import meta
from kube.api.meta import Object

LOOPBACK = "127.0.0.1"
ZONE = "topology.kubernetes.io/zone"
LEAVING_TAINT = "ToBeDeletedByClusterAutoscaler"


@dataclass(frozen=True, slots=True)
class Nodes:
    """The nodes of this machine.

    addresses: where node ports answer, and whose address it is; one of several nodes, as in a fleet, belongs
    to none. zones: by node. networks: the pods' networks by their length in bits, each with its node.
    leaving: nodes that no load balancer should choose any more.
    """

    names: tuple[str, ...] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)
    zones: Mapping[str, str] = field(default_factory=dict)
    networks: Mapping[int, Mapping[int, str]] = field(default_factory=dict)
    leaving: frozenset[str] = frozenset()

    def of_client(self, address: str) -> str:
        """The node whose pod the client is; "" for the machine itself and for strangers."""
        number = int(IPv4Address(address))
        for bits, known in self.networks.items():
            if node := known.get(number >> (32 - bits)):
                return node
        return ""


def facts(nodes: Iterable[Object], networks: Sequence[IPv4Network]) -> Nodes:
    """Of those nodes whose address is in one of the networks."""
    known = [(ip, node) for node in nodes if (ip := internal_ip(node)) and _is_in(ip, networks)]
    known.sort(key=lambda each: meta.name(each[1]))
    addresses = {LOOPBACK: ""} if _is_in(LOOPBACK, networks) else {}
    ranges: dict[int, dict[int, str]] = {}
    for ip, node in known:
        addresses[ip] = "" if ip in addresses else meta.name(node)
        for each in meta.get(node, "spec", "podCIDRs", default=[]):
            if ":" not in each:
                network = IPv4Network(each)
                bits = network.prefixlen
                ranges.setdefault(bits, {})[int(network.network_address) >> (32 - bits)] = meta.name(node)
    return Nodes(
        tuple(meta.name(node) for _, node in known),
        dict(sorted(addresses.items())),
        {meta.name(node): zone for _, node in known if (zone := meta.labels(node).get(ZONE))},
        dict(sorted(ranges.items(), reverse=True)),
        frozenset(meta.name(node) for _, node in known if _is_leaving(node)),
    )


def internal_ip(node: Object) -> str | None:
    """The node's IPv4 address inside the cluster."""
    for address in meta.get(node, "status", "addresses", default=[]):
        if address.get("type") == "InternalIP":
            try:
                return str(IPv4Address(address["address"]))
            except AddressValueError:
                continue
    return None


def _is_in(ip: str, networks: Sequence[IPv4Network]) -> bool:
    return any(IPv4Address(ip) in network for network in networks)


def _is_leaving(node: Object) -> bool:
    taints = meta.get(node, "spec", "taints", default=[])
    return meta.is_terminating(node) or any(taint.get("key") == LEAVING_TAINT for taint in taints)
