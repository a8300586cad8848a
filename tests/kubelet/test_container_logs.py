"""Which lines of a log a client gets."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kubelet.container_logs import LogOptions, format_line, select

NOW = datetime(2030, 1, 1, 0, 0, 10, tzinfo=UTC)
LINES = [format_line(NOW.replace(second=second), f"line {second}") for second in (1, 2, 3)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, "line 1\nline 2\nline 3\n"),
        ({"tailLines": "2"}, "line 2\nline 3\n"),
        ({"tailLines": "0"}, ""),
        ({"tailLines": "9"}, "line 1\nline 2\nline 3\n"),
        ({"sinceSeconds": "8"}, "line 2\nline 3\n"),
        ({"sinceTime": "2030-01-01T01:00:03+01:00"}, "line 3\n"),
        ({"limitBytes": "8"}, "line 1\nl"),
        ({"tailLines": "1", "timestamps": "true"}, "2030-01-01T00:00:03.000000Z line 3\n"),
    ],
)
def test_select(query: dict[str, str], expected: str) -> None:
    assert select(LINES, LogOptions.parse(query, NOW)).decode() == expected


def test_a_line_still_being_written_is_left_for_later() -> None:
    assert select([*LINES[:1], LINES[1].rstrip("\n")], LogOptions()) == b"line 1\n"


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        LogOptions.parse({"tailLines": "many"}, NOW)
