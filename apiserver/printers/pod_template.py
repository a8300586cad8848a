"""Core: a PodTemplate's row.

After: k8s pkg/printers/internalversion/printers.go, printPodTemplate.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.printers.cells import pairs, template_containers
from kube.api import meta
from kube.api.meta import Object
from kube.api.table import NAME, Column

COLUMNS = (
    NAME,
    Column("Containers", description="Names of the containers."),
    Column("Images", description="Images of the containers."),
    Column("Pod Labels", description="Labels of the pods."),
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    template = o.get("template") or {}
    return [meta.name(o), *template_containers(template), pairs(meta.labels(template))]
