"""Shell: looks at one object again and again, for commands that wait."""

from __future__ import annotations

import time
from collections.abc import Iterator

from cli.errors import CliError
from cli.session import Session
from kube.api.errors import StatusError, is_not_found
from kube.api.meta import Object, resource_version
from kube.api.resources import Resource

POLL_SECONDS = 0.2
UNITS = {"s": 1, "m": 60, "h": 3600}


class TimedOut(Exception):
    """The deadline has passed."""


def states(at: Session, resource: Resource, name: str, seconds: float | None) -> Iterator[Object | None]:
    """The object whenever it is another than before, None while there is none; TimedOut at the end."""
    end = None if seconds is None else time.monotonic() + seconds
    last: str | None = None
    while True:
        o = look(at, resource, name)
        version = resource_version(o) if o else ""
        if version != last:
            yield o
        last = version
        if end is not None and time.monotonic() >= end:
            raise TimedOut
        time.sleep(POLL_SECONDS)  # noqa: TID251 -- a command has nothing else to do


def look(at: Session, resource: Resource, name: str) -> Object | None:
    """The object, if there is one."""
    try:
        return at.api.get(resource, at.namespace_of(resource), name)
    except StatusError as error:
        if is_not_found(error):
            return None
        raise


def seconds(text: str) -> float:
    """`90`, `30s`, `2m`, `1h`."""
    number, unit = (text[:-1], UNITS[text[-1]]) if text[-1:] in UNITS else (text, 1)
    try:
        return float(number) * unit
    except ValueError as error:
        raise CliError(f"{text!r} is no duration such as 30s or 2m") from error
