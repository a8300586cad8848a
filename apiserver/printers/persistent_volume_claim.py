"""Core: a PersistentVolumeClaim's row.

After: k8s pkg/printers/internalversion/printers.go, printPersistentVolumeClaim.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from apiserver.printers.cells import age_of
from kube.api import meta
from kube.api.meta import Object
from kube.api.table import AGE, NAME, UNSET, Column

COLUMNS = (
    NAME,
    Column("Status", description="The phase of the claim."),
    Column("Volume", description="The volume it is bound to."),
    Column("Capacity", description="The capacity of that volume."),
    Column("Access Modes", description="How the volume may be mounted."),
    Column("StorageClass", description="The storage class."),
    Column("VolumeAttributesClass", description="The volume attributes class."),
    AGE,
    Column("VolumeMode", priority=1, description="Filesystem or Block."),
)
SHORT_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


def access_modes(modes: Iterable[str]) -> str:
    """The modes in short, in the order of the table."""
    given = set(modes)
    return ",".join(short for mode, short in SHORT_MODES.items() if mode in given)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    volume = meta.get(o, "spec", "volumeName", default="")
    phase = "Terminating" if meta.is_terminating(o) else meta.get(o, "status", "phase", default="")
    return [
        meta.name(o),
        phase,
        volume,
        meta.get(o, "status", "capacity", "storage", default="") if volume else "",
        access_modes(meta.get(o, "status", "accessModes", default=[])) if volume else "",
        meta.get(o, "spec", "storageClassName", default=""),
        meta.get(o, "spec", "volumeAttributesClassName") or UNSET,
        age_of(o, now),
        meta.get(o, "spec", "volumeMode") or UNSET,
    ]
