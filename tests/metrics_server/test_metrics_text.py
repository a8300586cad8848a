"""Text tests of metrics.k8s.io: `first` and `second` are two answers of a kubelet, `show` what was used
between them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from kube.api import meta
from kube.api.table import Table
from metrics_server import objects, samples, usage
from metrics_server.answers import PRINTER
from metrics_server.samples import Reading
from metrics_server.usage import Measured
from tests import datadriven
from tests.datadriven import Case

NOW = datetime(2030, 1, 1, tzinfo=UTC)
FOLDER = Path(__file__).parent / "testdata"


class World:
    def __init__(self) -> None:
        self.readings: list[Reading | None] = [None, None]

    def handle(self, case: Case) -> str:
        return str(getattr(self, case.command)(case))

    def first(self, case: Case) -> str:
        self.readings = [samples.parse(case.input) if case.input else None, None]
        return ""

    def second(self, case: Case) -> str:
        self.readings[1] = samples.parse(case.input)
        return ""

    def show(self, case: Case) -> str:
        """The objects of nodes and pods; as rows, if that is said. pod=node says where a pod is."""
        measured = Measured()
        second = self.readings[1]
        assert second is not None
        nodes = [each for each in case.args if each != "rows"]
        places = {f"default/{pod}": node for pod, node in case.options.items()}
        usage.measure(measured, nodes, self.readings[0], second, places)
        found = [objects.node_metrics(name, {}, each, NOW) for name, each in measured.nodes.items()]
        pods = [
            objects.pod_metrics(*meta.split_key(key), {"a": "b"}, each, NOW)
            for key, each in measured.pods.items()
        ]
        if "rows" in case.args:
            tables = (Table(PRINTER, NOW).of(found, {}), Table(PRINTER, NOW).of(pods, {}))
            return "\n".join(str(row["cells"]) for table in tables for row in table["rows"])
        return "\n".join(yaml.safe_dump(o, sort_keys=False, default_flow_style=None) for o in (*found, *pods))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_text(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, World().handle)
