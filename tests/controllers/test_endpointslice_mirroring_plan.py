"""Mirrored Endpoints as text: Endpoints in shorthand -> slices made, changed, deleted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from controllers.endpointslice_mirroring import plan as mirroring
from kube.api import meta
from kube.api.actions import Create
from kube.api.meta import Object
from kube.api.resources import ENDPOINTS
from tests import datadriven
from tests.controllers.rendering import render
from tests.controllers.test_plans import START, made

TESTDATA = Path(__file__).parent / "testdata" / "endpointslice_mirroring"


def addresses(ips: str) -> list[Object]:
    return [{"ip": ip} for ip in ips.split()]


def endpoints(short: dict[str, Any]) -> Object:
    subsets = [
        {
            "addresses": addresses(each.get("ready", "")),
            "notReadyAddresses": addresses(each.get("not_ready", "")),
            "ports": [{"port": port, "protocol": "TCP"} for port in each.get("ports", [80])],
        }
        for each in short.get("subsets", [])
    ]
    return made({**short, "name": "db"}, subsets=subsets)


def existing(short: dict[str, Any], of: Object) -> Object:
    labels = {mirroring.SERVICE_NAME: "db", mirroring.MANAGED_BY: mirroring.CONTROLLER}
    o = made(
        {"name": short["name"], "labels": labels},
        addressType=short.get("family", "IPv4"),
        ports=[{"name": "", "port": port, "protocol": "TCP"} for port in short.get("ports", [80])],
        endpoints=[
            {"addresses": [ip], "conditions": {"ready": True}} for ip in short.get("ready", "").split()
        ],
    )
    owner = {**of, "metadata": {**of["metadata"], "uid": short.get("owner", meta.uid(of))}}
    o["metadata"]["ownerReferences"] = [meta.owner_reference(owner, ENDPOINTS)]
    return o


def handle(case: datadriven.Case) -> str:
    short = yaml.safe_load(case.input)
    of = endpoints(short.get("endpoints") or {})
    slices = [existing(each, of) for each in short.get("slices", [])]
    service = made({"name": "db"}, spec=short["service"]) if "service" in short else None
    seen = mirroring.Seen(of if "endpoints" in short else None, service, slices)
    lines = []
    for action in mirroring.plan(seen, START):
        lines.append(render([action], {meta.uid(each): each for each in slices}))
        if isinstance(action, Create):
            o = action.object
            ready = {"ready": [], "not ready": []}
            for each in o["endpoints"]:
                ready["ready" if each["conditions"]["ready"] else "not ready"] += each["addresses"]
            ports = [port["port"] for port in o["ports"]]
            shown = {key: len(found) if len(found) > 9 else found for key, found in ready.items()}
            lines.append(f"    {o['addressType']} ports {ports} {shown}")
            lines.append(f"    labels {o['metadata']['labels']}")
    return "\n".join(lines) or "nothing"


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.txt")), ids=lambda path: path.stem)
def test_plan(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, handle)


def test_a_subset_is_cut_at_a_thousand() -> None:
    ips = " ".join(f"10.0.{i // 250}.{i % 250}" for i in range(1200))
    of = endpoints({"subsets": [{"ready": ips}]})
    [action] = mirroring.plan(mirroring.Seen(of, made({"name": "db"}, spec={}), []), START)
    assert isinstance(action, Create)
    assert len(action.object["endpoints"]) == 1000
