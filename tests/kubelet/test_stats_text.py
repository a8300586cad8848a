"""Text tests of the stats cores: `container` adds one, `resource` and `summary` show all; `read` is a
reading of a counter.

Times are seconds after 2030-01-01T00:00:00Z.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from kubelet.stats import resource_metrics, summary
from kubelet.stats.rates import Rates
from kubelet.stats.usage import Amounts, ContainerUsage, Disk, NodeUsage, PodUsage, Snapshot
from tests import datadriven
from tests.datadriven import Case

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)
FILES = sorted((Path(__file__).parent / "testdata" / "stats").glob("*.txt"))


def at(seconds: str) -> datetime:
    return EPOCH + timedelta(seconds=float(seconds))


def amounts(options: Mapping[str, str]) -> Amounts:
    rate = int(options["rate"]) if "rate" in options else None
    return Amounts(at(options["at"]), int(options["cpu"]), int(options.get("memory", 0)), rate)


class World:
    def __init__(self) -> None:
        self.node = NodeUsage(Amounts(EPOCH, 0, 0))
        self.pods: dict[str, list[ContainerUsage]] = {}
        self.rates = Rates()

    def handle(self, case: Case) -> str:
        return str(getattr(self, case.command)(case))

    def machine(self, case: Case) -> str:
        """A node that is a whole machine."""
        self.node = NodeUsage(amounts(case.options), EPOCH, 8000, Disk(1000, 400, 50, 20), 7, 99)
        return ""

    def container(self, case: Case) -> str:
        pod, name = case.args
        started = at(case.options["started"]) if "started" in case.options else None
        files = int(case.option("files", "0"))
        self.pods.setdefault(pod, []).append(ContainerUsage(name, started, amounts(case.options), files))
        return ""

    def snapshot(self, errors: bool = False) -> Snapshot:
        pods = [PodUsage("default", name, f"uid-{name}", EPOCH, each) for name, each in self.pods.items()]
        return Snapshot(self.node, pods, errors)

    def resource(self, case: Case) -> str:
        return resource_metrics.text(self.snapshot("errors" in case.args)).rstrip("\n")

    def summary(self, case: Case) -> str:
        document = summary.document("n1", self.snapshot())
        if "short" in case.args:
            document = summary.only_cpu_and_memory(document)
        return yaml.safe_dump(document, sort_keys=False).rstrip("\n")

    def read(self, case: Case) -> str:
        """The rate that a reading gives, and what all counters have counted."""
        reading = self.rates.read(case.args[0], amounts(case.options))
        return f"rate={reading.nano_cores} spent={self.rates.spent}"

    def keep(self, case: Case) -> str:
        self.rates.keep(set(case.args))
        return f"spent={self.rates.spent}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_text(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, World().handle)
