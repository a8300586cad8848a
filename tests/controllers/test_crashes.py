"""The controller manager dies after every single write of a scenario, before it hears of it, and comes back.

Each life carries out one write, or a few, and the last one goes unanswered. The end is the same as without
deaths, no pod too many was ever made, and at no moment were more or fewer of them than the owner allows. The
test plays scheduler and kubelet.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from controllers.host_path_provisioner.folders import Folders
from controllers.main import Manager, Settings
from controllers.service_load_balancer.addresses import addresses_of
from kube.api import conditions, errors, meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import (
    CRON_JOBS,
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    REPLICA_SETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    STATEFUL_SETS,
    Resource,
)
from kube.base.tasks import Tasks
from kube.client.informer import Informer
from kube.client.rest import Client
from tests.controllers.conftest import Managed
from tests.support.api_server import Api, serving
from tests.support.in_process import client_of
from tests.support.mortal import Mortal
from tests.support.wait import until_async

MANAGER = "kube-controller-manager"
NODE_NAMES = ("n1", "n2", "n3")
# How many writes the lives last, in turn: one after the other at first, then a few at once.
LIVES = (1, 1, 1, 2, 1, 3, 1, 5)


class Pods:
    """Plays scheduler and kubelet, and counts what it sees."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._informer = Informer(client, PODS)
        self._informer.add_handler(self._added, lambda _, new: self._changed(new), self._changed)
        self._queue: asyncio.Queue[Object] = asyncio.Queue()
        self.made: list[Object] = []
        self.most: Counter[str] = Counter()
        self.fewest_ready: dict[str, int] = {}

    def start(self, tasks: Tasks) -> None:
        tasks.start("pods", self._informer.run)
        tasks.start("kubelet", self._play)

    def watch_ready(self, app: str) -> None:
        """From now on, remember the fewest ready pods of an app."""
        self.fewest_ready[app] = self._ready(app)

    def made_of(self, app: str) -> list[Object]:
        """All pods of an app that there ever were."""
        return [each for each in self.made if meta.labels(each).get("app") == app]

    def _added(self, pod: Object) -> None:
        self.made.append(pod)
        self._changed(pod)

    def _changed(self, pod: Object) -> None:
        app = meta.labels(pod).get("app", "")
        self.most[app] = max(self.most[app], len(self._live(app)))
        if app in self.fewest_ready:
            self.fewest_ready[app] = min(self.fewest_ready[app], self._ready(app))
        self._queue.put_nowait(pod)

    def _live(self, app: str) -> list[Object]:
        return [
            each
            for each in self._informer.store.list()
            if meta.labels(each).get("app") == app
            and not meta.is_terminating(each)
            and meta.get(each, "status", "phase") not in ("Succeeded", "Failed")
        ]

    def _ready(self, app: str) -> int:
        return sum(conditions.is_true(each, "Ready") for each in self._live(app))

    async def _play(self) -> None:
        while True:
            pod = await self._queue.get()
            try:
                await self._move(pod)
            except StatusError as error:
                if not errors.is_not_found(error) and not errors.is_conflict(error):
                    raise

    async def _move(self, pod: Object) -> None:
        """One step of a pod's life; the next one follows when this one is heard of."""
        namespace, name = meta.namespace(pod), meta.name(pod)
        if meta.is_terminating(pod):
            await self._client.delete(PODS, namespace, name, uid=meta.uid(pod), grace_period_seconds=0)
        elif "nodeName" not in pod["spec"]:
            target = {"apiVersion": "v1", "kind": "Node", "name": _node_of(pod)}
            binding = {"metadata": {"name": name, "namespace": namespace}, "target": target}
            await self._client.create(PODS, binding, subresource="binding")
        elif meta.get(pod, "status", "phase") == "Pending":
            is_job = "job-name" in meta.labels(pod)
            ready = {"type": "Ready", "status": str(not is_job), "lastTransitionTime": "2026-01-01T00:00:00Z"}
            status = {"phase": "Succeeded" if is_job else "Running", "conditions": [ready]}
            await self._client.patch(PODS, namespace, name, {"status": status}, subresource="status")


def _node_of(pod: Object) -> str:
    terms: list[Any] = meta.get(
        pod,
        "spec",
        "affinity",
        "nodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "nodeSelectorTerms",
        default=[],
    )
    return str(terms[0]["matchFields"][0]["values"][0]) if terms else NODE_NAMES[0]


