"""Disruption budgets as text: a budget and its pods in shorthand -> what it allows."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from controllers.disruption import plan as disruption
from controllers.disruption import stale
from controllers.disruption.plan import Scale
from kube.api import conditions, meta
from kube.api.meta import Object
from tests import datadriven
from tests.controllers.rendering import render
from tests.controllers.test_plans import START, made

TESTDATA = Path(__file__).parent / "testdata" / "disruption"


def ago(seconds: int) -> str:
    return meta.format_time(START - timedelta(seconds=seconds))


def pods_of(text: str) -> list[Object]:
    """`a+ b- c!` are a ready, an unready and a leaving pod."""
    found = []
    for word in text.split():
        ready = {"type": "Ready", "status": "False" if word.endswith("-") else "True"}
        status = {"phase": "Running", "conditions": [ready]}
        found.append(made({"name": word[:-1], "deleted": word.endswith("!")}, status=status))
    return found


def budget_case(short: dict[str, Any]) -> str:
    spec = {"selector": {"matchLabels": {"app": "web"}}, **short["spec"]}
    budget = made({"name": "web", "generation": 1}, spec=spec)
    pods = pods_of(short.get("pods", ""))
    scales = {
        meta.uid(pod): Scale("uid-rs", short.get("scale", 0), short.get("failure", ""))
        for pod in pods
        if meta.name(pod) not in short.get("unmanaged", [])
    }
    noted = {name: ago(seconds) for name, seconds in short.get("disrupted", {}).items()}
    if noted:
        budget["status"] = {"disruptedPods": noted}
    lines = render(disruption.plan(disruption.Seen(budget, pods, scales), START), {meta.uid(budget): budget})
    if short.get("settled"):
        for action in disruption.plan(disruption.Seen(budget, pods, scales), START):
            budget = getattr(action, "object", budget)
        again = disruption.plan(disruption.Seen(budget, pods, scales), START + timedelta(seconds=9))
        lines += "\nand again: " + render(again, {meta.uid(budget): budget})
    return lines


def stale_case(short: dict[str, Any]) -> str:
    reason = short.get("reason", "EvictionByEvictionAPI")
    mark = {"type": stale.CONDITION, "status": "True", "reason": reason, "message": "evicting"}
    since = START - timedelta(seconds=short.get("marked", 0))
    status = {"phase": short.get("phase", "Running"), "conditions": conditions.set_condition([], mark, since)}
    pod = made({"name": "a", "deleted": short.get("deleted")}, status=status)
    seen = stale.Seen(pod, short.get("budgets", []))
    return render(stale.plan(seen, START), {meta.uid(pod): pod})


def handle(case: datadriven.Case) -> str:
    return {"budget": budget_case, "stale": stale_case}[case.command](yaml.safe_load(case.input))


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.txt")), ids=lambda path: path.stem)
def test_plan(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, handle)
