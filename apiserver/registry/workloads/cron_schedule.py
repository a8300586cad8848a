"""Core: why a schedule is none: `minute hour day-of-month month day-of-week`, or a word such as @daily.

The grammar and the texts are those of robfig/cron, which Kubernetes reads schedules with.

After: github.com/robfig/cron v3 parser.go, ParseStandard
"""

from __future__ import annotations

import re

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# The least and the greatest number of each field, and its names, which count from the least.
FIELDS: tuple[tuple[int, int, tuple[str, ...]], ...] = (
    (0, 59, ()),
    (0, 23, ()),
    (1, 31, ()),
    (1, 12, MONTHS),
    (0, 6, DAYS),
)
WORDS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
EVERY = "@every "
DURATION = re.compile(r"[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)")


def mistake(schedule: str) -> str:
    """What is wrong with a schedule; nothing when it is one."""
    if schedule.startswith("@"):
        return _word(schedule)
    fields = schedule.split()
    if len(fields) != len(FIELDS):
        return f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"
    for text, (low, high, known) in zip(fields, FIELDS, strict=True):
        for part in filter(None, text.split(",")):
            try:
                _check_range(part, low, high, known)
            except ValueError as error:
                return str(error)
    return ""


def _word(schedule: str) -> str:
    if schedule in WORDS:
        return ""
    if not schedule.startswith(EVERY):
        return f"unrecognized descriptor: {schedule}"
    duration = schedule.removeprefix(EVERY)
    if DURATION.fullmatch(duration):
        return ""
    return f'failed to parse duration {schedule}: time: invalid duration "{duration}"'


def _check_range(text: str, low: int, high: int, known: tuple[str, ...]) -> None:
    """One of `*`, `1`, `1-5`, each perhaps with `/2`; ValueError says what it is not."""
    bounds, *steps = text.split("/")
    first, *last = bounds.split("-")
    if first in ("*", "?"):
        start, end = low, high
    else:
        start = end = _number(first, low, known)
        if len(last) > 1:
            raise ValueError(f"too many hyphens: {text}")
        if last:
            end = _number(last[0], low, known)
    if len(steps) > 1:
        raise ValueError(f"too many slashes: {text}")
    step = _number(steps[0], 0, ()) if steps else 1
    if steps and not last:
        end = high
    if start < low:
        raise ValueError(f"beginning of range ({start}) below minimum ({low}): {text}")
    if end > high:
        raise ValueError(f"end of range ({end}) above maximum ({high}): {text}")
    if start > end:
        raise ValueError(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {text}")


def _number(text: str, low: int, known: tuple[str, ...]) -> int:
    if text.lower() in known:
        return low + known.index(text.lower())
    if not re.fullmatch("[-+]?[0-9]+", text, re.ASCII):
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    if int(text) < 0:
        raise ValueError(f"negative number ({int(text)}) not allowed: {text}")
    return int(text)