@dataclass
class World:
    """What a scenario works with."""

    managed: Managed
    pods: Pods

    async def apply(self, resource: Resource, name: str, spec: Object) -> None:
        """Make it, or change its spec."""
        if await self.managed.get(resource, name) is None:
            await self.managed.client.create(resource, named(name, spec))
        else:
            await self.managed.client.patch(resource, "default", name, {"spec": spec})

    async def settles(self, resource: Resource, name: str, **status: int) -> Object:
        """Wait until it has seen its newest spec and says that."""

        def has(found: Object) -> bool:
            said = found.get("status") or {}
            generation = found["metadata"]["generation"]
            return said.get("observedGeneration", generation) == generation and all(
                said.get(key, 0) == value for key, value in status.items()
            )

        return await self.managed.until(resource, name, has)

    async def delete(self, resource: Resource, name: str, propagation_policy: str = "Background") -> None:
        await self.managed.client.delete(resource, "default", name, propagation_policy=propagation_policy)
        await self.managed.until_gone(resource, name)

    async def none_left(self, *resources: Resource) -> None:
        for resource in resources:

            async def check(resource: Resource = resource) -> bool:
                return not (await self.managed.client.list(resource, "default"))["items"]

            await until_async(f"no {resource.plural} are left", check)


@asynccontextmanager
async def dying(folder: Path) -> AsyncIterator[World]:
    """A cluster whose controller manager dies and comes back all the time."""
    gates: list[Mortal] = []

    def behind(application: Any) -> Mortal:
        gates.append(Mortal(application, MANAGER))
        return gates[0]

    async with serving(behind=behind) as api, Tasks() as tasks:
        client = client_of(api, "test")
        pods = Pods(client)
        pods.start(tasks)
        settings = Settings(folders=Folders(folder), balancer_range=ip_network("10.9.0.0/30"))
        tasks.start("lives", live_and_die, gates[0], api, settings)
        try:
            yield World(Managed(client), pods)
        finally:
            await tasks.cancel()
            gates[0].buried.set()
            await client.close()


async def live_and_die(gate: Mortal, api: Api, settings: Settings) -> None:
    for writes in itertools.cycle(LIVES):
        gate.live(writes)
        own = client_of(api, MANAGER)
        try:
            async with Tasks() as tasks:
                tasks.start("controllers", Manager(own, settings, 3).lead)
                await gate.died.wait()
        finally:
            await own.close()


def named(name: str, spec: Object) -> Object:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}


def template(app: str, image: str, **spec: Any) -> Object:
    return {
        "metadata": {"labels": {"app": app}},
        "spec": {"containers": [{"name": "c", "image": image}], **spec},
    }


def workload(app: str, image: str, **spec: Any) -> Object:
    return {"selector": {"matchLabels": {"app": app}}, "template": template(app, image), **spec}


async def test_a_deployment(tmp_path: Path) -> None:
    bounds = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}
    async with dying(tmp_path) as world:
        await world.apply(DEPLOYMENTS, "web", workload("web", "one", replicas=4, strategy=bounds))
        await world.settles(DEPLOYMENTS, "web", replicas=4, availableReplicas=4)
        world.pods.watch_ready("web")
        await world.apply(DEPLOYMENTS, "web", workload("web", "two"))
        await world.settles(DEPLOYMENTS, "web", replicas=4, updatedReplicas=4, availableReplicas=4)
        assert (len(world.pods.made_of("web")), world.pods.most["web"]) == (8, 5)
        assert world.pods.fewest_ready["web"] >= 3
        await world.apply(DEPLOYMENTS, "web", {"replicas": 6})
        await world.settles(DEPLOYMENTS, "web", replicas=6, availableReplicas=6)
        assert (len(world.pods.made_of("web")), world.pods.most["web"]) == (10, 6)
        await world.delete(DEPLOYMENTS, "web", "Foreground")
        await world.none_left(REPLICA_SETS, PODS)
        assert len(world.pods.made) == 10


