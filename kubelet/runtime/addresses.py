"""Core: gives each sandbox the next free address of the node's pod network.

Round robin, so that an address just given back is not used again at once. The first address stands for the
node's bridge, as with real pod networks, and is never given out.
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network

RESERVED = 2


class NoAddressLeft(Exception):
    """Every address of the pod network is taken."""


def next_address(network: IPv4Network, taken: Collection[str], last: str | None) -> str:
    """The first free address after `last`."""
    first = int(network.network_address)
    start = int(IPv4Address(last)) - first if last else RESERVED - 1
    usable = range(RESERVED, network.num_addresses - 1)
    for step in range(len(usable)):
        offset = RESERVED + (start + 1 - RESERVED + step) % len(usable)
        address = str(IPv4Address(first + offset))
        if address not in taken:
            return address
    raise NoAddressLeft(f"all {len(usable)} addresses of {network} are taken")
