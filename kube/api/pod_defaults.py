"""Core: fills in what a user left out of a pod, or of a template that pods are made from.

Sets only what is absent, and asks for nothing but the object itself: service accounts, tolerations and
priorities are admission's work.

After: k8s pkg/apis/core/v1/defaults.go and pkg/apis/core/v1/helper/qos/qos.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kube.api.meta import Object, deep_copy, get

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
FILE_MODE = 420


def fill(target: dict[str, Any], defaults: Mapping[str, Any]) -> None:
    """Set the keys that are absent, each to a value of its own."""
    for key, value in defaults.items():
        if target.get(key) is None:
            target[key] = deep_copy(value)


def child(o: dict[str, Any], key: str) -> dict[str, Any]:
    """The dict at a key, made where absent."""
    fill(o, {key: {}})
    value: dict[str, Any] = o[key]
    return value


def pod(o: Object) -> None:
    """Defaults of a Pod."""
    spec = child(o, "spec")
    fill(spec, {"enableServiceLinks": True})
    pod_spec(spec)
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        # Only pods, not templates: what may be used is also asked for.
        limits = get(container, "resources", "limits", default={})
        if limits:
            fill(child(container["resources"], "requests"), limits)
    if spec.get("hostNetwork"):
        _host_ports(spec)
    status = child(o, "status")
    fill(status, {"phase": "Pending", "qosClass": qos_class(spec)})


def _host_ports(spec: dict[str, Any]) -> None:
    """On the node's own network a container's port is the node's."""
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        for port in container.get("ports") or ():
            fill(port, {"hostPort": port.get("containerPort", 0)})


def qos_class(spec: Mapping[str, Any]) -> str:
    """BestEffort with no request or limit, Guaranteed when limited to what is asked, else Burstable."""
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    if not any(get(each, "resources", part) for each in containers for part in ("limits", "requests")):
        return "BestEffort"
    for each in containers:
        limits = get(each, "resources", "limits", default={})
        requests = get(each, "resources", "requests", default={})
        for name in ("cpu", "memory"):
            if name not in limits or requests.get(name, limits[name]) != limits[name]:
                return "Burstable"
    return "Guaranteed"


def template(o: dict[str, Any]) -> None:
    """Defaults of a pod template; its metadata is there even when empty."""
    child(o, "metadata")
    pod_spec(child(o, "spec"))
    if get(o, "spec", "hostNetwork"):
        _host_ports(o["spec"])


def pod_spec(spec: dict[str, Any]) -> None:
    """Defaults of a pod's spec, wherever it stands."""
    fill(
        spec,
        {
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "securityContext": {},
            "schedulerName": "default-scheduler",
        },
    )
    if spec.get("serviceAccountName"):
        spec["serviceAccount"] = spec["serviceAccountName"]
    elif spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"]
    for key in ("initContainers", "containers", "ephemeralContainers"):
        for each in spec.get(key) or ():
            container(each)
    for each in spec.get("volumes") or ():
        volume(each)


def container(o: dict[str, Any]) -> None:
    """Defaults of one container."""
    fill(
        o,
        {
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "imagePullPolicy": pull_policy(o.get("image", "")),
            "resources": {},
        },
    )
    for port in o.get("ports") or ():
        fill(port, {"protocol": "TCP"})
    for each in o.get("env") or ():
        if reference := get(each, "valueFrom", "fieldRef"):
            fill(reference, {"apiVersion": "v1"})
    for name in PROBES:
        if (probe := o.get(name)) is not None:
            fill(probe, PROBE)
            handler(probe)
    for hook in (o.get("lifecycle") or {}).values():
        if isinstance(hook, dict):
            handler(hook)


def pull_policy(image: str) -> str:
    """What is called latest, or nothing, may be another image the next time."""
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if "@" not in image and tag in ("", "latest") else "IfNotPresent"


def handler(o: dict[str, Any]) -> None:
    """Defaults of what a probe or hook does."""
    if (http := o.get("httpGet")) is not None:
        fill(http, {"path": "/", "scheme": "HTTP"})
    if (grpc := o.get("grpc")) is not None:
        fill(grpc, {"service": ""})


def volume(o: dict[str, Any]) -> None:
    """Defaults of one volume; a volume of no kind is an empty directory."""
    for key in ("configMap", "secret", "downwardAPI", "projected"):
        if (source := o.get(key)) is not None:
            fill(source, {"defaultMode": FILE_MODE})
    for item in get(o, "downwardAPI", "items", default=[]):
        if "fieldRef" in item:
            fill(item["fieldRef"], {"apiVersion": "v1"})
    for source in get(o, "projected", "sources", default=[]):
        if (token := source.get("serviceAccountToken")) is not None:
            fill(token, {"expirationSeconds": 3600})
        for item in get(source, "downwardAPI", "items", default=[]):
            if "fieldRef" in item:
                fill(item["fieldRef"], {"apiVersion": "v1"})
    if "hostPath" in o:
        fill(o["hostPath"], {"type": ""})
    if claim := get(o, "ephemeral", "volumeClaimTemplate", "spec"):
        fill(claim, {"volumeMode": "Filesystem"})
    if "image" in o:
        fill(o["image"], {"pullPolicy": pull_policy(o["image"].get("reference", ""))})
    if set(o) <= {"name"}:
        o["emptyDir"] = {}
