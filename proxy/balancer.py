"""Core: says in which order to try the backends for a client.

Each new connection begins with the next backend, round and round; the others follow, for when the first has
gone. With session affinity a client comes back to the backend that took its last connection, for as long as
the rule says after that. One that did not answer just now is tried after all others, so that a pod that hangs
holds up one client and not every third.

Invariants: every backend that the rule has for the client is offered exactly once; a client is remembered
only with a backend that the rule still has; at most CLIENTS_MAX clients are remembered, those heard of last.
After: k8s pkg/proxy/userspace/roundrobin.go (of Kubernetes 1.25, the last with a proxy in user space)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from proxy.endpoints import Backend
from proxy.rules import Rule

CLIENTS_MAX = 10000
AVOIDED_SECONDS = 5.0


class Balancer:
    """Chooses for one listener; `now` is any clock in seconds, the same in all calls.

    node_of: the node of a client, where it is a pod.
    """

    def __init__(self, rule: Rule, node_of: Callable[[str], str], first: int = 0) -> None:
        self.rule = rule
        self._node_of = node_of
        self._next = first
        # Client to its backend and until when it sticks to it; the client heard of last stands last.
        self._clients: dict[str, tuple[Backend, float]] = {}
        # Those that did not answer, and until when they come last.
        self._avoided: dict[Backend, float] = {}

    def replace(self, rule: Rule) -> None:
        """Choose by this rule from now on."""
        self.rule = rule
        kept = rule.reachable
        sticky = self._clients.items() if rule.affinity_seconds is not None else ()
        self._clients = {client: known for client, known in sticky if known[0] in kept}
        self._avoided = {backend: at for backend, at in self._avoided.items() if backend in kept}

    def candidates(self, client: str, now: float) -> Sequence[Backend]:
        """The backends, that to be tried first in front."""
        backends = self.rule.backends_for(self._node_of(client) if self.rule.by_node else "")
        if not backends:
            return ()
        known = self._clients.get(client)
        if known is not None and known[1] > now and known[0] in backends:
            backends = known[0], *(each for each in backends if each != known[0])
        else:
            start = self._next % len(backends)
            self._next = start + 1
            backends = backends[start:] + backends[:start]
        if self._avoided:
            self._avoided = {backend: at for backend, at in self._avoided.items() if at > now}
            backends = tuple(sorted(backends, key=self._avoided.__contains__))
        return backends

    def took(self, client: str, backend: Backend, now: float) -> None:
        """The backend has taken a connection of the client."""
        self._avoided.pop(backend, None)
        if self.rule.affinity_seconds is None or not self.rule.reaches(backend):
            return
        self._clients.pop(client, None)
        if len(self._clients) >= CLIENTS_MAX:
            del self._clients[next(iter(self._clients))]
        self._clients[client] = (backend, now + self.rule.affinity_seconds)

    def missed(self, backend: Backend, now: float) -> None:
        """The backend did not answer."""
        if self.rule.reaches(backend):
            self._avoided[backend] = now + AVOIDED_SECONDS
