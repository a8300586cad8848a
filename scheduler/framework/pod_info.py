"""Core: a pod with what the scheduler computes from it once and asks for a thousand times.

Invariants: a PodInfo never changes; an updated pod gets a new one.
"""

from __future__ import annotations

from dataclasses import dataclass

from kube.api import meta
from kube.api.meta import Object
from kube.api.pod_resources import HostPort, Resources, host_ports, pod_requests

# A container that asks for nothing still weighs this much when nodes are scored, so that such pods spread.
MINIMUM_WEIGHT = {"cpu": 100, "memory": 200 * 1024 * 1024}


@dataclass(frozen=True, slots=True)
class PodInfo:
    """A pod, and the parts of it that plug-ins compare with nodes.

    requests: what it needs; weight: the same with a minimum for containers that ask for nothing.
    host_ports: (host ip, protocol, port) triples. owner_uid: its controller's uid, or "".
    """

    pod: Object
    uid: str
    namespace: str
    name: str
    labels: dict[str, str]
    priority: int
    requests: Resources
    weight: Resources
    host_ports: tuple[HostPort, ...]
    owner_uid: str
    is_terminating: bool
    has_affinity: bool

    @classmethod
    def of(cls, pod: Object) -> PodInfo:
        controller = meta.controller_of(pod)
        return cls(
            pod=pod,
            uid=meta.uid(pod),
            namespace=meta.namespace(pod),
            name=meta.name(pod),
            labels=dict(meta.labels(pod)),
            priority=pod["spec"].get("priority") or 0,
            requests=pod_requests(pod),
            weight=pod_requests(pod, MINIMUM_WEIGHT),
            host_ports=host_ports(pod),
            owner_uid=controller["uid"] if controller else "",
            is_terminating=meta.is_terminating(pod),
            has_affinity=_has_affinity(pod),
        )

    @property
    def spec(self) -> Object:
        spec: Object = self.pod["spec"]
        return spec

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def node_name(self) -> str:
        return str(self.spec.get("nodeName") or "")


def _has_affinity(pod: Object) -> bool:
    """True when the pod cares for its neighbours."""
    affinity = pod["spec"].get("affinity") or {}
    return bool(affinity.get("podAffinity") or affinity.get("podAntiAffinity"))
