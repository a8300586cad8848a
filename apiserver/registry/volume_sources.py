"""Core: where a persistent volume's bytes may be: one source, with what it needs.

After: k8s pkg/apis/core/validation/validation.go, ValidatePersistentVolumeSpec
"""

from __future__ import annotations

from typing import Any

from apiserver.registry import formats
from apiserver.registry.strategy import Errors
from kube.api.errors import FieldError

HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
MORE_THAN_ONE = "may not specify more than 1 volume type"
# The fields a source cannot do without; sources that are not here need nothing that we look at.
NEEDED = {
    "local": ("path",),
    "nfs": ("server", "path"),
    "csi": ("driver", "volumeHandle"),
    "fc": (),
    "iscsi": ("targetPortal", "iqn"),
    "awsElasticBlockStore": ("volumeID",),
    "gcePersistentDisk": ("pdName",),
    "azureDisk": ("diskName", "diskURI"),
    "azureFile": ("secretName", "shareName"),
    "cephfs": ("monitors",),
    "cinder": ("volumeID",),
    "glusterfs": ("endpoints", "path"),
    "rbd": ("monitors", "image"),
    "vsphereVolume": ("volumePath",),
    "flexVolume": ("driver",),
    "portworxVolume": ("volumeID",),
    "quobyte": ("registry", "volume"),
    "scaleIO": ("gateway", "system", "volumeName"),
}


def validate(sources: dict[str, Any], path: str, *, has_affinity: bool) -> Errors:
    """What is wrong with a volume's source, or with there being several or none."""
    errors: Errors = []
    for count, (name, source) in enumerate(sources.items()):
        at = f"{path}.{name}"
        if count:
            errors.append(FieldError.forbidden(at, MORE_THAN_ONE))
            continue
        needed = NEEDED.get(name, ())
        errors += [FieldError.required(f"{at}.{field}") for field in needed if not source.get(field)]
        errors += _source(name, source, at)
        if name == "local" and not has_affinity:
            text = "Local volume requires node affinity"
            errors.append(FieldError.required(f"{path}.nodeAffinity", text))
    return errors or ([] if sources else [FieldError.required(path, "must specify a volume type")])


def host_path(source: Any, path: str) -> Errors:
    """What is wrong with a folder of the node, in a pod or in a volume."""
    if not source.get("path"):
        return [FieldError.required(f"{path}.path")]
    errors = formats.no_backsteps(source["path"], f"{path}.path")
    return errors + formats.optional_choice(source.get("type"), f"{path}.type", HOST_PATH_TYPES)


def _source(name: str, source: Any, path: str) -> Errors:
    if name == "hostPath":
        return host_path(source, path)
    where = source.get("path") or ""
    errors: Errors = []
    if name == "local" and where:
        errors += formats.no_backsteps(where, f"{path}.path")
    if name == "nfs" and where and not where.startswith("/"):
        errors.append(FieldError.invalid(f"{path}.path", where, "must be an absolute path"))
    if name == "csi" and (driver := source.get("driver")):
        errors += formats.dns_subdomain(driver.lower(), f"{path}.driver")
    return errors
