"""Shell: all APIServices as they are now, and the loops that look after those that others serve.

    cache --changes of APIServices, Services, EndpointSlices--> wakes the follower that it concerns
    request's path --> `serving`: the APIService whose server shall answer, if it is not this one

After: k8s staging/src/k8s.io/kube-aggregator/pkg/apiserver/{apiserver,apiservice_controller}.go
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from apiserver.aggregation import catalog, follower
from apiserver.aggregation.api_service import ApiService, GroupVersion, name_of
from apiserver.aggregation.availability import LOCAL
from apiserver.aggregation.catalog import Known
from apiserver.aggregation.connections import Connections
from apiserver.aggregation.follower import Follower
from apiserver.registry.registry import Registry
from apiserver.storage.changes import Changes
from apiserver.storage.entry import Entry
from apiserver.storage.watch_cache import WatchCache
from kube.api import meta
from kube.api.endpoint_slices import SERVICE_NAME
from kube.api.meta import Object
from kube.api.resources import API_SERVICES, ENDPOINT_SLICES, SERVICES, Resource
from kube.base.clock import Clock
from kube.base.tasks import Tasks

# A document in bytes, and its tag.
Document = tuple[bytes, str]


@dataclass(slots=True)
class Followed:
    """A follower and its task, and the Service that it is about."""

    follower: Follower
    task: asyncio.Task[None]
    service: tuple[str, str]


class Aggregation:
    """What other servers serve behind this one.

    `_known` is what they say of themselves; `_version` grows when that changes.
    """

    def __init__(self, cache: WatchCache, registry: Registry, clock: Clock, connections: Connections) -> None:
        self._cache, self._registry, self._clock = cache, registry, clock
        self.connections = connections
        self._services: dict[str, ApiService] = {}
        self._seen: tuple[object, int] = (None, 0)
        self._known: dict[str, Known] = {}
        self._version = 0
        self._followed: dict[str, Followed] = {}
        self._begun = asyncio.Event()
        self._documents: dict[str, tuple[object, Document]] = {}

    # What requests ask.

    def serving(self, path: str) -> ApiService | None:
        """The APIService that has another server answer this path."""
        name = name_of(path)
        found = self.services().get(name) if name else None
        return found if found is not None and found.service is not None else None

    def services(self) -> dict[str, ApiService]:
        """All of them, as the cache has them now."""
        log = self._cache.log(API_SERVICES)
        if self._seen != (log, log.end_position):
            found = (ApiService.of(entry.decode()) for entry in log.objects.values())
            self._services = {each.name: each for each in found}
            self._seen = (log, log.end_position)
        return self._services

    def kept(self, name: str, write: Callable[[], Document]) -> Document:
        """A document about all groups; written anew when something of them has changed."""
        self.services()
        state = (*self._seen, self._version)
        if name not in self._documents or self._documents[name][0] != state:
            self._documents[name] = (state, write())
        return self._documents[name][1]

    def items(self, local: Iterable[Object]) -> list[Object]:
        return catalog.items(local, self.services(), self._known)

    def groups(self, local: Iterable[GroupVersion]) -> list[Object]:
        return catalog.groups(local, self.services())

    def openapi_paths(self) -> Object:
        return catalog.openapi_paths(self.services(), self._known)

    def suspect(self, api_service: ApiService) -> None:
        """It was not reached: look now."""
        if api_service.name in self._followed:
            self._followed[api_service.name].follower.woken.set()

    # What goes on besides.

    async def run(self) -> None:
        """Look after them until cancelled."""
        async with Tasks() as tasks:
            try:
                changes = Changes(self._cache, (API_SERVICES, SERVICES, ENDPOINT_SLICES))
                for name in list(self.services()):
                    await self._follow(tasks, name)
                self._begun.set()
                while True:
                    for kind, entry in await changes.next():
                        await self._changed(tasks, kind, entry)
                    for name in self._followed.keys() - self.services().keys():
                        await self._follow(tasks, name)
            finally:
                self._begun.clear()
                await tasks.cancel()
                self._followed.clear()
                await self.connections.close()

    async def settle(self, seconds: float) -> None:
        """Return when all have been looked at once, or after a while."""
        try:
            async with asyncio.timeout(seconds):
                await self._begun.wait()
                for each in list(self._followed.values()):
                    await each.follower.settled.wait()
        except TimeoutError:
            return

    async def _changed(self, tasks: Tasks, kind: Resource, entry: Entry) -> None:
        if kind is API_SERVICES:
            await self._follow(tasks, entry.key)
            return
        namespace, name = meta.split_key(entry.key)
        service = (namespace, name if kind is SERVICES else entry.labels.get(SERVICE_NAME, ""))
        for each in self._followed.values():
            if each.service == service:
                each.follower.woken.set()

    async def _follow(self, tasks: Tasks, name: str) -> None:
        """Begin, go on or cease to look after one, whatever it has become."""
        api_service, followed = self.services().get(name), self._followed.get(name)
        service = api_service.service if api_service else None
        if followed is not None and service is None:
            followed.task.cancel()
            del self._followed[name]
            self._told(name, None)
        elif followed is not None and service is not None:
            followed.service = service
            followed.follower.woken.set()
        elif service is not None:
            made = Follower(name, self._cache, self._registry, self._clock, self.connections, self._told)
            task = tasks.start(f"APIService {name}", made.run)
            self._followed[name] = Followed(made, task, service)
        if api_service is not None and service is None:
            await follower.write(self._cache, self._registry, self._clock, name, LOCAL)

    def _told(self, name: str, known: Known | None) -> None:
        if self._known.get(name) != known:
            self._version += 1
        if known is None:
            self._known.pop(name, None)
        else:
            self._known[name] = known
