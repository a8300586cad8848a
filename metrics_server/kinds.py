"""Core: the two kinds that are served here; nothing of them is stored."""

from __future__ import annotations

from kube.api.resources import Resource

GROUP, VERSION = "metrics.k8s.io", "v1beta1"
VERBS = ("get", "list")

NODE_METRICS = Resource(GROUP, VERSION, "nodes", "NodeMetrics", False, verbs=VERBS)
POD_METRICS = Resource(GROUP, VERSION, "pods", "PodMetrics", True, verbs=VERBS)
KINDS = (NODE_METRICS, POD_METRICS)
