"""Durations on a command line."""

from __future__ import annotations

from datetime import timedelta

import click
import pytest

from kube.base.flags import DURATION


@pytest.mark.parametrize(
    ("text", "seconds"), [("40s", 40), ("1m30s", 90), ("1h0m0s", 3600), ("250ms", 0.25), ("1.5s", 1.5)]
)
def test_durations_are_written_as_in_kubernetes(text: str, seconds: float) -> None:
    assert DURATION.convert(text, None, None) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "4", "s", "4 s", "-4s", "0s", "4s!"])
def test_what_is_no_duration_is_told(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no duration such as 40s"):
        DURATION.convert(text, None, None)
