"""Core: a pod's volumes: each of one type, with what that type needs.

    SOURCES     every type, in the order in which Kubernetes looks at them, with its rule

Most types need a few texts and no more. Those whose files the kubelet makes (ConfigMaps, Secrets, tokens) are
in `volume_files.py`.

After: k8s pkg/apis/core/validation/validation.go, ValidateVolumes, validateVolumeSource
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from apiserver.registry import formats, names
from apiserver.registry.core_storage import claim_spec
from apiserver.registry.pods import volume_files
from apiserver.registry.pods.containers import PULL_POLICIES
from apiserver.registry.pods.volume_mounts import Volumes
from apiserver.registry.strategy import Errors
from apiserver.registry.volume_sources import MORE_THAN_ONE, host_path
from kube.api import quantity
from kube.api.errors import FieldError

ISCSI_NAMES = (
    ("iqn", re.compile(r"iqn\.\d{4}-\d{2}\.([\w\-.]+)(:[^,;*&$|\s]+)$", re.ASCII)),
    ("eui", re.compile(r"eui.[0-9A-Za-z]{16}$")),
    ("naa", re.compile(r"naa.[0-9A-Za-z]{32}$")),
)


def check(volumes: list[Any], path: str, errors: Errors, pod_name: str = "") -> Volumes:
    """Add what is wrong to `errors`; returns the volumes that are in order, for mounts to find."""
    good: dict[str, Any] = {}
    made = {f"{pod_name}-{each.get('name')}" for each in volumes if pod_name and "ephemeral" in each}
    for index, volume in enumerate(volumes):
        name, at = volume.get("name") or "", f"{path}[{index}]"
        found = _source(volume, at, pod_name)
        found += formats.dns_label(name, f"{at}.name") if name else [FieldError.required(f"{at}.name")]
        if name in good:
            found.append(FieldError.duplicate(f"{at}.name", name))
        if not found:
            good[name] = volume
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claim in made:
            text = "must not reference a PVC that gets created for an ephemeral volume"
            found.append(FieldError.invalid(f"{at}.persistentVolumeClaim.claimName", claim, text))
        errors += found
    return good


def _source(volume: Any, path: str, pod_name: str) -> Errors:
    present = [kind for kind in volume if kind in SOURCES]
    if not present:
        return [FieldError.required(path, "must specify a volume type")]
    if len(present) > 1:
        present.sort(key=ORDER.index)
    errors = SOURCES[present[0]](volume[present[0]], f"{path}.{PATHS.get(present[0], present[0])}")
    for extra in present[1:]:
        errors.append(FieldError.forbidden(f"{path}.{EXTRA_PATHS.get(extra, extra)}", MORE_THAN_ONE))
    name = volume.get("name")
    if present[0] == "ephemeral" and pod_name and name:
        claim = f"{pod_name}-{name}"
        for text in names.dns_subdomain(claim):
            errors.append(FieldError.invalid(f"{path}.name", name, f'PVC name "{claim}": {text}'))
    return errors


def _needs(*fields: str) -> Callable[[Any, str], Errors]:
    """The rule of a type that needs these texts."""

    def rule(source: Any, path: str) -> Errors:
        return [FieldError.required(f"{path}.{field}") for field in fields if not source.get(field)]

    return rule


def _empty_dir(source: Any, path: str) -> Errors:
    if "sizeLimit" in source and quantity.parse(source["sizeLimit"]) < quantity.ZERO:
        text = "SizeLimit field must be a valid resource quantity"
        return [FieldError.forbidden(f"{path}.sizeLimit", text)]
    return []


def _git_repo(source: Any, path: str) -> Errors:
    errors = _needs("repository")(source, path)
    return errors + formats.relative_path(source.get("directory") or "", f"{path}.directory")


def _disk(field: str, source: Any, path: str) -> Errors:
    errors = _needs(field)(source, path)
    partition = source.get("partition") or 0
    if not 0 <= partition <= 255:
        text = "must be between 1 and 255, inclusive"
        errors.append(FieldError.invalid(f"{path}.partition", partition, text))
    return errors


def _nfs(source: Any, path: str) -> Errors:
    errors, where = _needs("server", "path")(source, path), source.get("path") or ""
    if not where.startswith("/"):
        errors.append(FieldError.invalid(f"{path}.path", where, "must be an absolute path"))
    return errors


def _iscsi(source: Any, path: str) -> Errors:
    errors = _needs("targetPortal", "iqn")(source, path)
    if source.get("iqn"):
        errors += _iscsi_name(source["iqn"], f"{path}.iqn")
    errors += formats.inside(source.get("lun") or 0, f"{path}.lun", 0, 255)
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and "secretRef" not in source:
        errors.append(FieldError.required(f"{path}.secretRef"))
    if "initiatorName" in source:
        errors += _iscsi_name(source["initiatorName"], f"{path}.initiatorname")
    return errors


def _iscsi_name(name: str, path: str) -> Errors:
    for prefix, form in ISCSI_NAMES:
        if name.startswith(prefix):
            return [] if form.search(name) else [FieldError.invalid(path, name, "must be valid format")]
    return [FieldError.invalid(path, name, "must be valid format starting with iqn, eui, or naa")]


def _fibre_channel(source: Any, path: str) -> Errors:
    targets, ids, lun = source.get("targetWWNs"), source.get("wwids"), source.get("lun")
    if not targets and not ids:
        text = "must specify either targetWWNs or wwids, but not both"
        return [FieldError.required(f"{path}.targetWWNs", text)]
    errors: Errors = []
    if targets and ids:
        text = "targetWWNs and wwids can not be specified simultaneously"
        errors.append(FieldError.invalid(f"{path}.targetWWNs", targets, text))
    if targets and lun is None:
        errors.append(FieldError.required(f"{path}.lun", "lun is required if targetWWNs is specified"))
    elif targets:
        errors += formats.inside(lun, f"{path}.lun", 0, 255)
    return errors


def _flocker(source: Any, path: str) -> Errors:
    name, uid = source.get("datasetName") or "", source.get("datasetUUID") or ""
    errors: Errors = []
    if not name and not uid:
        errors.append(FieldError.required(path, "one of datasetName and datasetUUID is required"))
    if name and uid:
        text = "datasetName and datasetUUID can not be specified simultaneously"
        errors.append(FieldError.invalid(path, "resource", text))
    if "/" in name:
        errors.append(FieldError.invalid(f"{path}.datasetName", name, "must not contain '/'"))
    return errors


def _csi(source: Any, path: str) -> Errors:
    driver = source.get("driver") or ""
    errors = [] if driver else [FieldError.required(f"{path}.driver")]
    if len(driver) > 63:
        errors.append(FieldError.too_long(f"{path}.driver", 63))
    errors += [
        FieldError.invalid(f"{path}.driver", driver, text) for text in names.dns_subdomain(driver.lower())
    ]
    if "nodePublishSecretRef" in source:
        name = source["nodePublishSecretRef"].get("name")
        if name:
            errors += formats.dns_subdomain(name, f"{path}.name")
        else:
            errors.append(FieldError.required(f"{path}.nodePublishSecretRef.name"))
    return errors


def _ephemeral(source: Any, path: str) -> Errors:
    at = f"{path}.volumeClaimTemplate"
    if "volumeClaimTemplate" not in source:
        return [FieldError.required(at)]
    template = source["volumeClaimTemplate"]
    metadata = template.get("metadata") or {}
    errors = names.check_annotations(metadata.get("annotations") or {}, f"{at}.metadata.annotations")
    errors += names.check_labels(metadata.get("labels") or {}, f"{at}.metadata.labels")
    errors += [
        FieldError.forbidden(f"{at}.metadata.{field}", "cannot be set")
        for field in metadata
        if field not in ("annotations", "labels")
    ]
    return errors + claim_spec(template.get("spec") or {}, f"{at}.spec")


def _image(source: Any, path: str) -> Errors:
    return formats.choice(source.get("pullPolicy"), f"{path}.pullPolicy", PULL_POLICIES)


SOURCES: dict[str, Callable[[Any, str], Errors]] = {
    "emptyDir": _empty_dir,
    "hostPath": host_path,
    "gitRepo": _git_repo,
    "gcePersistentDisk": partial(_disk, "pdName"),
    "awsElasticBlockStore": partial(_disk, "volumeID"),
    "secret": partial(volume_files.keys, "secretName"),
    "nfs": _nfs,
    "iscsi": _iscsi,
    "glusterfs": _needs("endpoints", "path"),
    "flocker": _flocker,
    "persistentVolumeClaim": _needs("claimName"),
    "rbd": _needs("monitors", "image"),
    "cinder": _needs("volumeID"),
    "cephfs": _needs("monitors"),
    "quobyte": _needs("registry", "volume"),
    "downwardAPI": volume_files.downward,
    "fc": _fibre_channel,
    "flexVolume": _needs("driver"),
    "configMap": partial(volume_files.keys, "name"),
    "azureFile": _needs("secretName", "shareName"),
    "vsphereVolume": _needs("volumePath"),
    "photonPersistentDisk": _needs("pdID"),
    "portworxVolume": _needs("volumeID"),
    "azureDisk": _needs("diskName", "diskURI"),
    "storageos": _needs("volumeName"),
    "projected": volume_files.projected,
    "scaleIO": _needs("gateway", "system", "volumeName"),
    "csi": _csi,
    "ephemeral": _ephemeral,
    "image": _image,
}
ORDER = list(SOURCES)
# Where Kubernetes spells a type in another way.
PATHS = {"gcePersistentDisk": "persistentDisk"}
EXTRA_PATHS = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}
