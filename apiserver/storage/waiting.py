"""Core: who waits for which events of a kind, so that an event wakes those alone whom it may concern.

    scope                     who waits there
    (everything)              watches of all objects of the kind
    in default                watches of a namespace
    at default/web            watches of one object
    spec.nodeName n1          a kubelet's watch of its pods

A thousand kubelets watch the pods, and each pod concerns one or two of them. Who was not woken has missed
nothing: his cursor is set to the event that wakes him, however much came by in between.

After: k8s staging/src/k8s.io/apiserver/pkg/storage/cacher/cacher.go, indexedWatchers
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from apiserver.storage.entry import Entry
from kube.api.fields import FieldSelector
from kube.api.resources import Resource

EVERYTHING = ""
# The one field of a kind that so many watches ask for that it is worth an index.
INDEXED = {("", "pods"): "spec.nodeName"}


class Waiter(Protocol):
    """A cursor that waits; its position is the caller's to set."""

    position: int


def key_of(resource: Resource, namespace: str, selector: FieldSelector) -> str:
    """The one key that a selection in this namespace can be of; empty if it can be of several."""
    name = selector.required("metadata.name") or ""
    if not name or (resource.namespaced and not namespace):
        return ""
    return f"{namespace}/{name}" if resource.namespaced else name


def scope_of(resource: Resource, namespace: str, selector: FieldSelector) -> str:
    """The narrowest scope that holds all that a watch of this namespace and selector may see."""
    if key := key_of(resource, namespace, selector):
        return f"at {key}"
    field = INDEXED.get((resource.group, resource.plural), "")
    if field and (value := selector.required(field)):
        return f"{field} {value}"
    return f"in {namespace}" if namespace else EVERYTHING


class Waiting:
    """The waiters of one kind, by scope."""

    def __init__(self, resource: Resource) -> None:
        self._namespaced = resource.namespaced
        self._field = INDEXED.get((resource.group, resource.plural), "")
        self._scopes: dict[str, dict[Waiter, Callable[[], None]]] = {}
        self._woken: list[Callable[[], None]] = []

    def add(self, scope: str, waiter: Waiter, wake: Callable[[], None]) -> None:
        """Wait for the next event of the scope."""
        self._scopes.setdefault(scope, {})[waiter] = wake

    def remove(self, scope: str, waiter: Waiter) -> bool:
        """Wait no longer; False when the waiter has been chosen already."""
        waiters = self._scopes.get(scope, {})
        if waiters.pop(waiter, None) is None:
            return False
        if not waiters:
            del self._scopes[scope]
        return True

    def choose(self, entry: Entry, previous: Entry | None, position: int) -> None:
        """Set those whom an event concerns to its position; `wake` calls them."""
        for scope in self._concerned(entry, previous):
            for waiter, wake in self._scopes.pop(scope, {}).items():
                waiter.position = position
                self._woken.append(wake)

    def _concerned(self, entry: Entry, previous: Entry | None) -> Iterator[str]:
        if not self._scopes:
            return
        yield EVERYTHING
        yield f"at {entry.key}"
        if self._namespaced:
            yield f"in {entry.key.partition('/')[0]}"
        if self._field:
            yield f"{self._field} {entry.fields[self._field]}"
            if previous is not None:
                yield f"{self._field} {previous.fields[self._field]}"

    def wake(self) -> None:
        """Call all who were chosen."""
        woken, self._woken = self._woken, []
        for wake in woken:
            wake()

    def wake_all(self) -> None:
        """Call everyone."""
        for waiters in self._scopes.values():
            self._woken += waiters.values()
        self._scopes.clear()
        self.wake()