async def test_a_stateful_set(tmp_path: Path) -> None:
    claims = [
        {
            "metadata": {"name": "data"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }
    ]
    async with dying(tmp_path) as world:
        spec = workload("db", "one", replicas=3, serviceName="db", volumeClaimTemplates=claims)
        await world.apply(STATEFUL_SETS, "db", spec)
        await world.settles(STATEFUL_SETS, "db", replicas=3, availableReplicas=3)
        world.pods.watch_ready("db")
        await world.apply(STATEFUL_SETS, "db", {"template": template("db", "two")})
        await world.settles(STATEFUL_SETS, "db", replicas=3, updatedReplicas=3, availableReplicas=3)
        assert Counter(map(meta.name, world.pods.made_of("db"))) == {"db-0": 2, "db-1": 2, "db-2": 2}
        assert world.pods.fewest_ready["db"] >= 2
        await world.apply(STATEFUL_SETS, "db", {"replicas": 1})
        await world.settles(STATEFUL_SETS, "db", replicas=1)
        assert len(world.pods.made) == 6
        for number in range(3):
            await world.managed.until(PERSISTENT_VOLUME_CLAIMS, f"data-db-{number}", is_bound)
        await world.delete(STATEFUL_SETS, "db")
        await world.none_left(PODS)
        await world.managed.client.delete_collection(PERSISTENT_VOLUME_CLAIMS, "default")
        await world.none_left(PERSISTENT_VOLUME_CLAIMS)


async def test_a_daemon_set(tmp_path: Path) -> None:
    async with dying(tmp_path) as world:
        for name in NODE_NAMES:
            await world.managed.client.create(NODES, {"metadata": {"name": name}})
            status = {"conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]}
            await world.managed.client.patch(NODES, None, name, {"status": status}, subresource="status")
        await world.apply(DAEMON_SETS, "agent", workload("agent", "one"))
        await world.settles(DAEMON_SETS, "agent", numberAvailable=3, updatedNumberScheduled=3)
        world.pods.watch_ready("agent")
        await world.apply(DAEMON_SETS, "agent", {"template": template("agent", "two")})
        await world.settles(DAEMON_SETS, "agent", numberAvailable=3, updatedNumberScheduled=3)
        assert (len(world.pods.made), world.pods.most["agent"]) == (6, 3)
        assert world.pods.fewest_ready["agent"] >= 2
        await world.delete(DAEMON_SETS, "agent", "Foreground")
        await world.none_left(PODS)


async def test_a_job(tmp_path: Path) -> None:
    async with dying(tmp_path) as world:
        pod = template("sum", "one", restartPolicy="Never")
        await world.apply(JOBS, "sum", {"completions": 6, "parallelism": 2, "template": pod})
        await world.managed.until(JOBS, "sum", lambda job: conditions.is_true(job, "Complete"))
        await world.settles(JOBS, "sum", succeeded=6)
        assert len(world.pods.made) == 6
        assert world.pods.most["sum"] <= 2
        for each in await world.managed.pods("app=sum"):
            assert meta.finalizers(each) == []
        await world.delete(JOBS, "sum")
        await world.none_left(PODS)


async def test_a_cron_job(tmp_path: Path) -> None:
    async with dying(tmp_path) as world:
        job = {"spec": {"template": template("sum", "one", restartPolicy="Never")}}
        await world.apply(CRON_JOBS, "sum", {"schedule": "@yearly", "suspend": True, "jobTemplate": job})
        status = {"status": {"lastScheduleTime": "2025-01-01T00:00:00Z"}}
        await world.managed.client.patch(CRON_JOBS, "default", "sum", status, subresource="status")
        await world.apply(CRON_JOBS, "sum", {"suspend": False})
        await world.managed.until(
            CRON_JOBS, "sum", lambda it: it["status"].get("lastSuccessfulTime") and not active(it)
        )
        assert len((await world.managed.client.list(JOBS, "default"))["items"]) == 1
        assert len(world.pods.made) == 1
        await world.delete(CRON_JOBS, "sum")
        await world.none_left(JOBS, PODS)


async def test_load_balancers(tmp_path: Path) -> None:
    async with dying(tmp_path) as world:
        spec = {"type": "LoadBalancer", "ports": [{"port": 80}]}
        for name in ("a", "b", "c"):
            await world.apply(SERVICES, name, spec)
        for gone, kept in (("a", "b"), ("b", "c")):
            # There are two addresses: the third comes when one of the first two goes.
            await world.managed.until(SERVICES, kept, meta.finalizers)
            await world.delete(SERVICES, gone)
            await world.apply(SERVICES, gone, spec | {"type": "ClusterIP"})
        held = [addresses_of(await world.managed.until(SERVICES, "c", addresses_of))]
        await world.apply(SERVICES, "a", spec)
        held.append(addresses_of(await world.managed.until(SERVICES, "a", addresses_of)))
        assert sorted(held) == [["10.9.0.1"], ["10.9.0.2"]]


async def test_a_namespace(tmp_path: Path) -> None:
    async with dying(tmp_path) as world:
        client = world.managed.client
        await client.create(NAMESPACES, {"metadata": {"name": "team"}})
        await world.managed.until(SERVICE_ACCOUNTS, "default", bool, "team")
        for resource in (DEPLOYMENTS, REPLICA_SETS):
            spec = workload(resource.plural, "one", replicas=2)
            await client.create(resource, {"metadata": {"name": "web", "namespace": "team"}, "spec": spec})
        await world.managed.until(DEPLOYMENTS, "web", is_available, "team")
        await client.delete(NAMESPACES, None, "team")
        await world.managed.until_gone(NAMESPACES, "team", None)
        assert len(world.pods.made) == 4


def is_bound(claim: Object) -> bool:
    return bool(meta.get(claim, "status", "phase") == "Bound")


def is_available(deployment: Object) -> bool:
    return bool(meta.get(deployment, "status", "availableReplicas") == 2)


def active(cron_job: Object) -> list[Any]:
    found: list[Any] = meta.get(cron_job, "status", "active", default=[])
    return found
