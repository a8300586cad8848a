"""Schedules: every minute that matches by the clock on the wall is found, and no other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from controllers.cronjob.schedule import NEVER, next_after
from kube.api.cron_schedule import FIELDS, parse

MINUTE = timedelta(minutes=1)
# Clocks are put forward and back at two or three in the morning, in Lord Howe by half an hour. Apia once left
# a day out; Kathmandu is off by 45 minutes.
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Kathmandu",
)


@st.composite
def parts(draw: st.DrawFn, low: int, high: int) -> str:
    first = draw(st.integers(low, high))
    last = draw(st.integers(first, high))
    bounds = draw(st.sampled_from(["*", "*", f"{first}", f"{first}-{last}"]))
    step = draw(st.integers(1, 9))
    return draw(st.sampled_from([bounds, bounds, f"{bounds}/{step}"]))


@st.composite
def schedules(draw: st.DrawFn) -> str:
    fields = (draw(st.lists(parts(low, high), min_size=1, max_size=2)) for low, high, _ in FIELDS)
    return " ".join(",".join(each) for each in fields)


def numbers(text: str, low: int, high: int) -> set[int]:
    """What a field means, told plainly."""
    found: set[int] = set()
    for part in text.split(","):
        bounds, _, step = part.partition("/")
        first, _, last = (f"{low}-{high}" if bounds == "*" else bounds).partition("-")
        end = int(last) if last else (high if step else int(first))
        found |= set(range(int(first), end + 1, int(step or 1)))
    return found


def is_due(text: str, local: datetime) -> bool:
    fields = text.split()
    minute, hour, day, month, weekday = (
        numbers(field, low, high) for field, (low, high, _) in zip(fields, FIELDS, strict=True)
    )
    any_day, any_weekday = (
        any(part in ("*", "*/1") for part in field.split(",")) for field in (fields[2], fields[4])
    )
    days = local.day in day, local.isoweekday() % 7 in weekday
    on_day = all(days) if any_day or any_weekday else any(days)
    return local.minute in minute and local.hour in hour and local.month in month and on_day


@given(
    schedules(),
    st.datetimes(datetime(2011, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001 -- hypothesis wants them so
    st.sampled_from(ZONES),
)
@example("30 2 * * *", datetime(2030, 3, 30, 12), "Europe/Berlin")  # noqa: DTZ001 -- as above
@example("30 2 * * *", datetime(2030, 10, 27, 0, 45), "Europe/Berlin")  # noqa: DTZ001 -- as above
@example("0 12 30 12 *", datetime(2011, 12, 29, 1), "Pacific/Apia")  # noqa: DTZ001 -- as above
def test_the_next_time_is_the_first_that_matches(text: str, after: datetime, zone_name: str) -> None:
    zone, start = ZoneInfo(zone_name), after.replace(tzinfo=UTC)
    found = next_after(parse(text), start, zone)
    at = start.replace(second=0, microsecond=0) + MINUTE
    for _ in range(3 * 24 * 60):
        if is_due(text, at.astimezone(zone)):
            assert found == at
            return
        at += MINUTE
    assert found == NEVER or found >= at
    assert found == NEVER or is_due(text, found.astimezone(zone))


@pytest.mark.parametrize(
    ("text", "after", "due"),
    [
        # Both days are named: one is enough. An every-second day is not any day.
        ("0 0 13 * fri", "2030-09-13T00:00:00Z", "2030-09-20T00:00:00Z"),
        ("0 0 */2 * mon", "2030-01-01T00:00:00Z", "2030-01-03T00:00:00Z"),
        ("0 0 1-31 * mon", "2030-01-01T00:00:00Z", "2030-01-02T00:00:00Z"),
        ("0 0 * * mon", "2030-01-01T00:00:00Z", "2030-01-07T00:00:00Z"),
        ("0 0 ? JAN sun", "2030-01-07T00:00:00Z", "2030-01-13T00:00:00Z"),
        ("@monthly", "2030-01-31T23:59:59Z", "2030-02-01T00:00:00Z"),
        ("@yearly", "2030-01-01T00:00:00Z", "2031-01-01T00:00:00Z"),
        ("0 0 29 2 *", "2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"),
        ("@every 90m", "2030-01-01T00:00:07.5Z", "2030-01-01T01:30:07Z"),
        ("@every 10ms", "2030-01-01T00:00:00Z", "2030-01-01T00:00:01Z"),
    ],
)
def test_days_and_words(text: str, after: str, due: str) -> None:
    found = next_after(parse(text), datetime.fromisoformat(after))
    assert found == datetime.fromisoformat(due)


def test_a_day_that_never_comes() -> None:
    assert next_after(parse("59 23 31 2 *"), datetime(2030, 1, 1, tzinfo=UTC)) == NEVER
    assert next_after(parse("0 0 29 2 *"), datetime(2096, 3, 1, tzinfo=UTC)) == NEVER


def test_a_day_without_midnight_starts_at_one() -> None:
    """Sao Paulo put the clock forward at midnight; the days after it are found all the same."""
    zone = ZoneInfo("America/Sao_Paulo")
    found = next_after(parse("0 1 4 11 *"), datetime(2018, 10, 1, tzinfo=UTC), zone)
    assert found.astimezone(zone).isoformat() == "2018-11-04T01:00:00-02:00"
