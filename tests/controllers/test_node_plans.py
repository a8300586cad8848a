"""Nodes lost and found, as text: what is seen (in shorthand) + now -> what is done. Time starts at 0."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from controllers.node_lifecycle import plan as node_lifecycle
from controllers.node_lifecycle.heartbeat import Heartbeat, listen
from controllers.pod_garbage_collector import plan as pod_garbage_collector
from controllers.taint_eviction import plan as taint_eviction
from kube.api import meta
from kube.api.actions import Action
from kube.api.meta import Object
from tests import datadriven
from tests.controllers.rendering import render
from tests.controllers.test_plans import START, made, pod

TESTDATA = Path(__file__).parent / "testdata" / "nodes"
PREFIX = "node.kubernetes.io/"
GRACE = timedelta(seconds=50)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def node(short: dict[str, Any]) -> Object:
    """A node n1: ready and pressure are statuses of its conditions, taints are `key effect`."""
    spec: Object = {"unschedulable": True} if short.get("unschedulable") else {}
    if "taints" in short:
        spec["taints"] = [taint(each) for each in short["taints"]]
    since = meta.format_time(START)
    conditions = [
        {"type": kind, "status": short.get(key, "False"), "reason": "R", "message": "M"}
        for kind, key in (("Ready", "ready"), ("MemoryPressure", "pressure"))
        if "ready" in short
    ]
    if short.get("ready") == "Unknown":
        rest = ("MemoryPressure", "DiskPressure", "PIDPressure")
        conditions = conditions[:1] + [{**conditions[0], "type": kind} for kind in rest]
    status = {"conditions": [{**each, "lastTransitionTime": since} for each in conditions]}
    return made({"name": "n1"}, spec=spec, status=status)


def taint(text: str) -> Object:
    key, _, effect = text.partition(" ")
    return {"key": key if "/" in key else PREFIX + key, "effect": effect or "NoExecute"}


def plan_nodelifecycle(seen: dict[str, Any], now: datetime) -> tuple[list[Action], list[Object]]:
    of = node(seen["node"])
    pods = [pod(each) for each in seen.get("pods", [])]
    heartbeat = Heartbeat(("", "", ""), at(seen.get("heard", 0)), now)
    found = node_lifecycle.Seen(of, heartbeat, pods, seen.get("new", False), seen.get("anyone_ready", True))
    return node_lifecycle.plan(found, now), [of, *pods]


def plan_tainteviction(seen: dict[str, Any], now: datetime) -> tuple[list[Action], list[Object]]:
    of = pod({"name": "a", "node": "n1"})
    of["spec"]["tolerations"] = [
        {**each, "key": PREFIX + each["key"]} if "key" in each else each
        for each in seen.get("tolerations", [])
    ]
    if seen.get("marked"):
        of["status"]["conditions"] = [taint_eviction.CONDITION]
    since = at(seen["since"]) if "since" in seen else None
    taints = [taint(each) for each in seen.get("taints", [])]
    return taint_eviction.plan(taint_eviction.Seen(of, taints, since), now), [of]


def plan_podgc(seen: dict[str, Any], now: datetime) -> tuple[list[Action], list[Object]]:
    of = pod(seen["pod"])
    if "grace" in seen:
        of["metadata"]["deletionGracePeriodSeconds"] = seen["grace"]
    found = pod_garbage_collector.Seen(of, START, seen.get("gone", False))
    return pod_garbage_collector.plan(found, now), [of]


def listened(looks: list[list[Any]]) -> str:
    """Since when a node counts as silent, look by look."""
    lines, heartbeat = [], None
    for look in looks:
        seconds, renewed, reported, name = look + ["h1", "n1"][len(look) - 2 :]
        status = {"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": reported}]}
        of = made({"name": name}, status=status)
        heartbeat = listen(heartbeat, of, {"spec": {"renewTime": renewed}}, at(seconds), GRACE / 2)
        lines.append(f"at {seconds}: since {(heartbeat.heard_at - START).total_seconds():g}")
    return "\n".join(lines)


def handle(case: datadriven.Case) -> str:
    seen = yaml.safe_load(case.input)
    if case.command == "heartbeat":
        return listened(seen)
    actions, known = globals()[f"plan_{case.command}"](seen, at(float(case.option("now", "0"))))
    return render(actions, {meta.uid(each): each for each in known})


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.txt")), ids=lambda path: path.stem)
def test_plan(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, handle)
