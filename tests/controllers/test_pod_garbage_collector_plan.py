"""Pods that nobody will end, and too many that have ended, as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from controllers.pod_garbage_collector import plan as stuck
from controllers.pod_garbage_collector import terminated
from kube.api import meta
from kube.api.meta import Object
from tests import datadriven
from tests.controllers.rendering import render
from tests.controllers.test_plans import START, made, pod

TESTDATA = Path(__file__).parent / "testdata" / "pod_garbage_collector"


def stuck_case(short: dict[str, Any]) -> str:
    of = pod({"name": "a", **short["pod"]})
    node: Object | None = None
    if "node" in short["pod"]:
        taints = [{"key": key, "effect": "NoExecute"} for key in short.get("taints", [])]
        ready = {"type": "Ready", "status": short.get("ready", "Unknown")}
        node = made({"name": "n1"}, spec={"taints": taints}, status={"conditions": [ready]})
    if not stuck.is_stuck(of, node):
        return "not stuck"
    return render(stuck.plan(stuck.Seen(of, None, is_gone=False), START), {meta.uid(of): of})


def terminated_case(short: dict[str, Any]) -> str:
    found = []
    for word in short["pods"].split():
        name, age = word.rstrip("e!").split(":")
        status = {"phase": "Failed", **({"reason": "Evicted"} if word.endswith("e") else {})}
        of = made({"name": name, "age": int(age), "deleted": word.endswith("!")}, status=status)
        if word.endswith("!"):
            of["metadata"]["deletionGracePeriodSeconds"] = 0
        found.append(of)
    return render(terminated.plan(terminated.Seen(found, short["threshold"])), {})


def handle(case: datadriven.Case) -> str:
    return {"stuck": stuck_case, "terminated": terminated_case}[case.command](yaml.safe_load(case.input))


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.txt")), ids=lambda path: path.stem)
def test_plan(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, handle)
