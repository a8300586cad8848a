"""Core: an Event's row, of either event API.

After: k8s pkg/printers/internalversion/printers.go, printEvent.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kube.api import meta
from kube.api.meta import Object
from kube.api.table import Column, age

COLUMNS = (
    Column("Last Seen", description="Time since it was last seen."),
    Column("Type", description="Normal or Warning."),
    Column("Reason", description="One word for what happened."),
    Column("Object", description="The object it is about."),
    Column("Subobject", priority=1, description="The part of the object it is about."),
    Column("Source", priority=1, description="Who reported it."),
    Column("Message", description="What happened."),
    Column("First Seen", priority=1, description="Time since it was first seen."),
    Column("Count", priority=1, description="How often it was seen."),
    Column("Name", format="name", priority=1, description="Name must be unique within a namespace."),
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    about = o.get("involvedObject") or o.get("regarding") or {}
    kind, name = about.get("kind", ""), about.get("name", "")
    first = o.get("firstTimestamp") or o.get("deprecatedFirstTimestamp") or o.get("eventTime")
    last = o.get("lastTimestamp") or o.get("deprecatedLastTimestamp") or first
    count = o.get("count") or o.get("deprecatedCount") or 1
    if series := o.get("series"):
        last, count = series.get("lastObservedTime") or last, series.get("count") or count
    return [
        age(last, now),
        o.get("type", ""),
        o.get("reason", ""),
        f"{kind.lower()}/{name}" if name else kind.lower(),
        about.get("fieldPath", ""),
        source(o),
        (o.get("message") or o.get("note") or "").strip(),
        age(first, now),
        count,
        meta.name(o),
    ]


def source(o: Object) -> str:
    """The component that reported, and its host."""
    given = o.get("source") or o.get("deprecatedSource") or {}
    component = given.get("component") or o.get("reportingComponent") or o.get("reportingController") or ""
    host = given.get("host") or o.get("reportingInstance") or ""
    return f"{component}, {host}" if host else component
