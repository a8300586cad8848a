"""Shell: the controller manager's flags of nodes' ranges, with Kubernetes' names and defaults.

After: k8s cmd/kube-controller-manager/app/core.go, startNodeIpamController, setNodeCIDRMaskSizes.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import click

from controllers.node_ipam.cidr_set import Network
from controllers.node_ipam.ranges import Layout
from kube.base.run import StartupError

MASK_SIZES = {4: 24, 6: 64}
# More blocks than this in a range of IPv6 are refused, as in Kubernetes: 65536.
BLOCK_BITS_MAX = 16
CLUSTERS_MAX = 2

FLAGS: dict[str, tuple[Any, str]] = {
    "cluster-cidr": (str, "The range, or one of each family with a comma, that nodes get blocks of."),
    "node-cidr-mask-size": (click.IntRange(1, 128), "Mask size of a node's block: 24, for IPv6 64."),
    "node-cidr-mask-size-ipv4": (click.IntRange(1, 32), "The same for IPv4 where there are both families."),
    "node-cidr-mask-size-ipv6": (click.IntRange(1, 128), "The same for IPv6."),
    "service-cluster-ip-range": (str, "Ranges of Services; nodes get no block that overlaps them."),
}


def range_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give a click command the flags."""
    for name, (kind, text) in reversed(FLAGS.items()):
        command = click.option(f"--{name}", type=kind, help=text)(command)
    switch = "--allocate-node-cidrs/--no-allocate-node-cidrs"
    return click.option(switch, default=False, help="Give every node a block of --cluster-cidr.")(command)


def layout(flags: dict[str, Any]) -> Layout | None:
    """What they say; None if nodes get no ranges from here."""
    if not flags["allocate_node_cidrs"]:
        return None
    clusters = _networks(flags, "cluster-cidr")
    if not clusters:
        raise StartupError("--allocate-node-cidrs needs --cluster-cidr")
    if len(clusters) > CLUSTERS_MAX or len({each.version for each in clusters}) < len(clusters):
        raise StartupError("--cluster-cidr: one range, or one of IPv4 and one of IPv6")
    sizes = [_mask_size(flags, each, len(clusters)) for each in clusters]
    return Layout(clusters, sizes, _networks(flags, "service-cluster-ip-range"))


def _networks(flags: dict[str, Any], name: str) -> list[Network]:
    said = flags[name.replace("-", "_")] or ""
    try:
        return [ip_network(each.strip(), strict=False) for each in said.split(",") if each.strip()]
    except ValueError as error:
        raise StartupError(f"--{name} {said}: {error}") from error


def _mask_size(flags: dict[str, Any], cluster: Network, count: int) -> int:
    """The mask size of a node's block in this range."""
    both = flags["node_cidr_mask_size"]
    if both and count > 1:
        raise StartupError("usage of --node-cidr-mask-size is not allowed with dual-stack clusters")
    own: int | None = flags[f"node_cidr_mask_size_ipv{cluster.version}"]
    if both and own:
        flag = f"--node-cidr-mask-size-ipv{cluster.version}"
        raise StartupError(f"--node-cidr-mask-size and {flag} say the same: set one of them")
    size: int = own or both or MASK_SIZES[cluster.version]
    if not cluster.prefixlen <= size <= cluster.max_prefixlen:
        raise StartupError(f"--cluster-cidr {cluster} cannot be cut into blocks of /{size}")
    if cluster.version == 6 and size - cluster.prefixlen > BLOCK_BITS_MAX:
        raise StartupError(f"--cluster-cidr {cluster}: the mask size of nodes' blocks, {size}, is too big")
    return size
