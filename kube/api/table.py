"""Core: Tables: what `kubectl get` asks the server to lay out, and how long ago things were.

After: k8s staging/src/k8s.io/apimachinery/pkg/util/duration/duration.go, HumanDuration;
pkg/apis/meta/v1/types.go, Table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from kube.api import meta
from kube.api.meta import Object

UNKNOWN = "<unknown>"
NONE = "<none>"
UNSET = "<unset>"
MINUTE, HOUR, DAY, YEAR = 60, 3600, 86400, 86400 * 365


def _two(value: int, unit: int, big: str, rest: int, small: str) -> str:
    """`value` seconds as two units, the second left out when it is zero."""
    whole, part = value // unit, value % unit // rest
    return f"{whole}{big}{part}{small}" if part else f"{whole}{big}"


def human_duration(duration: timedelta) -> str:
    """A duration in two or three characters' precision: `59s`, `2m5s`, `47h`, `5d3h`, `2y10d`."""
    seconds = int(duration.total_seconds())
    if seconds < -1:
        return "<invalid>"
    if seconds < 2 * MINUTE:
        return f"{max(seconds, 0)}s"
    if seconds < 10 * MINUTE:
        return _two(seconds, MINUTE, "m", 1, "s")
    if seconds < 3 * HOUR:
        return f"{seconds // MINUTE}m"
    if seconds < 8 * HOUR:
        return _two(seconds, HOUR, "h", MINUTE, "m")
    if seconds < 2 * DAY:
        return f"{seconds // HOUR}h"
    if seconds < 8 * DAY:
        return _two(seconds, DAY, "d", HOUR, "h")
    if seconds < 2 * YEAR:
        return f"{seconds // DAY}d"
    if seconds < 8 * YEAR:
        return _two(seconds, YEAR, "y", DAY, "d")
    return f"{seconds // YEAR}y"


def age(text: str | None, now: datetime) -> str:
    """How long ago a timestamp was, or `<unknown>` for none."""
    return human_duration(now - meta.parse_time(text)) if text else UNKNOWN


@dataclass(frozen=True, slots=True)
class Column:
    """One column; priority 0 is always shown, 1 only with `-o wide`."""

    name: str
    type: str = "string"
    priority: int = 0
    format: str = ""
    description: str = ""

    def definition(self) -> dict[str, Any]:
        """The columnDefinition on the wire."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description or f"{self.name} of the object.",
            "priority": self.priority,
        }


NAME = Column("Name", format="name", description="Name must be unique within a namespace.")
AGE = Column("Age", description="Time since the object was created.")

V1 = "meta.k8s.io/v1"
INCLUDE_OBJECT = ("None", "Metadata", "Object")


@dataclass(frozen=True, slots=True)
class Printer:
    """The columns of a kind, the cells of one object, and conditions of its row."""

    columns: Sequence[Column]
    row: Callable[[Object, datetime], list[Any]]
    row_conditions: Callable[[Object], list[dict[str, str]]] | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """How objects of one kind are laid out for one client.

    include_object: as much of each row's object as the client asked for: None, Metadata or Object.
    api_version: of the Table, and of the metadata in its rows.
    with_columns: False for all but the first Table of a watch: the client has them already.
    """

    printer: Printer
    now: datetime
    include_object: str = ""
    api_version: str = V1
    with_columns: bool = True

    def of(
        self,
        objects: Iterable[Object],
        list_metadata: Mapping[str, Any] | None = None,
        pack: Callable[[dict[str, Any]], Any] = lambda row: row,
    ) -> Object:
        """The Table of these objects; without a list's metadata it has the resourceVersion of its one object.

        Each row is packed when it is made, before the next object is looked at.
        """
        if list_metadata is None:
            (only,) = objects = list(objects)
            list_metadata = {"resourceVersion": meta.resource_version(only)}
        columns = [each.definition() for each in self.printer.columns] if self.with_columns else None
        return {
            "kind": "Table",
            "apiVersion": self.api_version,
            "metadata": dict(list_metadata),
            "columnDefinitions": columns,
            "rows": [pack(self._row(o)) for o in objects],
        }

    def _row(self, o: Object) -> dict[str, Any]:
        row: dict[str, Any] = {"cells": self.printer.row(o, self.now)}
        if self.printer.row_conditions and (found := self.printer.row_conditions(o)):
            row["conditions"] = found
        return row | {"object": self._included(o)}

    def _included(self, o: Object) -> Object | None:
        if self.include_object == "None":
            return None
        if self.include_object == "Object":
            return o
        return {
            "kind": "PartialObjectMetadata",
            "apiVersion": self.api_version,
            "metadata": meta.metadata(o),
        }
