"""Core: a PersistentVolume's row.

After: k8s pkg/printers/internalversion/printers.go, printPersistentVolume.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.printers.cells import age_of
from apiserver.printers.persistent_volume_claim import access_modes
from kube.api import meta
from kube.api.meta import Object
from kube.api.table import AGE, NAME, UNSET, Column

COLUMNS = (
    NAME,
    Column("Capacity", description="Its capacity."),
    Column("Access Modes", description="How it may be mounted."),
    Column("Reclaim Policy", description="What becomes of it when its claim goes."),
    Column("Status", description="The phase of the volume."),
    Column("Claim", description="The claim it is bound to."),
    Column("StorageClass", description="The storage class."),
    Column("VolumeAttributesClass", description="The volume attributes class."),
    Column("Reason", description="Why it is in its phase."),
    AGE,
    Column("VolumeMode", priority=1, description="Filesystem or Block."),
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    claim = meta.get(o, "spec", "claimRef")
    return [
        meta.name(o),
        meta.get(o, "spec", "capacity", "storage", default=""),
        access_modes(meta.get(o, "spec", "accessModes", default=[])),
        meta.get(o, "spec", "persistentVolumeReclaimPolicy", default=""),
        "Terminating" if meta.is_terminating(o) else meta.get(o, "status", "phase", default=""),
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "",
        meta.get(o, "spec", "storageClassName", default=""),
        meta.get(o, "spec", "volumeAttributesClassName") or UNSET,
        meta.get(o, "status", "reason", default=""),
        age_of(o, now),
        meta.get(o, "spec", "volumeMode") or UNSET,
    ]
