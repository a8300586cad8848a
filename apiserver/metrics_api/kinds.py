"""Core: the two kinds of metrics.k8s.io; they stand beside the table of kinds, for nothing of them is
stored.
"""

from __future__ import annotations

from kube.api.gvk import GroupVersionResource
from kube.api.resources import RESOURCES, Resource

GROUP, VERSION = "metrics.k8s.io", "v1beta1"
VERBS = ("get", "list")

NODE_METRICS = Resource(GROUP, VERSION, "nodes", "NodeMetrics", False, verbs=VERBS)
POD_METRICS = Resource(GROUP, VERSION, "pods", "PodMetrics", True, verbs=VERBS)
KINDS = (NODE_METRICS, POD_METRICS)

# All that discovery shows.
SERVED = (*RESOURCES, *KINDS)


def metrics_kind(gvr: GroupVersionResource) -> Resource | None:
    """The kind at a group, version and plural, if it is one of the two."""
    return next((each for each in KINDS if each.gvr == gvr), None)
