"""A day of pods on one node, in virtual time: whatever becomes of them, nothing of them is left."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from ipaddress import IPv4Network
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from kube.api import errors, meta
from kube.api.resources import EVENTS, PODS, SERVICES, Resource
from kube.client.events import EventRecorder
from kube.client.informer import Informer
from kubelet.configuration import Configuration, Surface
from kubelet.pod_worker import Node, PodWorker
from kubelet.runtime.fake import FakeRuntime
from kubelet.runtime.fake_records import Records
from kubelet.runtime.interface import SandboxConfig
from kubelet.runtime.stages import Stages
from kubelet.volumes.interface import NoVolumes
from tests.kubelet.conftest import FACTS
from tests.support.virtual_time import LoopClock, virtual_time

DAY = 24 * 3600.0
PAUSE_SECONDS = 120.0
STAGES = Stages.parse(
    [
        {"name": "absent", "images": ["absent"], "pull_error": "nobody has {image}"},
        {"name": "crash", "images": ["crash"], "exit_after_seconds": 3, "exit_code": 1},
        {"name": "once", "images": ["once"], "exit_after_seconds": 20},
        {"name": "stubborn", "images": ["stubborn"], "stop_seconds": 86400},
        {"name": "sick", "images": ["sick"], "probes": {"liveness": {"until": 100}}},
        {"name": "run", "images": ["*"]},
    ]
)
FAILS = {"exec": {"command": ["false"]}}
SPECS: tuple[dict[str, Any], ...] = (
    {"image": "run"},
    {"image": "run", "readinessProbe": FAILS},
    {"image": "run", "livenessProbe": {**FAILS, "periodSeconds": 5}},
    {"image": "run", "startupProbe": {**FAILS, "failureThreshold": 2}},
    {"image": "run", "lifecycle": {"postStart": FAILS}},
    {"image": "run", "lifecycle": {"preStop": {"sleep": {"seconds": 7}}}},
    {"image": "run", "command": ["sh", "-c", "while true; do sleep 30; echo tick; done"]},
    {"image": "run", "command": ["sh", "-c", "sleep 40; exit 2"]},
    {"image": "sick", "livenessProbe": {**FAILS, "periodSeconds": 10}},
    {"image": "absent"},
    {"image": "crash"},
    {"image": "once"},
    {"image": "stubborn"},
)


REASONS = {
    "BackOff",
    "Created",
    "Failed",
    "FailedPostStartHook",
    "Killing",
    "Pulled",
    "Started",
    "Unhealthy",
}


class Cluster:
    """The objects of a node in virtual time, where no socket can be: what its workers write is what they see.

    It hands each change to the pod's worker, as the informer does.
    """

    def __init__(self) -> None:
        self.pods: dict[str, Any] = {}
        self.workers: dict[str, PodWorker] = {}
        self.phases: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self._versions = count(1)

    async def list(self, *_: Any, **__: Any) -> Any:
        return {"metadata": {"resourceVersion": "1"}, "items": []}

    async def watch(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        await asyncio.Event().wait()
        yield

    async def create(self, resource: Resource, event: Any) -> Any:
        assert resource is EVENTS
        self.reasons[event["reason"]] += 1
        return event

    async def patch(self, resource: Resource, space: str, name: str, patch: Any, *_: Any, **__: Any) -> Any:
        if resource is EVENTS:
            return {}
        pod = self._find(f"{space}/{name}")
        if patch["metadata"]["resourceVersion"] != meta.resource_version(pod):
            raise errors.conflict(PODS, name)
        written = {key: value for key, value in patch["status"].items() if not key.startswith("$")}
        self.phases[written["phase"]] += 1
        self.write({**pod, "status": {**pod.get("status", {}), **written}})
        return self.pods[f"{space}/{name}"]

    async def delete(
        self, _: Resource, space: str, name: str, *, uid: str, grace_period_seconds: int
    ) -> None:
        pod = self._find(f"{space}/{name}")
        assert (meta.uid(pod), grace_period_seconds) == (uid, 0)
        del self.pods[f"{space}/{name}"]
        self.workers[uid].delete(pod)

    def ask_to_end(self, key: str, grace: int) -> None:
        """What `kubectl delete` leaves the kubelet to do; an end by force takes the object at once."""
        pod = self.pods[key]
        metadata = {"deletionTimestamp": "now", "deletionGracePeriodSeconds": grace}
        if grace:
            self.write({**pod, "metadata": {**pod["metadata"], **metadata}})
        else:
            del self.pods[key]
            self.workers[meta.uid(pod)].delete(pod)

    def _find(self, key: str) -> Any:
        if key not in self.pods:
            raise errors.not_found(PODS, key)
        return self.pods[key]

    def write(self, pod: Any) -> None:
        written = {**pod, "metadata": {**pod["metadata"], "resourceVersion": str(next(self._versions))}}
        self.pods[meta.key(pod)] = written
        if meta.uid(pod) in self.workers:
            self.workers[meta.uid(pod)].update(written)


def new_pod(number: int, chance: random.Random) -> Any:
    containers = [{"name": f"c{each}", **chance.choice(SPECS)} for each in range(chance.choice((1, 1, 2)))]
    spec: dict[str, Any] = {
        "containers": containers,
        "restartPolicy": chance.choice(("Always", "OnFailure", "Never")),
        "terminationGracePeriodSeconds": chance.choice((0, 1, 30)),
    }
    if chance.random() < 0.3:
        spec["initContainers"] = [{"name": "i", "image": chance.choice(("once", "crash", "once"))}]
    if chance.random() < 0.2:
        sidecar = {"name": "s", "image": "run", "restartPolicy": "Always"}
        spec["initContainers"] = [*spec.get("initContainers", ()), sidecar]
    if chance.random() < 0.2:
        spec["activeDeadlineSeconds"] = 90
    metadata = {"name": f"p{number}", "namespace": "default", "uid": f"uid-{number}"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


async def live_and_die(node: Node, cluster: Cluster, pod: Any, chance: random.Random) -> None:
    """One pod from its creation to the end of its worker."""
    cluster.write(pod)
    worker = PodWorker(node, cluster.pods[meta.key(pod)])
    cluster.workers[meta.uid(pod)] = worker
    working = asyncio.ensure_future(worker.run())
    await asyncio.sleep(chance.choice((0.0, 0.3, 5.0, 100.0, 3000.0)))
    for grace in chance.choice(((30,), (30, 2), (0,), (1,))):
        if meta.key(pod) in cluster.pods:
            cluster.ask_to_end(meta.key(pod), grace)
        await asyncio.sleep(1)
    await working
    del cluster.workers[meta.uid(pod)]


@virtual_time
async def _a_day(folder: Path, seed: int) -> None:
    chance, clock, ids = random.Random(seed), LoopClock(), count(1)
    cluster, records = Cluster(), Records(folder / "fake")
    records.open()
    network = IPv4Network("10.1.0.0/24")
    runtime = FakeRuntime(STAGES, records, network, FACTS.ip, clock, lambda: f"id-{next(ids)}")
    client: Any = cluster
    services = Informer(client, SERVICES)
    listening = asyncio.ensure_future(services.run())
    surface = Surface(FACTS.ip, FACTS.allocatable)
    objects: Any = None
    configuration = Configuration(surface, objects, services, NoVolumes(), folder / "pods")
    recorder = EventRecorder(client, "kubelet", clock=clock)
    telling = asyncio.ensure_future(recorder.run())
    node = Node(FACTS.ip, runtime, client, recorder, clock, folder / "pods", NoVolumes(), configuration)
    await services.wait_synced()
    before = asyncio.all_tasks()
    lives = []
    for number in range(int(DAY / PAUSE_SECONDS)):
        lives.append(asyncio.ensure_future(live_and_die(node, cluster, new_pod(number, chance), chance)))
        await asyncio.sleep(PAUSE_SECONDS)
    await asyncio.gather(*lives)
    assert asyncio.all_tasks() == before
    assert (cluster.pods, cluster.workers, runtime.list_sandboxes()) == ({}, {}, [])
    assert _left_in(folder) == ["fake", "pods"]
    # It was a day like any other.
    assert {"Pending", "Running", "Succeeded", "Failed"} <= cluster.phases.keys()
    assert cluster.reasons.keys() >= REASONS
    # Every address can be given out again.
    free = network.num_addresses - 3
    assert len({(await runtime.run_pod_sandbox(sandbox(each))).ip for each in range(free)}) == free
    for each in (listening, telling):
        each.cancel()


def _left_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def sandbox(number: int) -> SandboxConfig:
    return SandboxConfig(f"last-{number}", "default", f"last-{number}")


@pytest.mark.slow
def test_a_day_of_pods_leaves_nothing(tmp_path: Path) -> None:
    _a_day(tmp_path, 1)
