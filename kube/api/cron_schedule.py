"""Core: schedules as text: `minute hour day-of-month month day-of-week`, or a word such as @daily.

The grammar and the texts are those of robfig/cron, which Kubernetes reads schedules with. When a schedule is
due, and in which zone, is the business of the controller.

Absent: seconds, and zones within the text (TZ=), which Kubernetes refuses.
After: github.com/robfig/cron v3 parser.go, ParseStandard
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction

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
WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
EVERY = "@every "
DURATION = re.compile(r"[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)")
DURATION_PART = re.compile(r"([0-9]*\.?[0-9]*)(ns|us|µs|μs|ms|s|m|h)")
SECONDS = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),
    "μs": Fraction(1, 10**6),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
}
# What Go's durations can hold.
DURATION_SECONDS_MAX = (2**63 - 1) // 10**9


@dataclass(frozen=True, slots=True)
class Field:
    """The numbers of one field; `is_star` when it says any number, whatever else it says."""

    numbers: frozenset[int]
    is_star: bool


@dataclass(frozen=True, slots=True)
class Times:
    """The minutes that match every field; of two days that both are not stars, one is enough."""

    minute: Field
    hour: Field
    day: Field
    month: Field
    weekday: Field


@dataclass(frozen=True, slots=True)
class Every:
    """Again and again after the same while, in whole seconds."""

    delay: timedelta


Schedule = Times | Every


def parse(schedule: str) -> Schedule:
    """The schedule that a text says; ValueError says why it is none."""
    if schedule.startswith(EVERY):
        return Every(timedelta(seconds=_seconds(schedule)))
    if schedule.startswith("@"):
        if schedule not in WORDS:
            raise ValueError(f"unrecognized descriptor: {schedule}")
        schedule = WORDS[schedule]
    texts = schedule.split()
    if len(texts) != len(FIELDS):
        raise ValueError(f"expected exactly 5 fields, found {len(texts)}: [{' '.join(texts)}]")
    return Times(*(_field(text, *bounds) for text, bounds in zip(texts, FIELDS, strict=True)))


def mistake(schedule: str) -> str:
    """What is wrong with a schedule; nothing when it is one."""
    try:
        parse(schedule)
    except ValueError as error:
        return str(error)
    return ""


def _seconds(schedule: str) -> int:
    """A while of Go's (`1h30m`), in whole seconds, at least one."""
    duration = schedule.removeprefix(EVERY)
    seconds = Fraction(0)
    if DURATION.fullmatch(duration):
        for number, unit in DURATION_PART.findall(duration):
            seconds += Fraction(number) * SECONDS[unit]
        if seconds <= DURATION_SECONDS_MAX:
            return 1 if duration.startswith("-") else max(int(seconds), 1)
    raise ValueError(f'failed to parse duration {schedule}: time: invalid duration "{duration}"')


def _field(text: str, low: int, high: int, known: tuple[str, ...]) -> Field:
    numbers: set[int] = set()
    is_star = False
    for part in filter(None, text.split(",")):
        found = _range(part, low, high, known)
        numbers.update(found)
        # Every second day is not any day.
        is_star = is_star or (part[0] in "*?" and found.step == 1)
    return Field(frozenset(numbers), is_star)


def _range(text: str, low: int, high: int, known: tuple[str, ...]) -> range:
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
    return range(start, end + 1, step)


def _number(text: str, low: int, known: tuple[str, ...]) -> int:
    if text.lower() in known:
        return low + known.index(text.lower())
    if not re.fullmatch("[-+]?[0-9]+", text, re.ASCII):
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    if int(text) < 0:
        raise ValueError(f"negative number ({int(text)}) not allowed: {text}")
    return int(text)
