"""One kubelet process that plays many nodes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import IPv4Network
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from kube.api import conditions
from kube.api.resources import NODES as NODE_OBJECTS
from kube.api.resources import SERVICES
from kube.base.clock import SystemClock
from kube.base.tasks import Tasks
from kube.client.events import EventRecorder
from kube.client.informer import Informer
from kubelet import fleet
from kubelet.configuration import Configuration, Surface
from kubelet.doorkeeper import Doorkeeper
from kubelet.fleet import Fleet, Member
from kubelet.kubelet import Home, Kubelet
from kubelet.node_reporter import NodeReporter
from kubelet.pod_worker import Node
from kubelet.runtime.fake import FakeRuntime
from kubelet.runtime.fake_records import Records
from kubelet.volumes.interface import NoVolumes
from kubelet.volumes.objects import PodObjects
from tests.kubelet.conftest import FACTS, STAGES
from tests.support.api_server import Api
from tests.support.in_process import client_of
from tests.support.wait import until_async

NODES = fleet.names("f", 50)
NETWORKS = fleet.networks(IPv4Network("127.112.0.0/14"), NODES)
PODS = "/api/v1/namespaces/default/pods"


def test_each_node_has_a_part_of_the_network() -> None:
    assert (NODES[0], NODES[-1], fleet.names("n", None)) == ("f-0", "f-49", ["n"])
    assert (str(NETWORKS["f-0"]), str(NETWORKS["f-49"])) == ("127.112.0.0/24", "127.112.49.0/24")
    with pytest.raises(ValueError, match="too small for 3 nodes"):
        fleet.networks(IPv4Network("10.0.0.0/23"), ["a", "b", "c"])


def members(node: Node, nodes: Informer) -> dict[str, Member]:
    found = {}
    for name in NODES:
        facts = replace(FACTS, name=name, pod_cidr=str(NETWORKS[name]))
        recorder = node.recorder.on(name)
        reporter = NodeReporter(facts, node.client, nodes, recorder, node.clock, has_events=False)
        door = Doorkeeper(node.client, recorder, node.clock, reporter.last_node)
        found[name] = Member(Home(replace(node, recorder=recorder), door), reporter)
    return found


def pod_on(node: str, index: int) -> Any:
    spec = {"nodeName": node, "containers": [{"name": "c", "image": "run"}]}
    return {"metadata": {"name": f"p{index}"}, "spec": spec}


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def pods(api: Api, phase: str) -> list[Any]:
    items = (await api.ok("GET", PODS))["items"]
    return [pod for pod in items if (pod.get("status") or {}).get("phase") == phase]


async def test_fifty_nodes_register_and_run_their_pods(api: Api, tmp_path: Path) -> None:
    clock, ids, records = SystemClock(), count(1), Records(tmp_path / "fake", is_kept=False)
    records.open()
    network = IPv4Network("127.112.0.0/14")
    runtime = FakeRuntime(STAGES, records, network, FACTS.ip, clock, lambda: f"id-{next(ids)}", NETWORKS)
    client = client_of(api, "kubelet")
    async with Tasks() as tasks:
        objects, services, volumes = PodObjects(client, tasks), Informer(client, SERVICES), NoVolumes()
        surface = Surface(FACTS.ip, FACTS.allocatable, has_files=False)
        configuration = Configuration(surface, objects, services, volumes, tmp_path / "pods")
        recorder = EventRecorder(client, "kubelet")
        node = Node(FACTS.ip, runtime, client, recorder, clock, None, volumes, configuration)
        informer = Informer(client, NODE_OBJECTS)
        tasks.start("nodes", informer.run)
        nodes = Fleet(members(node, informer), 0.1)
        kubelet = Kubelet(nodes.homes, tasks)
        assert nodes.missing() == "50 nodes are not registered"
        tasks.start("events", recorder.run)
        tasks.start("services", services.run)
        tasks.start("pods", kubelet.run)
        await nodes.start(tasks)
        assert nodes.missing() is None
        listed = (await api.ok("GET", "/api/v1/nodes"))["items"]
        assert len([each for each in listed if conditions.is_true(each, "Ready")]) == 50
        places = [*NODES, "f-7", "stranger"]
        await asyncio.gather(*(api.ok("POST", PODS, pod_on(place, i)) for i, place in enumerate(places)))

        async def all_run() -> list[Any]:
            running = await pods(api, "Running")
            return running if len(running) == 51 else []

        for pod in await until_async("all pods run", all_run):
            address, name = pod["status"]["podIP"], pod["spec"]["nodeName"]
            assert address.startswith(f"127.112.{name.removeprefix('f-')}.")
        assert files_below(tmp_path) == []
        await api.ok("DELETE", PODS)

        async def all_gone() -> bool:
            return not await pods(api, "Running")

        await until_async("all pods are gone", all_gone)
        assert await until_async("nothing runs", lambda: not runtime.list_sandboxes())
        await tasks.cancel()
        await client.close()
