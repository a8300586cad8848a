"""Shell: a shared local copy of a kind, and handlers that hear of every change to it.

    reflector -> Informer.apply -> store -> handlers: on_add(new) on_update(old, new) on_delete(old)

One informer a kind and process: five controllers that look at pods share one watch and one copy. Handlers are
plain functions and only put keys into queues. After a relist they hear the difference to what they knew: a
delete that happened while the watch was down still arrives, with the last known state.

After: k8s staging/src/k8s.io/client-go/tools/cache/shared_informer.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import Resource
from kube.api.watch import DELETED, WatchEvent
from kube.base.backoff import Chance
from kube.base.tasks import Tasks
from kube.client.reflector import Reflector
from kube.client.rest import Client
from kube.client.store import IndexFunction, Store


def _ignore(*_: Object) -> None:
    """Hear nothing."""


@dataclass(frozen=True, slots=True)
class Handler:
    """What to call for each kind of change."""

    on_add: Callable[[Object], None] = _ignore
    on_update: Callable[[Object, Object], None] = _ignore
    on_delete: Callable[[Object], None] = _ignore


class Informer:
    """The objects of one resource (in one namespace, or matching a selector) and who listens to them."""

    def __init__(
        self,
        client: Client,
        resource: Resource,
        namespace: str | None = None,
        field_selector: str = "",
        label_selector: str = "",
        *,
        metadata_only: bool = False,
        random: Chance | None = None,
    ) -> None:
        self.resource = resource
        self.store = Store()
        self._handlers: list[Handler] = []
        self._synced = asyncio.Event()
        self._reflector = Reflector(
            client,
            resource,
            self,
            namespace,
            label_selector,
            field_selector,
            metadata_only=metadata_only,
            random=random,
        )

    @property
    def has_synced(self) -> bool:
        """True once the first list is in the store and its objects were announced."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        await self._synced.wait()

    def add_index(self, name: str, function: IndexFunction) -> None:
        self.store.add_index(name, function)

    def add_handler(
        self,
        on_add: Callable[[Object], None] = _ignore,
        on_update: Callable[[Object, Object], None] = _ignore,
        on_delete: Callable[[Object], None] = _ignore,
    ) -> None:
        """Call these from now on; what is already known is announced at once."""
        handler = Handler(on_add, on_update, on_delete)
        self._handlers.append(handler)
        for each in self.store.list():
            handler.on_add(each)

    async def run(self) -> None:
        """Keep the copy in step, until cancelled."""
        await self._reflector.run()

    def replace(self, objects: Sequence[Object]) -> None:
        """Make the copy equal to a list, announcing the differences."""
        listed = {meta.key(each) for each in objects}
        for key in self.store.keys_except(listed):
            self._delete(key)
        for each in objects:
            self._put(each)
        self._synced.set()

    def apply(self, event: WatchEvent) -> None:
        """Carry out one change."""
        if event.type == DELETED:
            self._delete(meta.key(event.object), event.object)
        else:
            self._put(event.object)

    def _put(self, new: Object) -> None:
        # No component reads who wrote which field, and that is a large part of an object; a server that is
        # sent one without it keeps what it has.
        new["metadata"].pop("managedFields", None)
        old = self.store.put(new)
        if old is None:
            for handler in self._handlers:
                handler.on_add(new)
        elif meta.uid(old) != meta.uid(new):
            # Deleted and made again while we did not look: two objects, two announcements.
            for handler in self._handlers:
                handler.on_delete(old)
                handler.on_add(new)
        elif meta.resource_version(old) != meta.resource_version(new):
            for handler in self._handlers:
                handler.on_update(old, new)

    def _delete(self, key: str, last: Object | None = None) -> None:
        old = self.store.pop(key)
        if old is not None:
            for handler in self._handlers:
                handler.on_delete(last or old)


class InformerFactory:
    """Makes one informer a resource, however many ask for it."""

    def __init__(self, client: Client, random: Chance | None = None) -> None:
        self._client, self._random = client, random
        self._informers: dict[Resource, Informer] = {}

    def informer(self, resource: Resource) -> Informer:
        """The shared informer of full objects."""
        found = self._informers.get(resource)
        if found is None:
            found = self._informers[resource] = Informer(self._client, resource, random=self._random)
        return found

    def metadata_informer(self, resource: Resource) -> Informer:
        """The shared informer if there is one already, otherwise one that holds metadata alone."""
        found = self._informers.get(resource)
        if found is None:
            found = Informer(self._client, resource, metadata_only=True, random=self._random)
            self._informers[resource] = found
        return found

    def start(self, tasks: Tasks) -> None:
        """Run every informer asked for so far."""
        for resource, each in self._informers.items():
            tasks.start(f"informer {resource.qualified}", each.run)

    @property
    def unsynced(self) -> list[str]:
        """The resources whose first list is still awaited."""
        return [resource.qualified for resource, each in self._informers.items() if not each.has_synced]

    async def wait_synced(self) -> None:
        """Wait until every informer has its first list."""
        for each in list(self._informers.values()):
            await each.wait_synced()
