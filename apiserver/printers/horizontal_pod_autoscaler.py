"""Core: an autoscaler's row.

After: k8s pkg/printers/internalversion/printers.go, printHorizontalPodAutoscaler, formatHPAMetrics.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.printers.cells import age_of, joined
from kube.api import meta
from kube.api.meta import Object
from kube.api.table import AGE, NAME, UNKNOWN, UNSET, Column

COLUMNS = (
    NAME,
    Column("Reference", description="What is scaled."),
    Column("Targets", description="Each metric's value and target."),
    Column("MinPods", description="The fewest pods."),
    Column("MaxPods", description="The most pods."),
    Column("Replicas", description="The number of pods."),
    AGE,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    target = meta.get(o, "spec", "scaleTargetRef", default={})
    minimum = meta.get(o, "spec", "minReplicas")
    return [
        meta.name(o),
        f"{target.get('kind', '')}/{target.get('name', '')}",
        targets(o),
        str(minimum) if minimum is not None else UNSET,
        str(meta.get(o, "spec", "maxReplicas", default=0)),
        str(meta.get(o, "status", "currentReplicas", default=0)),
        age_of(o, now),
    ]


def targets(o: Object) -> str:
    """`cpu: 30%/80%` for each metric, its value unknown until there is one."""
    metrics = meta.get(o, "spec", "metrics", default=[])
    current = meta.get(o, "status", "currentMetrics", default=[])
    texts = [target(each, current[i] if i < len(current) else {}) for i, each in enumerate(metrics)]
    return joined(texts, ", ")


def target(metric: dict[str, Any], current: dict[str, Any]) -> str:
    """One metric's value and target."""
    part = metric["type"][0].lower() + metric["type"][1:]
    wanted = meta.get(metric, part, "target", default={})
    have = meta.get(current, part, "current", default={})
    name = f"{metric[part]['name']}: " if "name" in metric[part] else ""
    if "averageUtilization" in wanted:
        value = have.get("averageUtilization")
        shown = f"{value}%" if value is not None else UNKNOWN
        return f"{name}{shown}/{wanted['averageUtilization']}%"
    if "averageValue" in wanted:
        average = "" if part in ("resource", "pods", "containerResource") else " (avg)"
        return f"{name}{have.get('averageValue', UNKNOWN)}/{wanted['averageValue']}{average}"
    return f"{name}{have.get('value', UNKNOWN)}/{wanted.get('value', UNKNOWN)}"
