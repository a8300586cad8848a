"""Text tests of probes: what their results make of a container. Times are seconds after its start."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from kubelet.pod.probes import Outcome, Probes
from tests import datadriven
from tests.datadriven import Case

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)


class World:
    def __init__(self) -> None:
        self.probes = Probes({}, EPOCH, ready=False, started=False)

    def handle(self, case: Case) -> str:
        return str(getattr(self, case.command)(case))

    def container(self, case: Case) -> str:
        """A container that has just started; with `ready` and `started` as an earlier kubelet said."""
        ready, started = (case.option(name, "false") == "true" for name in ("ready", "started"))
        self.probes = Probes(yaml.safe_load(case.input), EPOCH, ready=ready, started=started)
        return self.health(case)

    def health(self, _: Case) -> str:
        health = self.probes.health()
        words = [word for word, holds in (("started", health.started), ("ready", health.ready)) if holds]
        return " ".join(words) + (f"; {health.failed} failed" if health.failed else "") or "nothing"

    def next(self, _: Case) -> str:
        at = self.probes.next_at()
        return "never" if at is None else f"at {(at - EPOCH).total_seconds():g}"

    def due(self, case: Case) -> str:
        return " ".join(probe.kind for probe in self.probes.due(_now(case))) or "nothing"

    def take(self, case: Case) -> str:
        """`take KIND OUTCOME`: what is known then, marked where it is news."""
        kind, outcome = case.args
        probe = next(each for each in self.probes.due(_now(case)) if each.kind == kind)
        is_news = probe.take(Outcome(outcome), _now(case))
        return f"{self.health(case)}{' (news)' if is_news else ''}"


def _now(case: Case) -> datetime:
    return EPOCH + timedelta(seconds=float(case.options["now"]))


def test_probes_text(request: pytest.FixtureRequest) -> None:
    datadriven.run(Path(__file__).parent / "testdata" / "probes" / "probes.txt", request, World().handle)
