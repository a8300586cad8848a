"""Core: Tables: what `kubectl get` asks the server to lay out, and how long ago things were.

After: k8s staging/src/k8s.io/apimachinery/pkg/util/duration/duration.go, HumanDuration;
pkg/apis/meta/v1/types.go, Table.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from kube.api import meta

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
