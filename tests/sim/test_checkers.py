"""A checker that never fails proves nothing: with one rule left out, some seed breaks a promise.

tests/sim/track_record.md lists what was planted, and who noticed.
"""

from __future__ import annotations

import re
import traceback
from pathlib import Path

import pytest

from tests.sim.mutations import MUTATIONS, Mutation
from tests.sim.world import run

SEEDS_MAX = 60
RECORD = Path(__file__).parent / "track_record.md"


def name_of(mutation: Mutation) -> str:
    return mutation.plant.__name__


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS, ids=name_of)
def test_a_planted_bug_is_noticed(mutation: Mutation) -> None:
    """On its seed; or, once the store has changed and with it what a seed brings, on one soon after."""
    complaints = []
    with pytest.MonkeyPatch.context() as patch:
        mutation.plant(patch)
        for seed in range(mutation.seed, mutation.seed + SEEDS_MAX):
            try:
                run(seed, **mutation.faults)
            except AssertionError as error:
                complaints.append(f"{complaining(error)}: {error}")
                if complaining(error) == mutation.checker and re.search(mutation.complaint, str(error)):
                    break
        else:
            pytest.fail(f"nobody noticed, but {complaints}")


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS, ids=name_of)
def test_the_same_run_passes_without_the_bug(mutation: Mutation) -> None:
    run(mutation.seed, **mutation.faults)


def complaining(error: BaseException) -> str:
    """The checker that asserts, or else the module that raises."""
    while error.__cause__ is not None or isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__
    files = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    checkers = [path.stem for path in files if path.parent.name == "checkers"]
    return checkers[0] if checkers else files[-1].stem


@pytest.mark.parametrize("mutation", MUTATIONS, ids=name_of)
def test_the_record_tells_of_each_planted_bug(mutation: Mutation) -> None:
    row = f"| `{name_of(mutation)}` | {mutation.where} | {mutation.checker} | {mutation.seed} |"
    assert row in RECORD.read_text()
