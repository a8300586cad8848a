"""Events in, as text; what goes to the server out.

events now=0 count=12 every=1s [reason=] [message=text-{i}] [object=]
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kube.client.event_correlator import EventCorrelator
from kube.client.events import make_event
from tests import datadriven

START = datetime(2030, 1, 1, tzinfo=UTC)


class Interpreter:
    def __init__(self) -> None:
        self.correlator = EventCorrelator()
        self.names: dict[str, str] = {}

    def handle(self, case: datadriven.Case) -> str:
        assert case.command == "events"
        lines = []
        at = float(case.option("now", "0"))
        for i in range(int(case.option("count", "1"))):
            now = START + timedelta(seconds=at)
            about = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": case.option("object", "p"), "namespace": "default", "uid": "u"},
            }
            message = case.option("message", "hello").replace("{i}", str(i))
            event = make_event(about, "Normal", case.option("reason", "R"), message, "tester", "", now)
            lines.append(f"{at:g}s {self._sent(event, now)}")
            at += float(case.option("every", "1"))
        return "\n".join(lines)

    def _sent(self, event: dict[str, object], now: datetime) -> str:
        correlated = self.correlator.correlate(event, now)
        if correlated is None:
            return "dropped"
        name = self.names.setdefault(correlated.event["metadata"]["name"], f"#{len(self.names) + 1}")
        if correlated.patch is None:
            return f"create {name}: {correlated.event['message']}"
        first = correlated.event["firstTimestamp"][11:19]
        patch = correlated.patch
        return f"patch {name}: x{patch['count']} since {first} {patch['message']}"


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parent / "testdata").glob("*.txt")), ids=lambda p: p.stem
)
def test_correlator(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, Interpreter().handle)
