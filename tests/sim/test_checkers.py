"""A checker that never fails proves nothing: with one rule of Raft left out, some seed breaks a promise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.sim import mutations
from tests.sim.world import run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("break_rule", "seed", "complaint"),
    [
        (mutations.votes_for_any_log, 0, "lacks committed"),
        (mutations.answers_before_saving, 78, "beyond the end"),
        (mutations.reads_without_asking, 23, "was answered before"),
        (mutations.reads_before_its_first_commit, 105, "was answered before"),
        (mutations.counts_one_of_two_as_a_majority, 0, "seed=0"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_broken_rule_is_noticed(
    break_rule: Callable[[Any], None], seed: int, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_rule(monkeypatch)
    with pytest.raises(AssertionError, match=complaint):
        run(seed)
