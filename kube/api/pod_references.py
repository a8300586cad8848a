"""Core: the Secrets, ConfigMaps and claims that a pod names: in its volumes, in its containers' environment,
and for pulling images.

After: k8s pkg/api/v1/pod/util.go, VisitPodSecretNames, VisitPodConfigmapNames.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kube.api import meta
from kube.api.meta import Object

CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
Path = tuple[str, ...]
# Where the name of a Secret stands in a volume.
SECRET_VOLUMES: tuple[Path, ...] = (
    ("secret", "secretName"),
    ("azureFile", "secretName"),
    ("cephfs", "secretRef", "name"),
    ("cinder", "secretRef", "name"),
    ("csi", "nodePublishSecretRef", "name"),
    ("flexVolume", "secretRef", "name"),
    ("iscsi", "secretRef", "name"),
    ("rbd", "secretRef", "name"),
    ("scaleIO", "secretRef", "name"),
    ("storageos", "secretRef", "name"),
)
CONFIG_MAP_VOLUMES: tuple[Path, ...] = (("configMap", "name"),)


def secret_names(pod: Object) -> set[str]:
    """The names of all Secrets that the pod needs."""
    pulls = (each.get("name") for each in meta.get(pod, "spec", "imagePullSecrets", default=[]))
    found = {
        *pulls,
        *_in_containers(pod, "secretRef", "secretKeyRef"),
        *_in_volumes(pod, SECRET_VOLUMES, "secret"),
    }
    return {name for name in found if name}


def config_map_names(pod: Object) -> set[str]:
    """The names of all ConfigMaps that the pod needs."""
    found = {
        *_in_containers(pod, "configMapRef", "configMapKeyRef"),
        *_in_volumes(pod, CONFIG_MAP_VOLUMES, "configMap"),
    }
    return {name for name in found if name}


def claim_names(pod: Object) -> set[str]:
    """The names of all claims of the pod, with those that are made for it: `pod-volume`."""
    found = set(_in_volumes(pod, (("persistentVolumeClaim", "claimName"),)))
    for volume in meta.get(pod, "spec", "volumes", default=[]):
        if "ephemeral" in volume:
            found.add(f"{meta.name(pod)}-{volume.get('name')}")
    return {name for name in found if name}


def _in_containers(pod: Object, whole: str, key: str) -> Iterator[str]:
    for part in CONTAINERS:
        for container in meta.get(pod, "spec", part, default=[]):
            for each in container.get("envFrom") or []:
                yield meta.get(each, whole, "name", default="")
            for each in container.get("env") or []:
                yield meta.get(each, "valueFrom", key, "name", default="")


def _in_volumes(pod: Object, paths: tuple[Path, ...], projected: str = "") -> Iterator[str]:
    volumes: list[dict[str, Any]] = meta.get(pod, "spec", "volumes", default=[])
    for volume in volumes:
        for path in paths:
            yield meta.get(volume, *path, default="")
        for source in meta.get(volume, "projected", "sources", default=[]) if projected else ():
            yield meta.get(source, projected, "name", default="")
