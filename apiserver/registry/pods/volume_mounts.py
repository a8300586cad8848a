"""Core: where a container sees volumes: as folders, or as block devices.

After: k8s pkg/apis/core/validation/validation.go, ValidateVolumeMounts, ValidateVolumeDevices
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.registry import formats
from apiserver.registry.strategy import Errors
from kube.api import meta
from kube.api.errors import FieldError

PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
RECURSIONS = ("Disabled", "Enabled", "IfPossible")

Volumes = Mapping[str, Any]


def mounts(container: Any, path: str, volumes: Volumes) -> Errors:
    """What is wrong with `volumeMounts`; `volumes` are those that are in order."""
    errors: Errors = []
    seen: set[str] = set()
    devices = container.get("volumeDevices") or ()
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        name, where = mount.get("name") or "", mount.get("mountPath") or ""
        if name not in volumes or not where or where in seen or devices:
            errors += _place(name, where, f"{path}[{index}]", volumes, seen, devices)
        seen.add(where)
        if len(mount) > 2:
            errors += _options(mount, path, f"{path}[{index}]", container)
    return errors


def _place(name: str, where: str, at: str, volumes: Volumes, seen: set[str], devices: Any) -> Errors:
    checks = (
        (not name, FieldError.required(f"{at}.name")),
        (name not in volumes, FieldError.not_found(f"{at}.name", name)),
        (not where, FieldError.required(f"{at}.mountPath")),
        (where in seen, FieldError.invalid(f"{at}.mountPath", where, "must be unique")),
        (
            name in (each.get("name") for each in devices),
            FieldError.invalid(f"{at}.name", name, "must not already exist in volumeDevices"),
        ),
        (
            where in (each.get("devicePath") for each in devices),
            FieldError.invalid(f"{at}.mountPath", where, "must not already exist as a path in volumeDevices"),
        ),
    )
    return [error for wrong, error in checks if wrong]


def _options(mount: Any, path: str, at: str, container: Any) -> Errors:
    """Kubernetes says `volumeMounts.subPath`, without the index."""
    errors: Errors = []
    below, pattern = mount.get("subPath"), mount.get("subPathExpr")
    if below:
        errors += formats.relative_path(below, f"{path}.subPath")
    if pattern and below:
        text = "subPathExpr and subPath are mutually exclusive"
        errors.append(FieldError.invalid(f"{at}.subPathExpr", pattern, text))
    if pattern:
        errors += formats.relative_path(pattern, f"{path}.subPathExpr")
    propagation = mount.get("mountPropagation")
    errors += formats.optional_choice(propagation, f"{path}.mountPropagation", PROPAGATIONS)
    if propagation == "Bidirectional" and not meta.get(container, "securityContext", "privileged"):
        text = "Bidirectional mount propagation is available only to privileged containers"
        errors.append(FieldError.forbidden(f"{path}.mountPropagation", text))
    return errors + _recursive(mount, f"{path}.recursiveReadOnly")


def _recursive(mount: Any, path: str) -> Errors:
    wanted = mount.get("recursiveReadOnly")
    if wanted not in ("Enabled", "IfPossible"):
        return formats.optional_choice(wanted, path, RECURSIONS)
    errors: Errors = []
    if not mount.get("readOnly"):
        errors.append(FieldError.forbidden(path, "may only be specified when readOnly is true"))
    if mount.get("mountPropagation", "None") != "None":
        text = "may only be specified when mountPropagation is None or not specified"
        errors.append(FieldError.forbidden(path, text))
    return errors


def devices(container: Any, path: str, volumes: Volumes) -> Errors:
    """What is wrong with `volumeDevices`."""
    errors: Errors = []
    mounted = container.get("volumeMounts") or ()
    names: list[str] = []
    paths: list[str] = []
    for index, device in enumerate(container.get("volumeDevices") or ()):
        at, name, where = f"{path}[{index}]", device.get("name") or "", device.get("devicePath") or ""
        source = volumes.get(name)
        is_block = source is not None and ("persistentVolumeClaim" in source or "ephemeral" in source)
        climbs = bool(formats.no_backsteps(where, at))
        text = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
        checks = (
            (not name, FieldError.required(f"{at}.name")),
            (name in names, FieldError.invalid(f"{at}.name", name, "must be unique")),
            (source is not None and not is_block, FieldError.invalid(f"{at}.name", name, text)),
            (source is None, FieldError.not_found(f"{at}.name", name)),
            (not where, FieldError.required(f"{at}.devicePath")),
            (where in paths, FieldError.invalid(f"{at}.devicePath", where, "must be unique")),
            (climbs, FieldError.invalid(f"{at}.devicePath", where, "can not contain backsteps ('..')")),
            (
                name in (each.get("name") for each in mounted),
                FieldError.invalid(f"{at}.name", name, "must not already exist in volumeMounts"),
            ),
            (
                where in (each.get("mountPath") for each in mounted),
                FieldError.invalid(
                    f"{at}.devicePath", where, "must not already exist as a path in volumeMounts"
                ),
            ),
        )
        errors += [error for wrong, error in checks if wrong]
        names += [name] if name else []
        paths += [] if climbs else [where]
    return errors
