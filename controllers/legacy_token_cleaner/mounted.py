"""Core: the Secrets that a pod names, in its volumes, its containers' environment and for pulling images.

After: k8s pkg/api/v1/pod/util.go, VisitPodSecretNames.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kube.api import meta
from kube.api.meta import Object

CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
# Kinds of volumes -> where the name of a Secret stands in them.
SOURCES: dict[str, tuple[str, ...]] = {
    "secret": ("secretName",),
    "azureFile": ("secretName",),
    "cephfs": ("secretRef", "name"),
    "cinder": ("secretRef", "name"),
    "csi": ("nodePublishSecretRef", "name"),
    "flexVolume": ("secretRef", "name"),
    "iscsi": ("secretRef", "name"),
    "rbd": ("secretRef", "name"),
    "scaleIO": ("secretRef", "name"),
    "storageos": ("secretRef", "name"),
}


def secret_names(pod: Object) -> set[str]:
    """The names of all Secrets that the pod needs."""
    return {name for name in _names(pod.get("spec") or {}) if name}


def _names(spec: Object) -> Iterator[str]:
    for each in spec.get("imagePullSecrets") or []:
        yield each.get("name", "")
    for part in CONTAINERS:
        for container in spec.get(part) or []:
            yield from _of_container(container)
    for volume in spec.get("volumes") or []:
        yield from _of_volume(volume)


def _of_container(container: dict[str, Any]) -> Iterator[str]:
    for each in container.get("envFrom") or []:
        yield meta.get(each, "secretRef", "name", default="")
    for each in container.get("env") or []:
        yield meta.get(each, "valueFrom", "secretKeyRef", "name", default="")


def _of_volume(volume: dict[str, Any]) -> Iterator[str]:
    for kind, path in SOURCES.items():
        yield meta.get(volume, kind, *path, default="")
    for each in meta.get(volume, "projected", "sources", default=[]):
        yield meta.get(each, "secret", "name", default="")
