"""The lessor told as text: testdata/*.txt.

grant ID TTL / revoke ID / attach ID KEY / detach ID KEY            promote [extend=] / demote / restart
renew ID / remaining ID / expired / list, each `at t=SECONDS`, or at the time of the line before
"""

from __future__ import annotations

from pathlib import Path

import pytest

from etcdlite.lease.lessor import Lessor
from etcdlite.mvcc.backend import MemoryBackend
from tests import datadriven

TESTDATA = Path(__file__).parent / "testdata"


class World:
    """A lessor and a clock that moves when told."""

    def __init__(self) -> None:
        self.rows = MemoryBackend()
        self.lessor = Lessor(self.rows)
        self.now = 0.0

    def handle(self, case: datadriven.Case) -> str:
        self.now = float(case.option("t", str(self.now)))
        numbers = [int(word) for word in case.args if word.lstrip("-").isdigit()]
        match case.command:
            case "grant":
                refusal = self.lessor.grant(*numbers)
                return refusal.text if refusal else "granted"
            case "revoke":
                self.lessor.revoke(*numbers)
            case "attach" | "detach":
                getattr(self.lessor, case.command)(numbers[0], case.args[1].encode())
                return " ".join(key.decode() for key in self.lessor.keys(numbers[0]))
            case "promote":
                self.lessor.promote(self.now, float(case.option("extend", "1")))
            case "demote":
                self.lessor.demote()
            case "restart":
                self.lessor = Lessor(self.rows)
            case "renew":
                return str(self.lessor.renew(numbers[0], self.now))
            case "remaining":
                return str(self.lessor.remaining(numbers[0], self.now))
            case "expired":
                return str(self.lessor.expired(self.now, *numbers))
            case "list":
                pass
            case unknown:
                raise ValueError(unknown)
        return "\n".join(
            f"{lease.id} ttl={lease.ttl} deadline={lease.deadline}" for lease in self.lessor.by_deadline()
        )


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.txt")), ids=lambda path: path.stem)
def test_text(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, World().handle)
