"""Core: a local copy of one kind's objects, by key and by whatever else one looks them up.

An index is a function from an object to the values it is found under, such as the node of a pod or the uid of
its controller; it is kept up to date with every change, so that a controller never scans all pods.

Invariants: objects in the store are shared by all readers and never changed by one.
After: k8s staging/src/k8s.io/client-go/tools/cache/thread_safe_store.go.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable

from kube.api import meta
from kube.api.meta import Object

IndexFunction = Callable[[Object], Iterable[str]]
Objects = list[Object]
Keys = list[str]


class Store:
    """The objects of one kind; `by_index` finds them under the values of an index."""

    def __init__(self) -> None:
        self._objects: dict[str, Object] = {}
        self._functions: dict[str, IndexFunction] = {}
        # index name -> value -> key -> object
        self._indexes: dict[str, dict[str, dict[str, Object]]] = {}

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Find objects under `function(object)` from now on; adding the same index again is harmless."""
        assert self._functions.get(name, function) is function, f"two indexes named {name}"
        self._functions[name] = function
        self._indexes[name] = {}
        for key, each in self._objects.items():
            self._insert(name, key, each)

    def get(self, key: str) -> Object | None:
        return self._objects.get(key)

    def list(self) -> Objects:
        return [*self._objects.values()]

    def by_index(self, name: str, value: str) -> Objects:
        return [*self._indexes[name].get(value, {}).values()]

    def keys_except(self, kept: Container[str]) -> Keys:
        """The keys that are not among `kept`."""
        return [key for key in self._objects if key not in kept]

    def __len__(self) -> int:
        return len(self._objects)

    def put(self, each: Object) -> Object | None:
        """Add or replace an object; returns the one it replaced."""
        key = meta.key(each)
        old = self.pop(key)
        self._objects[key] = each
        for name in self._functions:
            self._insert(name, key, each)
        return old

    def pop(self, key: str) -> Object | None:
        """Remove an object; returns it, or None if there was none."""
        old = self._objects.pop(key, None)
        if old is not None:
            for name, function in self._functions.items():
                self._remove(name, function(old), key)
        return old

    def _insert(self, name: str, key: str, each: Object) -> None:
        for value in self._functions[name](each):
            self._indexes[name].setdefault(value, {})[key] = each

    def _remove(self, name: str, values: Iterable[str], key: str) -> None:
        index = self._indexes[name]
        for value in values:
            found = index.get(value, {})
            found.pop(key, None)
            if not found:
                index.pop(value, None)
