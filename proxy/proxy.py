"""Shell: keeps the rules in step with the cluster.

    Services, EndpointSlices, Nodes --informers--> Table --changes--> backend.apply

A change wakes the loop, which takes what the table has to tell; many changes at once are one look. What could
not be bound is tried again every RETRY_SECONDS.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network
from typing import Protocol

from kube.api.endpoint_slices import service_name
from kube.api.meta import Object
from kube.api.resources import ENDPOINT_SLICES, NODES, SERVICES, Resource
from kube.base.logs import logger
from kube.client.informer import InformerFactory
from proxy.metrics import Metrics
from proxy.nodes import facts
from proxy.rules import Listener
from proxy.table import Changes, Table

log = logger(__name__)

RETRY_SECONDS = 5.0
# Looks are at least so far apart: a rollout of a hundred pods is one change of rules, not a hundred.
BETWEEN_SYNCS_SECONDS = 0.02

Handler = Callable[[Object], None]


class RulesBackend(Protocol):
    """What makes rules come true."""

    @property
    def failures(self) -> dict[Listener, str]: ...

    async def apply(self, changes: Changes) -> None: ...

    async def retry(self) -> None: ...


class Proxy:
    """Watches the cluster, and tells the backend."""

    def __init__(
        self,
        informers: InformerFactory,
        table: Table,
        backend: RulesBackend,
        node_port_networks: Sequence[IPv4Network],
        metrics: Metrics,
    ) -> None:
        self._informers, self._table, self._backend = informers, table, backend
        self._networks, self._metrics = node_port_networks, metrics
        self._changed = asyncio.Event()
        self._nodes_changed = False
        self._nodes = informers.informer(NODES)
        self._nodes.add_handler(self._see_nodes, self._node_updated, self._see_nodes)
        self._follow(SERVICES, table.put_service, table.drop_service)
        self._follow(ENDPOINT_SLICES, table.put_slice, table.drop_slice)
        self.has_synced = False

    def _follow(self, resource: Resource, put: Handler, drop: Handler) -> None:
        def added(o: Object) -> None:
            put(o)
            self._changed.set()

        def updated(old: Object, new: Object) -> None:
            if service_name(old) != service_name(new):
                drop(old)
            added(new)

        def deleted(o: Object) -> None:
            drop(o)
            self._changed.set()

        self._informers.informer(resource).add_handler(added, updated, deleted)

    def _see_nodes(self, _: Object) -> None:
        self._nodes_changed = True
        self._changed.set()

    def _node_updated(self, old: Object, new: Object) -> None:
        """A heartbeat is no news."""
        if facts([old], self._networks) != facts([new], self._networks):
            self._see_nodes(new)

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
                await self._backend.retry()

    async def _sync(self) -> None:
        with self._metrics.sync_seconds.time():
            if self._nodes_changed:
                self._nodes_changed = False
                self._table.set_nodes(facts(self._nodes.store.list(), self._networks))
            changes = self._table.changes()
            for listener in changes:
                if len(rivals := self._table.rivals(listener)) > 1:
                    log.warning(
                        "Services ask for one address", listener=listener, served=rivals[0], others=rivals[1:]
                    )
            await self._backend.apply(changes)
        self.has_synced = True
        log.debug("rules synced", changes=len(changes))
