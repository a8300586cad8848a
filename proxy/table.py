"""Core: the rules of all Services, kept in step one object at a time.

    put, drop (as informers tell)  ->  changes(): the listeners that are no longer as they were

A change of a Service or a slice looks at that Service alone, so it costs the same with ten thousand of them;
a change of nodes looks at the Services that care where their clients or pods are. An address that several
Services ask for (an external IP, say) is the first one's by namespace and name; when that one goes, the next
has it.

Invariants: the rules follow from the objects alone, whatever order they came in.
"""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Collection

from kube.api import meta
from kube.api.endpoint_slices import service_name
from kube.api.meta import Object
from proxy.nodes import Nodes
from proxy.rules import HealthCheck, Listener, Rule, Rules, depends_on_nodes, of_service

# None: nobody answers there any more.
Changes = dict[Listener, Rule | HealthCheck | None]


class Table:
    """See the module."""

    def __init__(self) -> None:
        self._nodes = Nodes()
        self._services: dict[str, Object] = {}
        # By Service, then by name.
        self._slices: defaultdict[str, dict[str, Object]] = defaultdict(dict)
        self._rules: dict[str, Rules] = {}
        # Who asks for a listener, in order.
        self._claims: dict[Listener, list[str]] = {}
        self._to_see: set[str] = set()

    @property
    def nodes(self) -> Nodes:
        return self._nodes

    def put_service(self, o: Object) -> None:
        self._services[meta.key(o)] = o
        self._to_see.add(meta.key(o))

    def drop_service(self, o: Object) -> None:
        self._services.pop(meta.key(o), None)
        self._to_see.add(meta.key(o))

    def put_slice(self, o: Object) -> None:
        self._slices[_owner(o)][meta.name(o)] = o
        self._to_see.add(_owner(o))

    def drop_slice(self, o: Object) -> None:
        owner = _owner(o)
        self._slices[owner].pop(meta.name(o), None)
        if not self._slices[owner]:
            del self._slices[owner]
        self._to_see.add(owner)

    def set_nodes(self, nodes: Nodes) -> None:
        """Some rules depend on them."""
        if nodes != self._nodes:
            self._nodes = nodes
            self._to_see.update(
                key
                for key, service in self._services.items()
                if depends_on_nodes(service, self._slices_of(key))
            )

    def changes(self) -> Changes:
        """What is to be told since the last call; a listener may be as it was."""
        touched: set[Listener] = set()
        for key in self._to_see:
            before, now = self._rules.pop(key, {}), self._wanted(key)
            for listener in before.keys() - now.keys():
                self._release(listener, key)
            for listener in now.keys() - before.keys():
                insort(self._claims.setdefault(listener, []), key)
            if now:
                self._rules[key] = now
            touched.update(each for each in before.keys() | now.keys() if before.get(each) != now.get(each))
        self._to_see.clear()
        return {listener: self._rule(listener) for listener in sorted(touched)}

    def rivals(self, listener: Listener) -> list[str]:
        """The Services that ask for it; the first has it."""
        return self._claims.get(listener, [])

    def _wanted(self, key: str) -> Rules:
        service = self._services.get(key)
        return of_service(service, self._slices_of(key), self._nodes) if service is not None else {}

    def _slices_of(self, key: str) -> Collection[Object]:
        return self._slices.get(key, {}).values()

    def _release(self, listener: Listener, key: str) -> None:
        self._claims[listener].remove(key)
        if not self._claims[listener]:
            del self._claims[listener]

    def _rule(self, listener: Listener) -> Rule | HealthCheck | None:
        claims = self._claims.get(listener)
        return self._rules[claims[0]][listener] if claims else None


def _owner(o: Object) -> str:
    """The key of the Service whose slice it is."""
    return f"{meta.namespace(o)}/{service_name(o)}"
