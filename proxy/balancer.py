"""Core: says in which order to try the backends for a client.

Each new connection begins with the next backend, round and round; the others follow, for when the first has
gone. With session affinity a client comes back to the backend that took its last connection, for as long as
the rule says after that.

Invariants: every backend of the rule is offered exactly once; a client is remembered only with a backend that
the rule still has; at most CLIENTS_MAX clients are remembered, those heard of last.
After: k8s pkg/proxy/userspace/roundrobin.go (of Kubernetes 1.25, the last with a proxy in user space)
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.rules import Backend, Rule

CLIENTS_MAX = 10000


class Balancer:
    """Chooses for one listener; `now` is any clock in seconds, the same in all calls."""

    def __init__(self, rule: Rule, first: int = 0) -> None:
        self.rule = rule
        self._next = first
        # Client to its backend and until when it sticks to it; the client heard of last stands last.
        self._clients: dict[str, tuple[Backend, float]] = {}

    def replace(self, rule: Rule) -> None:
        """Choose by this rule from now on."""
        self.rule = rule
        kept = set(rule.backends) if rule.affinity_seconds is not None else set()
        self._clients = {client: known for client, known in self._clients.items() if known[0] in kept}

    def candidates(self, client: str, now: float) -> Sequence[Backend]:
        """The backends, that to be tried first in front."""
        backends = self.rule.backends
        if not backends:
            return ()
        known = self._clients.get(client)
        if known is not None and known[1] > now:
            return known[0], *(each for each in backends if each != known[0])
        start = self._next % len(backends)
        self._next = start + 1
        return backends[start:] + backends[:start]

    def took(self, client: str, backend: Backend, now: float) -> None:
        """The backend has taken a connection of the client."""
        if self.rule.affinity_seconds is None or backend not in self.rule.backends:
            return
        self._clients.pop(client, None)
        if len(self._clients) >= CLIENTS_MAX:
            del self._clients[next(iter(self._clients))]
        self._clients[client] = (backend, now + self.rule.affinity_seconds)
