"""Core: which controllers run, by the names of --controllers.

Sees: the flag's words and the names there are. Says: the names that run.
Invariants: a word for one controller beats `*`; a name nobody knows is refused, with those that are known.
Short names from before Kubernetes 1.28 mean what they meant.

After: k8s cmd/kube-controller-manager/names, staging/src/k8s.io/controller-manager/app/helper.go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

ALIASES = {
    "clusterrole-aggregation": "clusterrole-aggregation-controller",
    "cronjob": "cronjob-controller",
    "daemonset": "daemonset-controller",
    "deployment": "deployment-controller",
    "disruption": "disruption-controller",
    "endpoint": "endpoints-controller",
    "endpointslice": "endpointslice-controller",
    "endpointslicemirroring": "endpointslice-mirroring-controller",
    "ephemeral-volume": "ephemeral-volume-controller",
    "garbagecollector": "garbage-collector-controller",
    "horizontalpodautoscaling": "horizontal-pod-autoscaler-controller",
    "job": "job-controller",
    "namespace": "namespace-controller",
    "nodeipam": "node-ipam-controller",
    "nodelifecycle": "node-lifecycle-controller",
    "persistentvolume-binder": "persistentvolume-binder-controller",
    "podgc": "pod-garbage-collector-controller",
    "pv-protection": "persistentvolume-protection-controller",
    "pvc-protection": "persistentvolumeclaim-protection-controller",
    "replicaset": "replicaset-controller",
    "replicationcontroller": "replicationcontroller-controller",
    "resourcequota": "resourcequota-controller",
    "root-ca-cert-publisher": "root-ca-certificate-publisher-controller",
    "serviceaccount": "serviceaccount-controller",
    "serviceaccount-token": "serviceaccount-token-controller",
    "statefulset": "statefulset-controller",
    "ttl-after-finished": "ttl-after-finished-controller",
}


class UnknownController(ValueError):
    """A word of --controllers that names no controller."""


def selected(words: Iterable[str], known: Collection[str]) -> list[str]:
    """Those of `known` that run, in their order."""
    on, off, every = set[str](), set[str](), False
    for word in (each.strip() for each in words):
        if word == "*":
            every = True
            continue
        bare = word.removeprefix("-")
        name = ALIASES.get(bare, bare)
        if name not in known:
            raise UnknownController(f'"{bare}" is no controller; there are: {", ".join(sorted(known))}')
        (off if word.startswith("-") else on).add(name)
    return [name for name in known if name in on or (every and name not in off)]
