"""Which lines of a log a client gets, and as what."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kubelet.container_logs import LogOptions, Selection, format_line

NOW = datetime(2030, 1, 1, 0, 0, 10, tzinfo=UTC)
LINES = "".join(format_line(NOW.replace(second=second), f"line {second}") for second in (1, 2, 3)).encode()
BOTH = b"""\
2030-01-01T00:00:01.5Z stdout P one
2030-01-01T00:00:02.123456789+02:00 stderr F oh
2030-01-01T00:00:03Z stdout F  line
no line
"""


def select(lines: bytes, **query: str) -> str:
    return Selection(LogOptions.parse(query, NOW)).take(lines).decode()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, "line 1\nline 2\nline 3\n"),
        ({"sinceSeconds": "8"}, "line 2\nline 3\n"),
        ({"sinceTime": "2030-01-01T01:00:03+01:00"}, "line 3\n"),
        ({"limitBytes": "8"}, "line 1\nl"),
        (
            {"sinceSeconds": "7", "timestamps": "true", "limitBytes": "100"},
            "2030-01-01T00:00:03.000000000Z line 3\n",
        ),
    ],
)
def test_select(query: dict[str, str], expected: str) -> None:
    assert select(LINES, **query) == expected


def test_a_partial_line_goes_on_in_the_next() -> None:
    assert select(BOTH) == "oneoh\n line\n"
    assert select(BOTH, stream="Stdout") == "one line\n"
    assert select(BOTH, stream="Stderr", timestamps="1") == "2030-01-01T00:00:02.123456789+02:00 oh\n"
    assert select(BOTH, stream="All", timestamps="1").endswith("03.000000000Z  line\n")


def test_the_limit_holds_over_all_that_is_taken() -> None:
    selection = Selection(LogOptions(limit_bytes=10))
    assert selection.take(LINES[: len(LINES) // 3]) == b"line 1\n"
    assert not selection.is_full
    assert selection.take(LINES) == b"lin"
    assert selection.is_full


@pytest.mark.parametrize(
    "query",
    [{"tailLines": "many"}, {"tailLines": "-1"}, {"limitBytes": "0"}, {"sinceSeconds": "0"}, {"stream": "x"}],
)
def test_nonsense_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"invalid|less than"):
        LogOptions.parse(query, NOW)
