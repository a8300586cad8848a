"""Text tests of what a node says of itself: `allocatable`, `pressures` of amounts; `report` is a round of the
reporter: the Events and what the status has become.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubelet import node_capacity, node_flags, node_status
from kubelet.node_status import Condition
from kubelet.runtime.interface import Image
from kubelet.stats.usage import Amounts, Disk, NodeUsage
from tests import datadriven
from tests.datadriven import Case
from tests.kubelet.conftest import FACTS

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)
FILES = sorted((Path(__file__).parent / "testdata" / "node").glob("*.txt"))


class World:
    def __init__(self) -> None:
        self.node: dict[str, Any] = {}

    def handle(self, case: Case) -> str:
        try:
            return str(getattr(self, case.command)(case))
        except ValueError as error:
            return f"error: {error}"

    def allocatable(self, case: Case) -> str:
        capacity, *reserved = (node_capacity.parse_amounts(each) for each in case.input.splitlines())
        kept = node_capacity.parse_thresholds(case.args[0] if case.args else "")
        left = node_capacity.allocatable(capacity, reserved, kept)
        return ",".join(f"{name}={amount}" for name, amount in left.items())

    def pressures(self, case: Case) -> str:
        usage = NodeUsage(
            Amounts(EPOCH, 0, int(case.option("used", "0"))),
            EPOCH,
            1000,
            Disk(1000, int(case.option("space", "1000")), 100, int(case.option("inodes", "100"))),
            int(case.option("pids", "0")),
            50,
        )
        thresholds = node_capacity.parse_thresholds(case.args[0])
        return ",".join(sorted(node_capacity.pressures(usage, thresholds))) or "none"

    def labels(self, case: Case) -> str:
        return str(node_flags.parse_labels(case.input))

    def taints(self, case: Case) -> str:
        return str(node_flags.parse_taints(case.input))

    def register(self, case: Case) -> str:
        facts = replace(FACTS, own_labels={"a": "b"}, taints=node_flags.parse_taints("k=v:NoSchedule"))
        self.node = node_status.new_node(facts)
        return yaml.safe_dump(self.node, sort_keys=False)

    def report(self, case: Case) -> str:
        images = [Image(f"id{size}", [f"i:{size}"] * 7, int(size)) for size in case.args]
        fares = Condition(
            case.options.get("problem"), case.option("low", "").split(","), images if case.args else []
        )
        now = EPOCH + timedelta(seconds=float(case.option("now", "0")))
        patch = node_status.status_patch(FACTS, self.node, now, fares)
        events = node_status.transitions(self.node, patch)
        is_news = node_status.is_news(self.node, patch)
        self.node = {**self.node, "status": patch["status"]}
        lines = [f"news: {is_news}", *(f"event: {reason}" for reason in events)]
        for each in patch["status"]["conditions"]:
            since = each["lastTransitionTime"][14:19]
            lines.append(f"{each['type']} {each['status']} since {since} {each['reason']}: {each['message']}")
        shown = [f"{each['sizeBytes']} x{len(each['names'])}" for each in patch["status"].get("images", ())]
        return "\n".join([*lines, f"images: {', '.join(shown)}"]).rstrip()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_text(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, World().handle)
