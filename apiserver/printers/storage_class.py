"""Core: a StorageClass's row; the default class is marked.

After: k8s pkg/printers/internalversion/printers.go, printStorageClass.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.printers.cells import age_of
from kube.api import meta
from kube.api.meta import Object
from kube.api.table import AGE, NAME, Column

COLUMNS = (
    NAME,
    Column("Provisioner", description="Who makes the volumes."),
    Column("ReclaimPolicy", description="What becomes of a volume when its claim goes."),
    Column("VolumeBindingMode", description="When a volume is bound."),
    Column("AllowVolumeExpansion", description="Whether volumes may grow."),
    AGE,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    is_default = meta.annotations(o).get("storageclass.kubernetes.io/is-default-class") == "true"
    return [
        f"{meta.name(o)} (default)" if is_default else meta.name(o),
        o.get("provisioner", ""),
        o.get("reclaimPolicy", "Delete"),
        o.get("volumeBindingMode", "Immediate"),
        bool(o.get("allowVolumeExpansion")),
        age_of(o, now),
    ]
