"""Core: fills in what a user left out of a pod, or of a template that pods are made from.

Sets only what is absent, and asks for nothing but the object itself: service accounts, tolerations and
priorities are admission's work.

After: k8s pkg/apis/core/v1/defaults.go and pkg/apis/core/v1/helper/qos/qos.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kube.api import quantity
from kube.api.meta import Object, deep_copy, get

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
FILE_MODE = 420
COMPUTE = ("cpu", "memory")
# Volumes of other systems, some of which nobody uses any more.
VOLUMES: dict[str, dict[str, Any]] = {
    "azureDisk": {"cachingMode": "ReadWrite", "kind": "Shared", "fsType": "ext4", "readOnly": False},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}


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
    if spec.get("resources"):
        _whole_pod(spec)
    if spec.get("hostNetwork"):
        _host_ports(spec)
    status = child(o, "status")
    fill(status, {"phase": "Pending"})
    if not status.get("qosClass"):
        status["qosClass"] = qos_class(spec)


def _host_ports(spec: dict[str, Any]) -> None:
    """On the node's own network a container's port is the node's; templates leave that to their pods."""
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        for port in container.get("ports") or ():
            fill(port, {"hostPort": port.get("containerPort", 0)})


def _whole_pod(spec: dict[str, Any]) -> None:
    """A pod that says something of itself asks for what its containers ask for, or else for its limits."""
    resources = spec["resources"]
    requests = resources.get("requests") or {}
    total: dict[str, quantity.Quantity] = {}
    stay = [each for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"]
    for container in (*stay, *(spec.get("containers") or ())):
        for name, value in get(container, "resources", "requests", default={}).items():
            total[name] = total.get(name, quantity.ZERO) + quantity.parse(value)
    for name in (name for name in COMPUTE if name in total):
        fill(requests, {name: str(total[name])})
    limits = resources.get("limits") or {}
    fill(requests, {name: value for name, value in limits.items() if name in COMPUTE or is_huge_pages(name)})
    if requests:
        resources["requests"] = requests


def is_huge_pages(name: str) -> bool:
    """True for pages of some size, such as hugepages-2Mi."""
    return name.startswith("hugepages-")


def qos_class(spec: Mapping[str, Any]) -> str:
    """BestEffort asks for no cpu or memory, Guaranteed is limited to what it asks for; else Burstable."""
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    parts = (
        [spec["resources"]] if spec.get("resources") else [each.get("resources") or {} for each in containers]
    )
    if not any(parts):
        return "BestEffort"
    requests, limits = _amounts(parts, "requests"), _amounts(parts, "limits")
    if not requests and not limits:
        return "BestEffort"
    is_limited = all(name in (part.get("limits") or {}) for part in parts for name in COMPUTE)
    return "Guaranteed" if is_limited and requests == limits and len(limits) == len(COMPUTE) else "Burstable"


def _amounts(parts: Iterable[Any], field: str) -> dict[str, quantity.Quantity]:
    """How much cpu and memory all of them together name; nothing is as good as none."""
    total: dict[str, quantity.Quantity] = {}
    for part in parts:
        amounts = part.get(field) or {}
        for name in (name for name in COMPUTE if name in amounts):
            value = quantity.parse(amounts[name])
            if value:
                total[name] = total[name] + value if name in total else value
    return total


def template(o: dict[str, Any]) -> None:
    """Defaults of a pod template; its metadata is there even when empty."""
    child(o, "metadata")
    pod_spec(child(o, "spec"))


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
    for key, defaults in VOLUMES.items():
        if key in o:
            fill(o[key], defaults)
    if "image" in o:
        fill(o["image"], {"pullPolicy": pull_policy(o["image"].get("reference", ""))})
    if set(o) <= {"name"}:
        o["emptyDir"] = {}
