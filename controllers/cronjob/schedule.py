"""Core: when a schedule is due next, by the wall clock of a zone.

From the second after the given instant, month, day, hour and minute are moved on in turn until each matches;
one that wraps around starts the search anew. Hours and minutes are moved on in real time, so where the clock
is put back an hour comes twice, and where it is put forward what falls into the gap is left out that day.

Invariants: a time of a Times is later than the instant it was asked for, on a full minute; within five years,
or NEVER (the 30th of February).
After: github.com/robfig/cron v3 spec.go, SpecSchedule.Next; constantdelay.go; Go's time.Date for gaps.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

from kube.api.cron_schedule import Every, Schedule, Times

NEVER = datetime.min.replace(tzinfo=UTC)
YEARS = 5
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def next_after(schedule: Schedule, after: datetime, zone: tzinfo = UTC) -> datetime:
    """The first time after `after` (both in UTC), or NEVER."""
    if isinstance(schedule, Every):
        return after.replace(microsecond=0) + schedule.delay
    at = after.replace(microsecond=0) + SECOND
    limit, is_moved = _local(at, zone).year + YEARS, False
    while _local(at, zone).year <= limit:
        moved = _move(schedule, at, zone, is_moved=is_moved)
        if moved == at:
            return at
        at, is_moved = moved, True
    return NEVER


def _move(schedule: Times, at: datetime, zone: tzinfo, *, is_moved: bool) -> datetime:
    """The instant itself if it matches; a later one, with nothing that matches between, if not."""
    month = _to_month(schedule, at, zone, is_moved=is_moved)
    if month != at and _local(month, zone).month == 1:
        return month
    day = _to_day(schedule, month, zone, is_moved=is_moved or month != at)
    if day != month and _local(day, zone).day == 1:
        return day
    hour = _to_hour(schedule, day, zone, is_moved=is_moved or day != at)
    if hour != day and _local(hour, zone).hour == 0:
        return hour
    return _to_minute(schedule, hour, zone)


def _to_month(schedule: Times, at: datetime, zone: tzinfo, *, is_moved: bool) -> datetime:
    local = _local(at, zone)
    while local.month not in schedule.month.numbers:
        start = local if is_moved else datetime(local.year, local.month, 1)  # noqa: DTZ001 -- of a wall clock
        is_moved = True
        at = _instant((start.replace(day=1) + 31 * DAY).replace(day=1), zone)
        local = _local(at, zone)
        if local.month == 1:
            break
    return at


def _to_day(schedule: Times, at: datetime, zone: tzinfo, *, is_moved: bool) -> datetime:
    local = _local(at, zone)
    while not _is_day(schedule, local):
        start, is_moved = local if is_moved else _midnight(local), True
        at = _instant(start + DAY, zone)
        # Samoa once left out a day; there the original never comes back.
        if at <= _instant(start, zone):
            at = _instant(start + 2 * DAY, zone)
        local = _local(at, zone)
        # Where midnight does not exist, the day starts beside it.
        if local.hour != 0:
            at += (24 - local.hour if local.hour > 12 else -local.hour) * HOUR
            local = _local(at, zone)
        if local.day == 1:
            break
    return at


def _to_hour(schedule: Times, at: datetime, zone: tzinfo, *, is_moved: bool) -> datetime:
    local = _local(at, zone)
    while local.hour not in schedule.hour.numbers:
        if not is_moved:
            at = _instant(local.replace(minute=0, second=0), zone)
            is_moved = True
        at += HOUR
        local = _local(at, zone)
        if local.hour == 0:
            break
    return at


def _to_minute(schedule: Times, at: datetime, zone: tzinfo) -> datetime:
    """A full minute that matches, in this hour or at the start of the next one."""
    if at.second:
        at = at.replace(second=0) + MINUTE
        if _local(at, zone).minute == 0:
            return at
    while _local(at, zone).minute not in schedule.minute.numbers:
        at += MINUTE
        if _local(at, zone).minute == 0:
            break
    return at


def _is_day(schedule: Times, local: datetime) -> bool:
    """Both fields match if one of them is a star; otherwise one that matches is enough."""
    day = local.day in schedule.day.numbers
    weekday = local.isoweekday() % 7 in schedule.weekday.numbers
    if schedule.day.is_star or schedule.weekday.is_star:
        return day and weekday
    return day or weekday


def _midnight(local: datetime) -> datetime:
    return local.replace(hour=0, minute=0, second=0)


def _local(at: datetime, zone: tzinfo) -> datetime:
    """What the wall clock shows."""
    return at.astimezone(zone).replace(tzinfo=None)


def _instant(local: datetime, zone: tzinfo) -> datetime:
    """When the wall clock shows this; in a gap, by the offset that Go would take."""
    at = local.replace(tzinfo=UTC)
    offset = _offset(at, zone)
    if _offset(at - offset, zone) != offset:
        offset = _offset(at - offset, zone)
    return at - offset


def _offset(at: datetime, zone: tzinfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta(0)
