"""Core: texts that several kinds' rows share.

After: k8s pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from kube.api import meta
from kube.api.meta import Object
from kube.api.table import NONE, Column, age

CONTAINERS = Column("Containers", priority=1, description="Names of each container in the template.")
IMAGES = Column("Images", priority=1, description="Images referenced by each container in the template.")
SELECTOR = Column("Selector", priority=1, description="The label selector of the object.")


def age_of(o: Object, now: datetime) -> str:
    """The age of an object."""
    return age(meta.metadata(o).get("creationTimestamp"), now)


def joined(values: Iterable[Any], separator: str = ",") -> str:
    """The values in one cell, or `<none>`."""
    return separator.join(str(value) for value in values) or NONE


def pairs(values: Mapping[str, Any] | None) -> str:
    """A map as `a=b,c=d`, or `<none>`."""
    return joined(f"{key}={value}" for key, value in sorted((values or {}).items()))


def template_containers(template: Mapping[str, Any] | None) -> tuple[str, str]:
    """The names and images of a pod template's containers."""
    containers: Sequence[Mapping[str, Any]] = meta.get(template or {}, "spec", "containers", default=[])
    names = ",".join(each.get("name", "") for each in containers)
    return names, ",".join(each.get("image", "") for each in containers)
