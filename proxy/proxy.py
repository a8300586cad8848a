"""Shell: keeps the rules in step with the cluster.

    Services, EndpointSlices, Nodes --informers--> changed? --rules.build--> backend.sync

A change wakes the loop, which looks at everything anew; many changes at once cost one look. What could not be
bound is tried again every RETRY_SECONDS.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Protocol

from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import ENDPOINT_SLICES, NODES, SERVICES
from kube.base.logs import logger
from kube.client.informer import InformerFactory
from proxy.metrics import Metrics
from proxy.rules import Listener, Rules, build

log = logger(__name__)

LOOPBACK = "127.0.0.1"
RETRY_SECONDS = 5.0
# Looks are at least so far apart: a rollout of a hundred pods is one change of rules, not a hundred.
BETWEEN_SYNCS_SECONDS = 0.02


class RulesBackend(Protocol):
    """What makes rules come true."""

    @property
    def failures(self) -> dict[Listener, str]: ...

    async def sync(self, rules: Rules) -> None: ...


class Proxy:
    """Watches the cluster, and tells the backend."""

    def __init__(
        self,
        informers: InformerFactory,
        backend: RulesBackend,
        node_port_networks: Sequence[IPv4Network],
        metrics: Metrics,
    ) -> None:
        self._informers, self._backend = informers, backend
        self._networks, self._metrics = node_port_networks, metrics
        self._services = informers.informer(SERVICES)
        self._slices = informers.informer(ENDPOINT_SLICES)
        self._nodes = informers.informer(NODES)
        self._changed = asyncio.Event()
        self._nodes.add_handler(self._node_changed, self._node_updated, self._node_changed)
        for each in (self._services, self._slices):
            each.add_handler(self._wake, lambda _, new: self._wake(new), self._wake)
        self.has_synced = False

    def unready(self) -> str | None:
        """Why the rules may not be those of the cluster, for /readyz."""
        if self._informers.unsynced:
            return f"not listed yet: {', '.join(self._informers.unsynced)}"
        return None if self.has_synced else "the rules were not synced yet"

    async def run(self) -> None:
        """Keep the rules in step until cancelled."""
        await self._informers.wait_synced()
        while True:
            self._changed.clear()
            await self._sync()
            await asyncio.sleep(BETWEEN_SYNCS_SECONDS)
            try:
                async with asyncio.timeout(RETRY_SECONDS if self._backend.failures else None):
                    await self._changed.wait()
            except TimeoutError:
                log.debug("trying again what could not be bound", listeners=len(self._backend.failures))

    async def _sync(self) -> None:
        addresses = node_port_addresses(self._nodes.store.list(), self._networks)
        with self._metrics.sync_seconds.time():
            rules = build(self._services.store.list(), self._slices.store.list(), addresses)
            await self._backend.sync(rules)
        self.has_synced = True
        log.debug("rules synced", rules=len(rules))

    def _wake(self, _: Object) -> None:
        self._changed.set()

    def _node_changed(self, _: Object) -> None:
        self._changed.set()

    def _node_updated(self, old: Object, new: Object) -> None:
        """A heartbeat is no news."""
        if internal_ip(old) != internal_ip(new):
            self._changed.set()


def internal_ip(node: Object) -> str | None:
    """The node's address inside the cluster."""
    for address in meta.get(node, "status", "addresses", default=[]):
        if address.get("type") == "InternalIP":
            return str(address["address"])
    return None


def node_port_addresses(nodes: Iterable[Object], networks: Sequence[IPv4Network]) -> dict[str, str]:
    """Where node ports answer: the loopback and every node's address, as far as the networks hold them."""
    addresses = {LOOPBACK: ""} | {ip: meta.name(node) for node in nodes if (ip := internal_ip(node))}
    return {
        ip: node
        for ip, node in sorted(addresses.items())
        if any(IPv4Address(ip) in network for network in networks)
    }
