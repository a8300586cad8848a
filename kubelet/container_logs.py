"""Core: which lines of a container's log a client gets, and as what.

The log is a file as CRI has it: `<RFC 3339 time> <stdout|stderr> <F|P> <text>`, a line each. P says that the
container's line goes on in the file's next one.

After: k8s pkg/kubelet/kuberuntime/logs/logs.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from kube.api import meta

STREAMS = ("stdout", "stderr")
PARTIAL = b"P"
# 2030-01-01T00:00:03[.fraction]zone
TIME = re.compile(rb"([^.Z+]+?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What PodLogOptions say. `since`: no older lines; `limit_bytes`: cut off after so many; `stream`: only
    that of the two, if it is one of them.
    """

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    since: datetime | None = None
    limit_bytes: int | None = None
    stream: str = ""

    @classmethod
    def parse(cls, query: Mapping[str, str], now: datetime) -> LogOptions:
        """Read them off a query; ValueError for what is no number or time, or cannot be."""
        since = meta.parse_time(query["sinceTime"]) if query.get("sinceTime") else None
        if query.get("sinceSeconds"):
            since = now - timedelta(seconds=_number(query["sinceSeconds"], 1))
        stream = query.get("stream", "").lower()
        if stream not in ("", "all", *STREAMS):
            raise ValueError(f"invalid stream type {query['stream']!r}")
        return cls(
            follow=_flag(query, "follow"),
            previous=_flag(query, "previous"),
            timestamps=_flag(query, "timestamps"),
            tail_lines=_number(query["tailLines"], 0) if query.get("tailLines") else None,
            since=since,
            limit_bytes=_number(query["limitBytes"], 1) if query.get("limitBytes") else None,
            stream=stream if stream in STREAMS else "",
        )


def format_line(now: datetime, text: str) -> str:
    """A line as it stands in the file."""
    return f"{meta.format_micro_time(now)} stdout F {text}\n"


class Selection:
    """What one client gets of a log, line after line. `is_full`: the bytes he wanted have all been taken."""

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._stream = options.stream.encode()
        self._remaining = options.limit_bytes

    @property
    def is_full(self) -> bool:
        return self._remaining == 0

    def take(self, lines: bytes) -> bytes:
        """The wanted part of whole lines, as the client sees them."""
        if not (self._options.timestamps or self._options.since or self._stream):
            shown = b"".join(map(_text, lines.splitlines(keepends=True)))
        else:
            shown = b"".join(map(self._shown, lines.splitlines(keepends=True)))
        if self._remaining is not None:
            shown = shown[: self._remaining]
            self._remaining -= len(shown)
        return shown

    def _shown(self, line: bytes) -> bytes:
        at, stream, text = _parts(line)
        if self._stream and stream != self._stream:
            return b""
        if self._options.since and (_time(at) or self._options.since) < self._options.since:
            return b""
        return _nanoseconds(at) + b" " + text if self._options.timestamps and text else text


def _text(line: bytes) -> bytes:
    return _parts(line)[2]


def _parts(line: bytes) -> tuple[bytes, bytes, bytes]:
    """Time, stream and text; a line that is none of CRI's has no text."""
    parts = line.split(b" ", 3)
    if len(parts) < 4:
        return b"", b"", b""
    at, stream, tags, text = parts
    is_partial = tags.partition(b":")[0] == PARTIAL
    return at, stream, text.removesuffix(b"\n") if is_partial else text


def _time(at: bytes) -> datetime | None:
    try:
        return meta.parse_time(at.decode())
    except ValueError:
        return None


def _nanoseconds(at: bytes) -> bytes:
    """The time as Kubernetes shows it: with nine digits behind the point."""
    match = TIME.fullmatch(at)
    return b"%b.%b%b" % (match[1], (match[2] or b"").ljust(9, b"0")[:9], match[3]) if match else at


def _number(text: str, least: int) -> int:
    number = int(text)
    if number < least:
        raise ValueError(f"{number} is less than {least}")
    return number


def _flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "").lower() in ("true", "1")
