"""Core: the Events paragraph at the end of a description."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cli.describers.text import Writer
from kube.api import meta
from kube.api.meta import Object
from kube.api.table import age


def write(out: Writer, events: Sequence[Object], now: datetime) -> None:
    """The events, oldest first."""
    if not events:
        out.line("Events:\t<none>")
        return
    out.line("Events:")
    out.line("Type\tReason\tAge\tFrom\tMessage", 1)
    out.line("----\t------\t----\t----\t-------", 1)
    for event in sorted(events, key=last_time):
        cells = (event.get("type", ""), event.get("reason", ""), interval(event, now), _source(event))
        out.line("\t".join((*cells, (event.get("message") or "").strip())), 1)


def _first(event: Object) -> str:
    return event.get("firstTimestamp") or event.get("eventTime") or ""


def last_time(event: Object) -> str:
    """When it happened last, as a timestamp."""
    observed = meta.get(event, "series", "lastObservedTime")
    return observed or event.get("lastTimestamp") or event.get("eventTime") or ""


def interval(event: Object, now: datetime) -> str:
    """`5s`, or `5s (x2 over 3m)` for one that came again."""
    count = meta.get(event, "series", "count") or event.get("count") or 1
    last = age(last_time(event), now)
    return f"{last} (x{count} over {age(_first(event), now)})" if count > 1 else last


def _source(event: Object) -> str:
    return str(meta.get(event, "source", "component") or event.get("reportingComponent") or "")
