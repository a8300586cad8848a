"""Core: a ReplicaSet's or ReplicationController's row.

After: k8s pkg/printers/internalversion/printers.go, printReplicaSet, printReplicationController.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.printers.cells import CONTAINERS, IMAGES, SELECTOR, age_of, pairs, template_containers
from kube.api import meta
from kube.api.labels import format_label_selector
from kube.api.meta import Object
from kube.api.table import AGE, NAME, Column

COLUMNS = (
    NAME,
    Column("Desired", "integer", description="Number of desired pods."),
    Column("Current", "integer", description="Number of pods."),
    Column("Ready", "integer", description="Number of ready pods."),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    containers, images = template_containers(meta.get(o, "spec", "template"))
    selector = meta.get(o, "spec", "selector")
    is_plain_map = o.get("kind") == "ReplicationController"
    return [
        meta.name(o),
        meta.get(o, "spec", "replicas", default=0),
        meta.get(o, "status", "replicas", default=0),
        meta.get(o, "status", "readyReplicas", default=0),
        age_of(o, now),
        containers,
        images,
        pairs(selector) if is_plain_map else format_label_selector(selector),
    ]
