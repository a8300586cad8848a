"""Which controllers --controllers chooses."""

from __future__ import annotations

import pytest

from controllers.main import CONTROLLERS
from controllers.selection import UnknownController, selected

KNOWN = ("a-controller", "cronjob-controller", "job-controller")


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("*", ["a-controller", "cronjob-controller", "job-controller"]),
        ("*,-cronjob", ["a-controller", "job-controller"]),
        ("-cronjob-controller, *", ["a-controller", "job-controller"]),
        ("job,a-controller", ["a-controller", "job-controller"]),
        ("*,job,-job", ["a-controller", "cronjob-controller", "job-controller"]),
        ("-job", []),
    ],
)
def test_words_choose_controllers(words: str, names: list[str]) -> None:
    assert selected(words.split(","), KNOWN) == names


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownController, match='"cron" is no controller; there are: a-controller, cronjob'):
        selected(["*", "-cron"], KNOWN)


def test_the_table_is_known_by_the_short_names() -> None:
    assert "deployment-controller" not in selected(["*", "-deployment"], CONTROLLERS)
