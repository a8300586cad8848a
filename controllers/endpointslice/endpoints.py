"""Core: a pod as an endpoint, and a slice's labels.

After: k8s staging/src/k8s.io/endpointslice/utils.go, podToEndpoint, setEndpointSliceLabels;
trafficdist/trafficdist.go
"""

from __future__ import annotations

from typing import Any

from controllers import pods, service_pods
from kube.api import meta
from kube.api.endpoint_slices import SERVICE_NAME
from kube.api.meta import Object

MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
CONTROLLER = "endpointslice-controller.k8s.io"


# Whose clients an endpoint is to be kept for, by what the Service prefers.
HINTS = {
    "PreferClose": ("zone",),
    "PreferSameZone": ("zone",),
    "PreferSameNode": ("zone", "nodeName"),
}
FIELDS = {"zone": "forZones", "nodeName": "forNodes"}


def is_ours(endpoint_slice: Object) -> bool:
    """True for slices that this controller writes."""
    return meta.labels(endpoint_slice).get(MANAGED_BY) == CONTROLLER


def endpoint(service: Object, pod: Object, zone: str | None) -> dict[str, Any]:
    """The pod as it stands in a slice; `ready` is never true of a pod on its way out. zone: its node's."""
    serving, terminating = pods.is_ready(pod), meta.is_terminating(pod)
    ready = service_pods.publishes_not_ready(service) or (serving and not terminating)
    made: dict[str, Any] = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "targetRef": {
            "kind": "Pod",
            "name": meta.name(pod),
            "namespace": meta.namespace(pod),
            "uid": meta.uid(pod),
        },
    }
    spec = pod["spec"]
    if spec.get("nodeName"):
        made["nodeName"] = spec["nodeName"]
    if zone:
        made["zone"] = zone
    if spec.get("hostname") and spec.get("subdomain") == meta.name(service):
        made["hostname"] = spec["hostname"]
    preferred = HINTS.get(meta.get(service, "spec", "trafficDistribution", default=""), ())
    hints = {FIELDS[each]: [{"name": made[each]}] for each in preferred if ready and each in made}
    return made | ({"hints": hints} if hints else {})


def identity(endpoint: dict[str, Any]) -> tuple[str, str]:
    """What makes an endpoint the same one although its conditions change."""
    return endpoint["addresses"][0], meta.get(endpoint, "targetRef", "uid", default="")


def slice_labels(service: Object) -> dict[str, str]:
    """The Service's labels, and those that say whose slice it is."""
    reserved = (SERVICE_NAME, MANAGED_BY, service_pods.HEADLESS)
    labels = {key: value for key, value in meta.labels(service).items() if key not in reserved}
    if service_pods.is_headless(service):
        labels[service_pods.HEADLESS] = ""
    return labels | {SERVICE_NAME: meta.name(service), MANAGED_BY: CONTROLLER}
