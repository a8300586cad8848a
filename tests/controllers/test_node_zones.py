"""How fast lost nodes are emptied, as text: who is let through when."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from controllers.node_lifecycle.taints import with_taints
from controllers.node_lifecycle.zones import ZONE, Gate, Rates, rate, state, zone_of
from kube.api import meta
from kube.api.meta import Object
from tests import datadriven
from tests.controllers.test_plans import START, made

HERE = Path(__file__).parent


def node(name: str, zone: str, ready: str) -> Object:
    status = {"conditions": [{"type": "Ready", "status": ready}]}
    return made({"name": name, "labels": {ZONE: zone}}, status=status)


def handle(case: datadriven.Case) -> str:
    """Input: zone: [ready, lost]. `looks` counts the seconds; all lost nodes ask each second."""
    zones = yaml.safe_load(case.input)
    rates = Rates(large_zone=int(case.option("large", "50")))
    nodes = [
        node(f"{zone}-{'ready' if i < ready else 'lost'}{i}", zone, "True" if i < ready else "Unknown")
        for zone, (ready, lost) in zones.items()
        for i in range(ready + lost)
    ]
    lines = [f"{zone}: {state(ready, lost, rates)}" for zone, (ready, lost) in zones.items()]
    gate = Gate()
    for second in range(int(case.option("seconds", "30"))):
        for each in nodes:
            if "lost" in meta.name(each) and not gate.is_through(each):
                allowed = rate(nodes, zone_of(each), rates)
                if gate.admit(each, allowed, START + timedelta(seconds=second)):
                    lines.append(f"at {second}: {meta.name(each)}")
    return "\n".join(lines)


def test_zones(request: pytest.FixtureRequest) -> None:
    datadriven.run(HERE / "testdata" / "node_zones" / "zones.txt", request, handle)


def test_a_node_that_came_back_waits_again() -> None:
    gate, lost = Gate(), node("n", "z", "Unknown")
    assert gate.admit(lost, 0.1, START)
    assert gate.is_through(lost)
    gate.close("n")
    assert not gate.is_through(lost)
    assert not gate.admit(lost, 0.1, START + timedelta(seconds=9))
    assert gate.admit(lost, 0.1, START + timedelta(seconds=10))


def test_a_node_that_waits_is_not_scheduled_to_and_one_that_is_emptied_stays_so() -> None:
    lost = node("n", "z", "Unknown")
    waiting = with_taints(lost, START, is_anyone_ready=True, may_be_emptied=False)
    assert [each["effect"] for each in waiting["spec"]["taints"]] == ["NoSchedule"]
    emptied = with_taints(lost, START, is_anyone_ready=True, may_be_emptied=True)
    assert [each["effect"] for each in emptied["spec"]["taints"]] == ["NoSchedule", "NoExecute"]
    assert with_taints(emptied, START, is_anyone_ready=True, may_be_emptied=False) == emptied
