"""Shell: types of command line flags that more than one component has."""

from __future__ import annotations

import re
from datetime import timedelta

import click

UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
PART = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")


class Duration(click.ParamType[timedelta]):
    """A time as Kubernetes' flags have it: `40s`, `1m30s`, `250ms`; `0` only where that is said."""

    name = "duration"

    def __init__(self, *, may_be_zero: bool = False) -> None:
        self._may_be_zero = may_be_zero

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        if value == "0" and self._may_be_zero:
            return timedelta()
        seconds = parse_duration(str(value))
        if seconds is None or not (seconds > 0 or self._may_be_zero):
            self.fail(f"{value!r} is no duration such as 40s or 1m30s", param, ctx)
        return timedelta(seconds=seconds)


def parse_duration(text: str) -> float | None:
    """Seconds; None where the text is no duration."""
    parts = PART.findall(text)
    if not parts or "".join(map("".join, parts)) != text:
        return None
    return sum(float(number) * UNITS[unit] for number, unit in parts)


DURATION = Duration()
DURATION_OR_ZERO = Duration(may_be_zero=True)
