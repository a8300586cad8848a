"""Core: which lines of a container's log a client asked for.

The log is a file as CRI has it: `<RFC 3339 time> <stdout|stderr> <F|P> <text>`, a line each.

After: k8s pkg/kubelet/kuberuntime/logs/logs.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from kube.api import meta


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What PodLogOptions say. `since`: no older lines; `limit_bytes`: cut off after so many."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    since: datetime | None = None
    limit_bytes: int | None = None

    @classmethod
    def parse(cls, query: Mapping[str, str], now: datetime) -> LogOptions:
        """Read them off a query; ValueError for what is no number or time."""
        since = meta.parse_time(query["sinceTime"]) if query.get("sinceTime") else None
        if query.get("sinceSeconds"):
            since = now - timedelta(seconds=int(query["sinceSeconds"]))
        return cls(
            follow=_flag(query, "follow"),
            previous=_flag(query, "previous"),
            timestamps=_flag(query, "timestamps"),
            tail_lines=int(query["tailLines"]) if query.get("tailLines") else None,
            since=since,
            limit_bytes=int(query["limitBytes"]) if query.get("limitBytes") else None,
        )


def format_line(now: datetime, text: str) -> str:
    """A line as it stands in the file."""
    return f"{meta.format_micro_time(now)} stdout F {text}\n"


def select(lines: Iterable[str], options: LogOptions) -> bytes:
    """The wanted lines of the file, as the client sees them."""
    parsed = [_parse(line) for line in lines if line.endswith("\n")]
    if options.since:
        parsed = [(at, text) for at, text in parsed if meta.parse_time(at) >= options.since]
    if options.tail_lines is not None:
        parsed = parsed[len(parsed) - min(options.tail_lines, len(parsed)) :]
    shown = [f"{at} {text}" if options.timestamps else text for at, text in parsed]
    return "".join(shown).encode()[: options.limit_bytes]


def _parse(line: str) -> tuple[str, str]:
    at, _, _, text = line.split(" ", 3)
    return at, text


def _flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "").lower() in ("true", "1")
