"""An API server, and a node that can be taken down and brought back."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from kube.api.resources import NODES, SERVICES
from kube.base.clock import Clock, SystemClock
from kube.base.tasks import Tasks
from kube.client.events import EventRecorder
from kube.client.informer import Informer
from kubelet.configuration import Configuration, Surface
from kubelet.doorkeeper import Doorkeeper
from kubelet.kubelet import Home, Kubelet
from kubelet.node_reporter import NodeReporter
from kubelet.node_status import NodeFacts
from kubelet.pod.backoff import Backoff
from kubelet.pod_worker import Node
from kubelet.runtime.fake import FakeRuntime
from kubelet.runtime.fake_records import Records
from kubelet.runtime.stages import Stages
from kubelet.static_pods import StaticPods
from kubelet.volumes.objects import PodObjects
from kubelet.volumes.tokens import Tokens
from kubelet.volumes.volumes import Place, Volumes
from tests.support.api_server import Api, serving
from tests.support.clocks import Moved
from tests.support.in_process import client_of
from tests.support.wait import until_async

QUICK = {"start_seconds": 0, "stop_seconds": 0, "pull_seconds": 0}
STAGES = Stages.parse(
    [
        {"name": "crash", "images": ["crash"], **QUICK, "exit_after_seconds": 0, "exit_code": 1},
        {"name": "once", "images": ["once"], **QUICK, "exit_after_seconds": 0, "log": ["done"]},
        {"name": "absent", "images": ["does-not-exist"], **QUICK, "pull_error": "nobody has it"},
        {"name": "run", "images": ["*"], **QUICK},
    ]
)
BACKOFF = Backoff(timedelta(seconds=0.5), timedelta(seconds=2))
FACTS = NodeFacts(
    name="n1",
    ip="127.31.0.9",
    port=10250,
    pod_cidr="127.239.99.0/24",
    machine="amd64",
    kernel="6",
    os_image="Linux",
    machine_id="m",
    boot_id="b",
    runtime="fake://1.0.0",
)


@dataclass
class TestNode:
    """A node's kubelet while it runs."""

    __test__ = False

    api: Api
    runtime: FakeRuntime
    kubelet: Kubelet
    reporter: NodeReporter
    pods_dir: Path
    volumes: Volumes
    tokens_clock: Moved
    telling: asyncio.Semaphore

    async def create(self, name: str, image: str = "run", **spec: Any) -> Any:
        """A pod that is on this node from the beginning."""
        containers = [{"name": "c", "image": image}]
        pod = {"metadata": {"name": name}, "spec": {"nodeName": "n1", "containers": containers, **spec}}
        return await self.api.ok("POST", "/api/v1/namespaces/default/pods", pod)

    async def get(self, name: str) -> Any:
        answer = await self.api("GET", f"/api/v1/namespaces/default/pods/{name}")
        return answer.json if answer.code == 200 else None

    async def wait(self, name: str, phase: str) -> Any:
        async def check() -> Any:
            pod = await self.get(name)
            return pod if pod and pod["status"]["phase"] == phase else None

        return await until_async(f"pod {name} is {phase}", check)

    async def wait_gone(self, name: str) -> None:
        async def check() -> bool:
            return await self.get(name) is None

        await until_async(f"pod {name} is gone", check)

    async def delete(self, name: str, **options: Any) -> None:
        await self.api.ok("DELETE", f"/api/v1/namespaces/default/pods/{name}", options or None)

    async def events(self, name: str, count: int) -> list[str]:
        """The reasons and messages of the first events of a pod, in the order of their making."""
        path = f"/api/v1/namespaces/default/events?fieldSelector=involvedObject.name={name}"

        async def check() -> list[str]:
            items = (await self.api.ok("GET", path))["items"]
            items.sort(key=lambda event: event["metadata"]["name"])
            return (
                [f"{event['reason']}: {event['message']}" for event in items] if len(items) >= count else []
            )

        return await until_async(f"{count} events of {name}", check)


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with serving() as running:
        # As a controller publishes it in each namespace: every pod mounts it.
        authority = {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": "authority"}}
        await running.ok("POST", "/api/v1/namespaces/default/configmaps", authority)
        yield running


@asynccontextmanager
async def running_node(
    api: Api,
    folder: Path,
    manifests: Path | None = None,
    clock: Clock | None = None,
    backoff: Backoff = BACKOFF,
) -> AsyncIterator[TestNode]:
    """A kubelet from start to stop; the folder is what it finds when it comes back; with static pods if there
    are manifests.
    """
    clock, ids = clock or SystemClock(), itertools.count(1)
    records = Records(folder)
    records.open()
    network = IPv4Network(FACTS.pod_cidr)
    runtime = FakeRuntime(STAGES, records, network, FACTS.ip, clock, lambda: f"{folder.name}-{next(ids)}")
    client = client_of(api, "kubelet")
    recorder = EventRecorder(client, "kubelet", FACTS.name)
    async with Tasks() as tasks:
        nodes = Informer(client, NODES)
        reporter = NodeReporter(FACTS, client, nodes, recorder, clock)
        door = Doorkeeper(client, recorder, clock, reporter.last_node)
        objects, services = PodObjects(client, tasks), Informer(client, SERVICES)
        pods_dir = folder / "pods"
        tokens_clock = Moved(clock)
        volumes = Volumes(
            Place(pods_dir, FACTS.ip, FACTS.allocatable),
            client,
            objects,
            clock,
            Tokens(client, tokens_clock),
        )
        surface = Surface(FACTS.ip, FACTS.allocatable)
        configuration = Configuration(surface, objects, services, volumes, pods_dir)
        node = Node(FACTS.ip, runtime, client, recorder, clock, pods_dir, volumes, configuration, backoff)
        kubelet = Kubelet({FACTS.name: Home(node, door)}, tasks)
        await runtime.start()
        tasks.start("events", recorder.run)
        tasks.start("informer nodes", nodes.run)
        if manifests is not None:
            static = StaticPods(manifests, FACTS.name, kubelet.mirrors, kubelet.start_static)
            static.look()
            tasks.start("static pods", static.run)
            tasks.start("node status", reporter.report)
        tasks.start("informer services", services.run)
        tasks.start("volumes", volumes.run)
        tasks.start("pods", kubelet.run)
        yield TestNode(api, runtime, kubelet, reporter, pods_dir, volumes, tokens_clock, node.telling)
        await tasks.cancel()
        await runtime.stop()
        await client.close()


@pytest.fixture
async def node(api: Api, tmp_path: Path) -> AsyncIterator[TestNode]:
    async with running_node(api, tmp_path) as running:
        yield running
