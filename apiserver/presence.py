"""Shell: an API server says that it lives, and default/kubernetes names all that do.

Each server renews a Lease of its own in kube-system. Every server looks at all of them and writes down, as
endpoints of default/kubernetes, those that were renewed lately: all come to the same result, so that any one
of them is enough. A Lease's age is measured from when this server saw it change, by its own clock, so that
clocks may differ.

    join, before listening -> run: renew, look, write, every RENEW_SECONDS -> leave, at the end

Invariants: a server names itself as long as it runs; one that was killed is named for EXPIRE_SECONDS at most
after the others have heard of it last.
After: k8s pkg/controlplane/reconcilers/lease.go; its leases stand beside the API, ours are Leases for all to
see, as those of k8s pkg/controlplane/apiserver/server.go (identity leases).
"""

from __future__ import annotations

import asyncio

from apiserver import bootstrap, kubernetes_service
from apiserver.admission.chain import DELETE, UPDATE, Attributes
from apiserver.authentication.user import SELF
from apiserver.registry.deletion import DeleteOptions
from apiserver.server import Server
from apiserver.storage.interface import StorageError
from kube.api import errors, meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import ENDPOINT_SLICES, LEASES, Resource
from kube.base.logs import logger

log = logger(__name__)

RENEW_SECONDS = 5.0
EXPIRE_SECONDS = 15.0
LEAVE_SECONDS = 2.0
NAMESPACE = "kube-system"
IDENTITY = "apiserver.kubernetes.io/identity"
LABELS = {IDENTITY: "kube-apiserver"}


class Presence:
    """This server among the others; `_seen` holds each Lease's last revision and when it was first seen."""

    def __init__(self, server: Server, host: str, port: int) -> None:
        self._server, self._address = server, (host, port)
        self._name = f"apiserver-{host}-{port}"
        self._seen: dict[str, tuple[int, float]] = {}

    async def join(self) -> None:
        """Be named from now on."""
        await self._renew()
        await self._write(self._living())

    async def run(self) -> None:
        """Stay named, and drop those that are gone, until cancelled."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                await self.join()
                await self._drop_expired()
            except (StorageError, StatusError) as error:
                log.warning("cannot say that this server lives, will retry", error=error)

    async def leave(self) -> None:
        """Be named no more, if another server is."""
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                others = [each for each in self._living() if each != self._address]
                if others:
                    await self._delete(LEASES, NAMESPACE, self._name)
                    await self._write(others)
        except (StorageError, StatusError, TimeoutError) as error:
            log.warning("left without saying so", error=error)

    async def _renew(self) -> None:
        host, port = self._address
        lease: Object = {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"name": self._name, "namespace": NAMESPACE, "labels": dict(LABELS)},
            "spec": {
                "holderIdentity": f"{host}:{port}",
                "leaseDurationSeconds": int(EXPIRE_SECONDS),
                "renewTime": meta.format_micro_time(self._server.clock.now()),
            },
        }
        registry = self._server.registry
        asked = Attributes(UPDATE, LEASES, NAMESPACE, self._name, SELF)
        try:
            await registry.update(asked, lambda old: {**old, "spec": {**old["spec"], **lease["spec"]}})
        except StatusError as error:
            if not errors.is_not_found(error):
                raise
            await bootstrap.apply(registry, self._server.cache, lease)

    def _living(self) -> list[tuple[str, int]]:
        """The servers whose Leases were renewed lately; this one always."""
        now = asyncio.get_running_loop().time()
        leases = {
            entry.key: entry
            for entry in self._server.cache.log(LEASES).objects.values()
            if entry.labels.get(IDENTITY) == LABELS[IDENTITY]
        }
        self._seen = {
            key: known
            if (known := self._seen.get(key)) and known[0] == entry.revision
            else (entry.revision, now)
            for key, entry in leases.items()
        }
        fresh = [entry for key, entry in leases.items() if now - self._seen[key][1] < EXPIRE_SECONDS]
        return sorted({self._address, *(_holder(entry.decode()) for entry in fresh)})

    async def _drop_expired(self) -> None:
        now = asyncio.get_running_loop().time()
        for key, (_, seen_at) in self._seen.items():
            name = meta.split_key(key)[1]
            if now - seen_at >= EXPIRE_SECONDS and name != self._name:
                log.info("an API server is gone", lease=name)
                await self._delete(LEASES, NAMESPACE, name)

    async def _write(self, servers: list[tuple[str, int]]) -> None:
        registry, cache = self._server.registry, self._server.cache
        wanted = kubernetes_service.endpoints(servers)
        for o in wanted:
            try:
                await bootstrap.apply(registry, cache, o)
            except StatusError as error:
                # Another server deleted it at this moment; the next round makes it again if it is wanted.
                if not errors.is_not_found(error):
                    raise
        for key in list(cache.log(ENDPOINT_SLICES).objects):
            namespace, name = meta.split_key(key)
            if namespace == kubernetes_service.NAMESPACE and kubernetes_service.is_surplus(name, wanted):
                await self._delete(ENDPOINT_SLICES, namespace, name)

    async def _delete(self, resource: Resource, namespace: str, name: str) -> None:
        asked = Attributes(DELETE, resource, namespace, name, SELF)
        try:
            await self._server.registry.delete(asked, DeleteOptions())
        except StatusError as error:
            if not errors.is_not_found(error):
                raise


def _holder(lease: Object) -> tuple[str, int]:
    host, _, port = str(lease["spec"]["holderIdentity"]).rpartition(":")
    return host, int(port)
