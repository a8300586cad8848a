"""rules.txt: Services and EndpointSlices in, listeners and who stands behind them out."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from proxy.rules import Rules, build
from tests import datadriven

NODES = {"127.0.0.1": "", "127.16.0.1": "node1", "127.16.0.2": "node2"}


def show(rules: Rules) -> str:
    lines = []
    for listener, rule in rules.items():
        sticky = f" sticky {rule.affinity_seconds}s" if rule.affinity_seconds else ""
        backends = " ".join(map(str, rule.backends)) or "(nobody)"
        lines.append(f"{listener} {rule.service}{sticky} -> {backends}")
    return "\n".join(lines) or "nothing"


def handle(case: datadriven.Case) -> str:
    """`rules`: documents of Services and EndpointSlices, in which order does not matter."""
    objects = [each for each in yaml.safe_load_all(case.input) if each]
    services = [each for each in objects if "spec" in each]
    slices = [each for each in objects if "addressType" in each]
    rules = show(build(services, slices, NODES))
    assert rules == show(build(reversed(services), reversed(slices), NODES)), "the order of objects matters"
    return rules


def test_rules_text(request: pytest.FixtureRequest) -> None:
    datadriven.run(Path(__file__).parent / "rules.txt", request, handle)
