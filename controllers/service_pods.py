"""Core: what stands behind a Service: which pods, and at which of their ports.

Two controllers write it down, as EndpointSlices and in the older form as Endpoints.

After: k8s staging/src/k8s.io/endpointslice/{util/controller_utils,utils}.go, ShouldPodBeInEndpoints, FindPort
"""

from __future__ import annotations

from typing import Any

from controllers import pods
from kube.api import meta
from kube.api.labels import Selector
from kube.api.meta import Object

HEADLESS = "service.kubernetes.io/headless"


def has_pods(service: Object) -> bool:
    """True when the Service selects pods; otherwise its endpoints are someone else's affair."""
    spec = service.get("spec") or {}
    return bool(spec.get("selector")) and spec.get("type") != "ExternalName"


def selects(service: Object, pod: Object) -> bool:
    """True when the pod has the labels that the Service asks for."""
    return has_pods(service) and Selector.from_set(service["spec"]["selector"]).matches(meta.labels(pod))


def has_address(pod: Object) -> bool:
    """True when the pod can be an endpoint: it has an address and has not ended."""
    return bool(meta.get(pod, "status", "podIP")) and pods.phase(pod) not in ("Succeeded", "Failed")


def publishes_not_ready(service: Object) -> bool:
    """True when the Service wants its pods counted as ready from the start."""
    return bool(meta.get(service, "spec", "publishNotReadyAddresses", default=False))


def is_headless(service: Object) -> bool:
    """True for a Service without an address of its own."""
    return meta.get(service, "spec", "clusterIP") in (None, "", "None")


def target_ports(service: Object, pod: Object) -> list[dict[str, Any]]:
    """The pod's ports for the Service's, by name; a named port that the pod has not is left out."""
    found = []
    for port in meta.get(service, "spec", "ports", default=[]):
        number = _target_port(port, pod)
        if number is not None:
            made = {"name": port.get("name") or "", "port": number, "protocol": port.get("protocol", "TCP")}
            if port.get("appProtocol"):
                made["appProtocol"] = port["appProtocol"]
            found.append(made)
    return found


def _target_port(port: dict[str, Any], pod: Object) -> int | None:
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    sidecars = [
        each
        for each in meta.get(pod, "spec", "initContainers", default=[])
        if each.get("restartPolicy") == "Always"
    ]
    for container in (*meta.get(pod, "spec", "containers", default=[]), *sidecars):
        for named in container.get("ports") or ():
            if named.get("name") == target and named.get("protocol", "TCP") == port.get("protocol", "TCP"):
                return int(named["containerPort"])
    return None
