"""Shell: what the proxy counts, named as the real one's where it counts the same."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """The counters of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sync_seconds = Histogram(
            "kubeproxy_sync_proxy_rules_duration_seconds",
            "How long a sync of the rules took",
            registry=registry,
        )
        self.listeners = Gauge("kubelite_proxy_listeners", "Listeners that are open", registry=registry)
        self.connections = Counter(
            "kubelite_proxy_connections", "Connections taken to a backend", registry=registry
        )
        self.refused = Counter(
            "kubelite_proxy_refused",
            "Clients outside of a load balancer's source ranges",
            registry=registry,
        )
        self.dns_answers = Counter(
            "kubelite_dns_answers",
            "Queries for names, by where the answer came from",
            ["source"],
            registry=registry,
        )
        self.failed_connects = Counter(
            "kubelite_proxy_failed_connects", "Attempts that a backend did not answer", registry=registry
        )
