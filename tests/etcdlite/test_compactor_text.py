"""The compactor told as text: testdata/compactor_*.txt.

periodic SECONDS revision= / revisions COUNT      from now on this one is asked, beginning at t=0
wake TIMES revision= [grows=] [follower] [fail]   asked so many times, an interval apart; the store grows
"""

from __future__ import annotations

from pathlib import Path

import pytest

from etcdlite.compactor import Compactor, Periodic, Revisions
from tests import datadriven

TESTDATA = Path(__file__).parent / "testdata"


class World:
    """A compactor, a clock, and a store that grows."""

    compactor: Compactor

    def __init__(self) -> None:
        self.now = 0.0
        self.revision = 1

    def handle(self, case: datadriven.Case) -> str:
        self.revision = int(case.option("revision", str(self.revision)))
        match case.command:
            case "periodic":
                self.now, self.compactor = 0.0, Periodic(float(case.args[0]), 0.0, self.revision)
                return f"every {self.compactor.interval_seconds:g} s"
            case "revisions":
                self.now, self.compactor = 0.0, Revisions(int(case.args[0]))
                return f"every {self.compactor.interval_seconds:g} s"
            case "wake":
                lines = [self.wake(case) for _ in range(int(case.args[0]))]
                return "\n".join(line for line in lines if line) or "nothing"
        raise ValueError(case.command)

    def wake(self, case: datadriven.Case) -> str:
        self.now += self.compactor.interval_seconds
        self.revision += int(case.option("grows", "0"))
        due = self.compactor.due(self.now, self.revision, "follower" not in case.args)
        if due is None:
            return ""
        if "fail" not in case.args:
            self.compactor.done(self.now, due)
        return f"t={self.now:g}: to {due}, of {self.revision}"


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("compactor_*.txt")), ids=lambda path: path.stem)
def test_text(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, World().handle)
