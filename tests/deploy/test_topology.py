"""topology.txt: what files mean, which mistakes are refused, and what the processes are told."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from deploy.layout import Layout
from deploy.processes import processes
from deploy.routes import wanted as wanted_routes
from deploy.state import topology_document
from deploy.topology import Topology, TopologyError, located, parse
from tests import datadriven

HERE = Path(__file__).parent


def handle(case: datadriven.Case) -> str:
    try:
        topology = parse(located(yaml.safe_load(case.input), Path("/topologies")))
    except TopologyError as error:
        return f"error: {error}"
    if case.command == "topology":
        return str(topology)
    base, number = int(case.option("base", "6440")), int(case.option("number", "0"))
    layout = Layout(Path("/data"), base, number, topology.network)
    if case.command == "routes":
        return "\n".join(map(str, wanted_routes(topology, layout))) or "none"
    wanted = [
        process for process in processes(topology, layout) if not case.args or process.name in case.args
    ]
    if case.command == "names":
        return "\n".join(f"{process.name} listens {process.listens}" for process in wanted)
    return "\n\n".join("\n".join([f"{p.name}: {p.module}", *(f"  {arg}" for arg in p.args)]) for p in wanted)


def test_topology_text(request: pytest.FixtureRequest) -> None:
    datadriven.run(HERE / "topology.txt", request, handle)


def topology(name: str) -> Topology:
    return parse(yaml.safe_load((HERE.parents[1] / "deploy" / name).read_text()))


def test_by_default_everything_may_be_killed_once() -> None:
    default = topology("topology.yaml")
    assert (default.etcd, default.apiserver, default.controller_manager, default.scheduler) == (3, 2, 2, 2)
    assert default.nodes == ("node1", "node2", "node3")


def test_the_small_topology_has_one_of_everything() -> None:
    small = topology("topology-small.yaml")
    assert (small.etcd, small.apiserver, small.controller_manager, small.scheduler) == (1, 1, 1, 1)
    assert small.nodes == ("node1",)


def test_the_nodes_of_a_fleet_are_numbered() -> None:
    fleet = topology("topology-fleet.yaml")
    assert (len(fleet.all_nodes), fleet.all_nodes[0], fleet.all_nodes[-1]) == (1000, "fleet-0", "fleet-999")


def test_a_fleet_is_remembered() -> None:
    fleet = topology("topology-fleet.yaml")
    assert parse(topology_document(fleet)) == fleet
