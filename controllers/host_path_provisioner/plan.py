"""Core: which claims are given a folder as their volume, and which volumes' folders go.

Sees: a claim that asked this provisioner, with its class, or a volume of its making; and how it went with the
folder. Says: Create or Delete of the PersistentVolume, Events.
Invariants: the volume's name comes from the claim's uid, so that a second try makes no second volume; the
folder is there before the volume, and is gone before the volume goes.
Absent: a bound on a folder's size, blocks, topology: every node of this cluster is on this machine.
After: sigs.k8s.io/sig-storage-lib-external-provisioner controller/controller.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kube.api import meta
from kube.api.actions import Action, Announcement, Create, Delete, EmitEvent, RequeueAfter, UpdateStatus
from kube.api.meta import Object
from kube.api.resources import PERSISTENT_VOLUMES
from kube.api.volumes import (
    PROVISIONED_BY,
    SELECTED_NODE,
    STORAGE_PROVISIONER,
    STORAGE_PROVISIONER_BETA,
    class_of,
    is_delayed,
)

PROVISIONER = "kubelite.dev/host-path"
# A folder that could not be made or removed is tried again so often.
RETRY_SECONDS = 15


@dataclass(frozen=True, slots=True)
class SeenClaim:
    """A claim that waits for a folder; failure: why there is none."""

    claim: Object
    storage_class: Object
    folder: Path
    failure: str = ""


@dataclass(frozen=True, slots=True)
class SeenVolume:
    """A volume that is to go; failure: why its folder is still there."""

    volume: Object
    failure: str = ""


Seen = SeenClaim | SeenVolume


def wants_volume(claim: Object, storage_class: Object | None) -> bool:
    """True when it is on this provisioner to make a volume for the claim."""
    notes = meta.annotations(claim)
    asked = notes.get(STORAGE_PROVISIONER, notes.get(STORAGE_PROVISIONER_BETA))
    return (
        asked == PROVISIONER
        and storage_class is not None
        and storage_class["provisioner"] == PROVISIONER
        and not meta.get(claim, "spec", "volumeName")
        and not meta.is_terminating(claim)
        and not (is_delayed(storage_class) and SELECTED_NODE not in notes)
    )


def wants_deletion(volume: Object) -> bool:
    """True when it is on this provisioner to delete the volume."""
    return (
        meta.annotations(volume).get(PROVISIONED_BY) == PROVISIONER
        and meta.get(volume, "spec", "persistentVolumeReclaimPolicy") == "Delete"
        and meta.get(volume, "status", "phase") in ("Released", "Failed")
        and not meta.is_terminating(volume)
    )


def name_for(claim: Object) -> str:
    """The volume's name; its folder has it too."""
    return f"pvc-{meta.uid(claim)}"


def plan(seen: Seen, now: datetime) -> list[Action]:
    """Create or delete the volume, or tell why not."""
    if isinstance(seen, SeenVolume):
        return _delete(seen, now)
    name = meta.name(seen.storage_class)
    failure = seen.failure
    if meta.get(seen.claim, "spec", "volumeMode") == "Block":
        failure = "block volumes are not supported"
    if failure:
        message = f'failed to provision volume with StorageClass "{name}": {failure}'
        return [EmitEvent(seen.claim, "Warning", "ProvisioningFailed", message), RequeueAfter(RETRY_SECONDS)]
    about = f'External provisioner is provisioning volume for claim "{meta.key(seen.claim)}"'
    told = Announcement(
        seen.claim,
        "ProvisioningSucceeded",
        "Successfully provisioned volume {name}",
        "ProvisioningFailed",
        "Error creating provisioned PV object for claim " + meta.key(seen.claim) + ": {error}",
    )
    return [
        EmitEvent(seen.claim, "Normal", "Provisioning", about),
        Create(PERSISTENT_VOLUMES, _volume(seen), told),
    ]


def _volume(seen: SeenClaim) -> Object:
    claim, storage_class = seen.claim, seen.storage_class
    spec = {
        "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
        "accessModes": [*claim["spec"]["accessModes"]],
        "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy") or "Delete",
        "storageClassName": class_of(claim),
        "volumeMode": "Filesystem",
        "hostPath": {"path": str(seen.folder), "type": ""},
        "claimRef": {
            "kind": "PersistentVolumeClaim",
            "apiVersion": "v1",
            "namespace": meta.namespace(claim),
            "name": meta.name(claim),
            "uid": meta.uid(claim),
            "resourceVersion": meta.resource_version(claim),
        },
    }
    if options := storage_class.get("mountOptions"):
        spec["mountOptions"] = [*options]
    metadata = {"name": name_for(claim), "annotations": {PROVISIONED_BY: PROVISIONER}}
    return {"metadata": metadata, "spec": spec}


def _delete(seen: SeenVolume, now: datetime) -> list[Action]:
    volume = seen.volume
    if not seen.failure:
        return [Delete(PERSISTENT_VOLUMES, "", meta.name(volume), meta.uid(volume))]
    event = EmitEvent(volume, "Warning", "VolumeFailedDelete", seen.failure)
    if meta.get(volume, "status", "message") == seen.failure:
        return [event, RequeueAfter(RETRY_SECONDS)]
    status = {
        "phase": "Failed",
        "message": seen.failure,
        "lastPhaseTransitionTime": meta.format_time(now),
    }
    return [
        UpdateStatus(PERSISTENT_VOLUMES, {**volume, "status": status}),
        event,
        RequeueAfter(RETRY_SECONDS),
    ]
