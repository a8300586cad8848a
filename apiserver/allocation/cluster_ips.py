"""Shell: which Service has which cluster IP: one IPAddress object each, whose name is the address.

    claim    create IPAddress 127.96.4.2 (parentRef: the Service); who is second finds it there
    release  delete it, if nobody has claimed it anew meanwhile

So no address is given out twice, however many API servers give them out at the same moment. What is left
over when one dies in between is repair.py's to find.

After: k8s pkg/registry/core/service/ipallocator/ipallocator.go
"""

from __future__ import annotations

import ipaddress
from random import Random

from apiserver.admission.chain import CREATE, DELETE, Attributes
from apiserver.authentication.user import SELF
from apiserver.registry.deletion import DeleteOptions
from apiserver.registry.registry import Registry
from apiserver.storage.watch_cache import WatchCache
from kube.api import errors, meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import IP_ADDRESSES, SERVICES

# By these a real API server knows its own.
LABELS = {
    "ipaddress.kubernetes.io/ip-family": "IPv4",
    "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
}
ATTEMPTS = 4096


class ClusterIPs:
    """The addresses of one network; `registry` is put in when it stands."""

    registry: Registry

    def __init__(self, cache: WatchCache, network: str, random: Random) -> None:
        self._cache, self._random = cache, random
        self.network = ipaddress.ip_network(network)

    async def claim(self, address: str, parent: Object) -> bool:
        """Have the address for a Service; False when another one has it."""
        try:
            await self._create(address, parent)
            return True
        except StatusError as error:
            if not errors.is_already_exists(error):
                raise
        # A Service of this name may have left it behind: it was never made, or is just gone.
        await self._cache.consistent()
        if self.parent_of(address) != key_of(parent) or self._cache.get(SERVICES, *key_of(parent)):
            return False
        await self.release(address, parent)
        try:
            await self._create(address, parent)
            return True
        except StatusError as error:
            if not errors.is_already_exists(error):
                raise
            return False

    async def claim_any(self, parent: Object) -> str:
        """An address nobody had; the lower part is left to those who ask for one by name."""
        for _ in range(ATTEMPTS):
            address = self.any_free()
            if await self.claim(address, parent):
                return address
        raise _full()

    def any_free(self) -> str:
        """An address that seems to be free."""
        size = self.network.num_addresses
        low = min(max(16, size // 16), 256) + 1 if size > 64 else 2
        for _ in range(ATTEMPTS):
            address = str(self.network[self._random.randint(low, size - 2)])
            if self.parent_of(address) is None:
                return address
        raise _full()

    async def release(self, address: str, parent: Object) -> None:
        """Give back what this Service has, unless it was claimed anew since the cache saw it."""
        entry = self._cache.get(IP_ADDRESSES, "", address)
        if entry is not None and self.parent_of(address) == key_of(parent):
            await self.delete(address, str(entry.revision))

    async def delete(self, address: str, resource_version: str) -> None:
        """Free an address, if its object is still this one."""
        asked = Attributes(DELETE, IP_ADDRESSES, "", address, SELF)
        try:
            await self.registry.delete(asked, DeleteOptions(resource_version=resource_version))
        except StatusError as error:
            if not errors.is_not_found(error) and not errors.is_conflict(error):
                raise

    def parent_of(self, address: str) -> tuple[str, str] | None:
        """Namespace and name of the Service that has it, as far as the cache has seen."""
        entry = self._cache.get(IP_ADDRESSES, "", address)
        if entry is None:
            return None
        reference = meta.get(entry.decode(), "spec", "parentRef", default={})
        return reference.get("namespace", ""), reference.get("name", "")

    async def _create(self, address: str, parent: Object) -> None:
        namespace, name = key_of(parent)
        o: Object = {
            "apiVersion": IP_ADDRESSES.api_version,
            "kind": IP_ADDRESSES.kind,
            "metadata": {"name": address, "labels": dict(LABELS)},
            "spec": {
                "parentRef": {"group": "", "resource": "services", "namespace": namespace, "name": name}
            },
        }
        await self.registry.create(Attributes(CREATE, IP_ADDRESSES, "", address, SELF), o)


def key_of(service: Object) -> tuple[str, str]:
    """Namespace and name."""
    return meta.namespace(service), meta.name(service)


def _full() -> StatusError:
    return errors.internal("failed to allocate a serviceIP: range is full")
