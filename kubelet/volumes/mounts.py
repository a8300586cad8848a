"""Shell: where a container finds its pod's volumes, and the hosts file.

After: k8s pkg/kubelet/kubelet_pods.go, makeMounts; pkg/volume/util/subpath/subpath_linux.go.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from kube.api import meta
from kube.api.meta import Object
from kubelet.pod.environment import REFERENCE, expanded
from kubelet.pod.failures import CannotConfigure
from kubelet.runtime.interface import Mount
from kubelet.volumes.files import is_written
from kubelet.volumes.interface import PodVolumes

HOSTS = "/etc/hosts"


def mounts(volumes: PodVolumes, pod: Object, container: Object, values: Mapping[str, str]) -> list[Mount]:
    """One a volumeMount, in order; CannotConfigure where one cannot be. values: for subPathExpr."""
    found = []
    specs = {volume["name"]: volume for volume in pod["spec"].get("volumes") or ()}
    for mount in container.get("volumeMounts") or ():
        path = volumes.path_of(meta.uid(pod), mount["name"])
        if path is None:
            text = f'cannot find volume "{mount["name"]}" to mount into container "{container["name"]}"'
            raise CannotConfigure(text)
        spec = specs[mount["name"]]
        if sub_path := _sub_path(mount, values):
            path = _inside(path, sub_path, mount["name"], container["name"])
        read_only = bool(mount.get("readOnly")) or is_written(spec) or _is_read_only_claim(spec)
        found.append(Mount(mount["mountPath"], path, read_only))
    return found


def hosts_mount(container: Object, path: Path) -> list[Mount]:
    """The file the kubelet keeps, unless the container mounts its own."""
    taken = any(each["mountPath"] == HOSTS for each in container.get("volumeMounts") or ())
    return [] if taken else [Mount(HOSTS, str(path))]


def _is_read_only_claim(volume: Object) -> bool:
    return bool(meta.get(volume, "persistentVolumeClaim", "readOnly"))


def _sub_path(mount: Object, values: Mapping[str, str]) -> str:
    if not (expression := mount.get("subPathExpr")):
        path: str = mount.get("subPath") or ""
        return path
    names = [each[2] for each in REFERENCE.finditer(expression) if each[1] != "$"]
    if missing := [name for name in names if name not in values]:
        quoted = ", ".join(f'"{name}"' for name in missing)
        raise CannotConfigure(f"missing value for {quoted}")
    path = expanded(expression, values)
    if path.startswith("/"):
        raise CannotConfigure(f"error SubPath `{path}` must not be an absolute path")
    if ".." in path.split("/"):
        raise CannotConfigure(f"unable to provision SubPath `{path}`: must not contain '..'")
    return path


def _inside(volume: str, sub_path: str, mount: str, container: str) -> str:
    """A path in the volume, made as a folder where nothing is; never one that links lead out of it."""
    root = os.path.realpath(volume)
    path = os.path.realpath(os.path.join(root, sub_path))
    what = f'subPath for volumeMount "{mount}" of container "{container}"'
    if path != root and not path.startswith(root.rstrip("/") + "/"):
        raise CannotConfigure(f"failed to prepare {what}")
    try:
        if not os.path.exists(path):
            os.makedirs(path)
            os.chmod(path, os.stat(root).st_mode & 0o7777)
    except OSError as error:
        text = f'failed to create subPath directory for volumeMount "{mount}" of container "{container}"'
        raise CannotConfigure(text) from error
    return path
