"""Core: which time of its schedule a CronJob is to make up for now, and when to look again.

Only the latest missed time counts. To find it without walking through years of them, the gap between the
first two is taken for the usual one, and most of the way is jumped over.

After: k8s pkg/controller/cronjob/utils.go, mostRecentScheduleTime and nextScheduleTimeDuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from controllers.cronjob.schedule import NEVER, next_after
from kube.api import meta
from kube.api.cron_schedule import Schedule
from kube.api.meta import Object

MISSED_MAX = 100
# A look that comes a moment before its time would have to be followed by another.
DELTA = timedelta(milliseconds=100)


class NoInterval(ValueError):
    """The schedule has no two times one after the other."""


@dataclass(frozen=True, slots=True)
class Missed:
    """The latest time that has passed since `earliest`, if one has, and about how many have."""

    earliest: datetime
    latest: datetime | None
    count: int


def missed(
    cron_job: Object, schedule: Schedule, zone: tzinfo, now: datetime, *, within_deadline: bool
) -> Missed:
    """What was missed since the last job, or since the CronJob was made; raises NoInterval."""
    last = meta.get(cron_job, "status", "lastScheduleTime")
    earliest = meta.parse_time(last) if last else meta.creation_time(cron_job)
    deadline = meta.get(cron_job, "spec", "startingDeadlineSeconds")
    if within_deadline and deadline is not None:
        earliest = max(earliest, now - timedelta(seconds=deadline))
    first = next_after(schedule, earliest, zone)
    second = next_after(schedule, first, zone) if first != NEVER else NEVER
    if now < first:
        return Missed(earliest, None, 0)
    if now < second:
        return Missed(earliest, first, 0)
    interval = round((second - first).total_seconds()) if second != NEVER else 0
    if interval < 1:
        raise NoInterval("time difference between two schedules is less than 1 second")
    count = int((now - first).total_seconds()) // interval + 1
    # One interval further back, for schedules whose times are not evenly spread.
    at = next_after(schedule, first + timedelta(seconds=(count - 2) * interval), zone)
    latest = None
    while NEVER < at <= now:
        latest = at
        at = next_after(schedule, at, zone)
    return Missed(earliest, latest, count)


def seconds_until_next(cron_job: Object, schedule: Schedule, zone: tzinfo, now: datetime) -> float | None:
    """How long until the next time, and a little more; None when there is none."""
    try:
        found = missed(cron_job, schedule, zone, now, within_deadline=False)
    except NoInterval:
        start = now
    else:
        start = found.latest or (now if found.count else found.earliest)
    at = next_after(schedule, start, zone)
    return (at + DELTA - now).total_seconds() if at != NEVER else None
