"""Shell: objects of one kind as the owners of others: whom a child concerns, and whether it may be adopted.

A child that nobody owns concerns every object of the kind in its namespace whose selector matches it; an
owned child only its owner.

After: k8s pkg/controller/controller_ref_manager.go, RecheckDeletionTimestamp.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from controllers.claim import adoptable
from controllers.live import find
from kube.api import meta
from kube.api.labels import Selector
from kube.api.meta import Object
from kube.api.resources import Resource
from kube.client.informer import InformerFactory
from kube.client.rest import Client
from kube.controller.owners import NAMESPACE_INDEX, namespace_index


class Parents:
    """Of one resource; selector: how a parent's is read."""

    def __init__(
        self,
        client: Client,
        informers: InformerFactory,
        resource: Resource,
        selector: Callable[[Object], Selector],
    ) -> None:
        self._client, self._resource, self._selector = client, resource, selector
        informer = informers.informer(resource)
        informer.add_index(NAMESPACE_INDEX, namespace_index)
        self._store = informer.store

    def owner_of(self, child: Object) -> str | None:
        """The key of the child's owner, if it is of this kind."""
        reference = meta.controller_of(child)
        if reference is None or reference["kind"] != self._resource.kind:
            return None
        return f"{meta.namespace(child)}/{reference['name']}"

    def keys_of(self, child: Object) -> list[str]:
        """Whom a child concerns: its owner, or those that might adopt it."""
        if meta.controller_of(child) is not None:
            owner = self.owner_of(child)
            return [owner] if owner is not None else []
        return [
            meta.key(each) for each in self.beside(child) if self._selector(each).matches(meta.labels(child))
        ]

    def beside(self, o: Object) -> list[Object]:
        """Those in an object's namespace."""
        return self._store.by_index(NAMESPACE_INDEX, meta.namespace(o))

    async def may_adopt(self, parent: Object, orphans: Sequence[Object]) -> bool:
        """False if there is something to adopt and the server, not the cache, says that this very parent is
        gone or going.
        """
        if not adoptable(parent, self._selector(parent), orphans):
            return True
        live = await find(self._client, self._resource, meta.namespace(parent), meta.name(parent))
        return live is not None and meta.uid(live) == meta.uid(parent) and not meta.is_terminating(live)
