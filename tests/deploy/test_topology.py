"""topology.txt: what files mean, which mistakes are refused, and what the processes are told."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from deploy.layout import Layout
from deploy.processes import processes
from deploy.topology import TopologyError, parse
from tests import datadriven

HERE = Path(__file__).parent


def handle(case: datadriven.Case) -> str:
    try:
        topology = parse(yaml.safe_load(case.input))
    except TopologyError as error:
        return f"error: {error}"
    if case.command == "topology":
        return str(topology)
    layout = Layout(Path("/data"), int(case.option("base", "6440")), int(case.option("number", "0")))
    wanted = [
        process for process in processes(topology, layout) if not case.args or process.name in case.args
    ]
    if case.command == "names":
        return "\n".join(f"{process.name} listens {process.listens}" for process in wanted)
    return "\n\n".join("\n".join([f"{p.name}: {p.module}", *(f"  {arg}" for arg in p.args)]) for p in wanted)


def test_topology_text(request: pytest.FixtureRequest) -> None:
    datadriven.run(HERE / "topology.txt", request, handle)


def test_the_default_topology_is_that_of_the_issue() -> None:
    topology = parse(yaml.safe_load((HERE.parents[1] / "deploy" / "topology.yaml").read_text()))
    assert (topology.etcd, topology.apiserver, topology.nodes) == (3, 1, ("node1", "node2", "node3"))
