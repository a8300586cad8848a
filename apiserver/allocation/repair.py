"""Shell: puts the records of addresses and node ports right, once before serving and every minute after.

Records leak when an API server dies between claiming an address and making its Service; they are missing
where a store is older than the records.

After: k8s pkg/registry/core/service/ipallocator/controller/repairip.go, portallocator/controller/repair.go
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterator

from apiserver.allocation.cluster_ips import ClusterIPs
from apiserver.allocation.node_ports import RANGE, NodePorts
from apiserver.allocation.values import Record, plan, values
from apiserver.storage.interface import StorageError
from apiserver.storage.watch_cache import WatchCache
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import IP_ADDRESSES, SERVICES
from kube.base.logs import logger

log = logger(__name__)

INTERVAL_SECONDS = 60.0


class Repairer:
    """What it found at its last round: since when which record has been without a Service."""

    def __init__(self, cache: WatchCache, cluster_ips: ClusterIPs, node_ports: NodePorts) -> None:
        self._cache, self._cluster_ips, self._node_ports = cache, cluster_ips, node_ports
        self._seen_addresses: dict[Record, float] = {}
        self._seen_ports: dict[Record, float] = {}

    async def run(self) -> None:
        """Look every minute, until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            try:
                await self.once(asyncio.get_running_loop().time())
            except (StorageError, StatusError) as error:
                log.warning("addresses were not looked after, will retry", error=error)

    async def once(self, now: float) -> None:
        """One round."""
        await self._repair_ports(now)
        await self._repair_addresses(now)

    async def _repair_addresses(self, now: float) -> None:
        await self._cache.consistent()
        held = [(value, o) for o in self._services() for value in values(o) if self._is_ours(value)]
        owners = dict(held)
        records = {
            entry.key: entry.revision
            for entry in self._cache.log(IP_ADDRESSES).objects.values()
            if self._is_ours(entry.key)
        }
        found = plan((value for value, _ in held), records, self._seen_addresses, now)
        for address in found.missing:
            await self._cluster_ips.claim(str(address), owners[address])
        for address, revision in found.leaked:
            log.warning("a cluster IP had leaked", address=address)
            await self._cluster_ips.delete(str(address), str(revision))
        for address in found.doubled:
            log.error("several Services have one cluster IP: make one of them anew", address=address)

    async def _repair_ports(self, now: float) -> None:
        # The record first: a port claimed after this look is not taken for a leak.
        records: dict[str | int, int] = dict.fromkeys(await self._node_ports.taken(), 0)
        await self._cache.consistent()
        held = [value for o in self._services() for value in values(o) if value in RANGE]
        found = plan(held, records, self._seen_ports, now)
        # What was claimed since that look is no more missing.
        missing = frozenset(int(port) for port in found.missing) - await self._node_ports.taken()
        leaked = frozenset(int(port) for port, _ in found.leaked)
        if missing or leaked:
            log.warning("node ports are put right", missing=sorted(missing), leaked=sorted(leaked))
            await self._node_ports.change(lambda taken: (taken | missing) - leaked)
        for port in found.doubled:
            log.error("several Services have one node port: make one of them anew", port=port)

    def _services(self) -> Iterator[Object]:
        return (entry.decode() for entry in self._cache.log(SERVICES).objects.values())

    def _is_ours(self, value: str | int) -> bool:
        """Whether it is an address of the network."""
        return isinstance(value, str) and ipaddress.ip_address(value) in self._cluster_ips.network
