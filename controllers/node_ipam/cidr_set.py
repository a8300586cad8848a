"""Core: one cluster range, cut into blocks of one size, and which of them are in use.

    10.244.0.0/16 in blocks of /24      block 0 = 10.244.0.0/24, block 1 = 10.244.1.0/24, ... block 255

Blocks are given out in turn: one that was just released is the last to be given out again.
Invariants: a block in use is never given out; what is occupied twice is free after two releases.
Absent: metrics.

After: k8s pkg/controller/nodeipam/ipam/cidrset/cidr_set.go.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network

Network = IPv4Network | IPv6Network


class CidrSet:
    """The blocks of `cluster` with masks of `mask_size` bits."""

    def __init__(self, cluster: Network, mask_size: int) -> None:
        assert cluster.prefixlen <= mask_size <= cluster.max_prefixlen, (cluster, mask_size)
        self._cluster, self._mask_size = cluster, mask_size
        self._count = 1 << (mask_size - cluster.prefixlen)
        self._shift = cluster.max_prefixlen - mask_size
        # Block -> how often it was occupied; blocks that are free are not in it.
        self._users: dict[int, int] = {}
        self._next = 0

    def allocate(self) -> Network | None:
        """The next free block, occupied from now on; None when all are in use."""
        if len(self._users) == self._count:
            return None
        index = self._next
        while index in self._users:
            index = (index + 1) % self._count
        self._next = (index + 1) % self._count
        self._users[index] = 1
        return self._block(index)

    def occupy(self, network: Network) -> bool:
        """Use all blocks that the network touches; False if it lies outside of the cluster's range."""
        for index in self._indexes(network):
            self._users[index] = self._users.get(index, 0) + 1
        return network.overlaps(self._cluster)

    def release(self, network: Network) -> None:
        """Undo one `occupy` or `allocate` of this network."""
        for index in self._indexes(network):
            left = self._users.pop(index, 0) - 1
            if left > 0:
                self._users[index] = left

    def _block(self, index: int) -> Network:
        first = int(self._cluster.network_address) + (index << self._shift)
        address = type(self._cluster.network_address)(first)
        return ip_network(f"{address}/{self._mask_size}")

    def _indexes(self, network: Network) -> range:
        if not network.overlaps(self._cluster):
            return range(0)
        start = int(self._cluster.network_address)
        first = max(int(network.network_address), start)
        last = min(int(network.broadcast_address), int(self._cluster.broadcast_address))
        return range((first - start) >> self._shift, ((last - start) >> self._shift) + 1)
