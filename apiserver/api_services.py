"""Core: an APIService for each group version that is served here, as the aggregator of a real one registers.

After: k8s pkg/controlplane/apiserver/aggregator.go
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kube.api.meta import Object
from kube.api.resources import API_SERVICES, Resource

LABELS = {"kube-aggregator.kubernetes.io/automanaged": "onstart"}
# The order of the groups for clients; who is not here is not registered (the aggregator's own group).
GROUP_PRIORITIES = {
    "": 18000,
    "apps": 17800,
    "events.k8s.io": 17750,
    "authentication.k8s.io": 17700,
    "authorization.k8s.io": 17600,
    "autoscaling": 17500,
    "batch": 17400,
    "certificates.k8s.io": 17300,
    "networking.k8s.io": 17200,
    "policy": 17100,
    "rbac.authorization.k8s.io": 17000,
    "storage.k8s.io": 16800,
    "apiextensions.k8s.io": 16700,
    "admissionregistration.k8s.io": 16700,
    "scheduling.k8s.io": 16600,
    "coordination.k8s.io": 16500,
    "node.k8s.io": 16300,
    "discovery.k8s.io": 16200,
    "flowcontrol.apiserver.k8s.io": 16100,
}
VERSION_PRIORITIES = {
    ("", "v1"): 1,
    ("autoscaling", "v2"): 30,
    ("flowcontrol.apiserver.k8s.io", "v1"): 21,
}
VERSION_PRIORITY = 15


def objects(resources: Sequence[Resource]) -> Iterable[Object]:
    """All of them, as one would POST them."""
    for group, version in dict.fromkeys((each.group, each.version) for each in resources):
        if group not in GROUP_PRIORITIES:
            continue
        yield {
            "apiVersion": API_SERVICES.api_version,
            "kind": API_SERVICES.kind,
            "metadata": {"name": f"{version}.{group}", "labels": dict(LABELS)},
            "spec": {
                "group": group,
                "version": version,
                "groupPriorityMinimum": GROUP_PRIORITIES[group],
                "versionPriority": VERSION_PRIORITIES.get((group, version), VERSION_PRIORITY),
            },
        }
