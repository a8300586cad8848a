"""Shell: who owns whom: the informers of everything deletable, with an index by owner.

The informers' stores are the graph: an object is a node, its owner references are the edges, and the index by
owner's uid follows them backwards. An owner need not be in any store: what refers to it is found by its uid.

After: k8s pkg/controller/garbagecollector/graph_builder.go, which keeps a graph of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from controllers.contents import deletable
from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import Resource, by_kind
from kube.client.informer import Informer, InformerFactory

OWNER_INDEX = "owner"

Changed = Callable[[Resource, Object], None]


def owner_index(o: Object) -> list[str]:
    """Find objects by the uids of their owners."""
    return [each["uid"] for each in meta.owner_references(o)]


class Graph:
    """All objects that can be deleted, and the references between them."""

    def __init__(self, informers: InformerFactory) -> None:
        self._informers: dict[Resource, Informer] = {}
        self._by_place: dict[str, Resource] = {}
        for each in deletable():
            informer = informers.metadata_informer(each)
            informer.add_index(OWNER_INDEX, owner_index)
            self._informers[each] = informer
            self._by_place[each.storage_prefix()] = each

    def subscribe(self, on_change: Changed, on_delete: Changed) -> None:
        """Call these for everything that is added or updated, and for everything that is deleted."""
        for resource, informer in self._informers.items():
            _subscribe(informer, resource, on_change, on_delete)

    def find(self, resource: Resource, key: str) -> Object | None:
        """The object with that key."""
        return self._informers[resource].store.get(key)

    def dependents(self, uid: str) -> list[tuple[Resource, Object]]:
        """Everything that refers to this uid as its owner."""
        return [
            (resource, each)
            for resource, informer in self._informers.items()
            for each in informer.store.by_index(OWNER_INDEX, uid)
        ]

    def owner(self, reference: Object, dependent: Object) -> Object | None:
        """The owner that a reference means, if it is known: the right uid under the right name."""
        resource = self.resource_of(reference)
        if resource is None:
            return None
        found = self.find(resource, owner_key(resource, reference, dependent))
        return found if found is not None and meta.uid(found) == reference["uid"] else None

    def resource_of(self, reference: Object) -> Resource | None:
        """Where objects of the owner's kind are kept here, whatever group or version the reference names."""
        resource = by_kind(reference["apiVersion"], reference["kind"])
        return self._by_place.get(resource.storage_prefix()) if resource is not None else None


def owner_key(resource: Resource, reference: Object, dependent: Object) -> str:
    """The key of an owner: in the dependent's namespace, unless its kind has none."""
    name = str(reference["name"])
    return f"{meta.namespace(dependent)}/{name}" if resource.namespaced else name


def _subscribe(informer: Informer, resource: Resource, on_change: Changed, on_delete: Changed) -> None:
    informer.add_handler(
        lambda o: on_change(resource, o),
        lambda _, new: on_change(resource, new),
        lambda o: on_delete(resource, o),
    )
