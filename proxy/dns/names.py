"""Shell: keeps the zone in step with the cluster, and answers at the address of the kube-dns Service.

    Namespaces, Services, EndpointSlices --informers--> Zone <-- Resolver <-- DnsServer at 127.96.0.10:53

The server listens on the Service's address itself: there is nobody to pass queries on to.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from kube.api.endpoint_slices import service_name
from kube.api.meta import Object
from kube.api.resources import ENDPOINT_SLICES, NAMESPACES, SERVICES, Resource
from kube.base import low_ports
from kube.base.logs import logger
from kube.client.informer import InformerFactory
from proxy.dns.resolver import Resolver
from proxy.dns.server import DnsServer
from proxy.dns.zone import Zone

log = logger(__name__)

PORT = 53
RETRY_SECONDS = 5.0


class ClusterNames:
    """Watches the cluster, and serves; address: where."""

    def __init__(self, informers: InformerFactory, zone: Zone, resolver: Resolver, address: str) -> None:
        self._informers = informers
        self._port = low_ports.bindable(PORT)
        self._server = DnsServer(resolver, address, self._port)
        self._address, self._problem = address, "not started yet"
        self._follow(NAMESPACES, zone.put_namespace, zone.drop_namespace)
        self._follow(SERVICES, zone.put_service, zone.drop_service)
        self._follow(ENDPOINT_SLICES, zone.put_slice, zone.drop_slice)

    def _follow(
        self, resource: Resource, put: Callable[[Object], None], drop: Callable[[Object], None]
    ) -> None:
        def changed(old: Object, new: Object) -> None:
            if service_name(old) != service_name(new):
                drop(old)
            put(new)

        self._informers.informer(resource).add_handler(put, changed, drop)

    def unready(self) -> str | None:
        """Why names are not answered, for /readyz."""
        return self._problem or None

    async def run(self) -> None:
        """Serve until cancelled; an address that is taken is tried again."""
        await self._informers.wait_synced()
        while True:
            if await self._start():
                break
            await asyncio.sleep(RETRY_SECONDS)
        if self._port != PORT:
            log.warning("names are answered elsewhere", port=self._port, why=low_ports.WAY_OUT)
        try:
            await asyncio.Event().wait()
        finally:
            self._server.close()

    async def _start(self) -> bool:
        try:
            await self._server.start()
        except OSError as error:
            problem = os.strerror(error.errno) if error.errno else str(error)
            if self._problem != problem:
                log.warning("cannot answer names", address=self._address, port=self._port, why=problem)
            self._problem = problem
            return False
        self._problem = ""
        log.info("answering names", address=self._address, port=self._port)
        return True
