"""Owners of pods of every kind that are changed all the time, and what must hold of their pods.

At every moment a watcher sees: no owner has more pods than it may. At the end, when all is quiet: each has as
many as it wants, nothing is left of what was deleted, and nothing that has no owner.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

from kube.api import conditions, errors, meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import (
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
    Resource,
)
from kube.client.rest import Client
from tests.support.faults.asking import answered
from tests.support.wait import until_async

REPLICAS_MAX, SURGE, HISTORY, MEMBERS = 5, 1, 2, 3
COMPLETIONS, PARALLELISM = 4, 2
SECONDS = 120.0
PAUSE_SECONDS_MAX = 1.0
ENDED = ("Succeeded", "Failed")
# The most pods at once, by the label `app`; those that come again have so many each time.
BOUNDS = {"web": REPLICAS_MAX + SURGE, "db": MEMBERS, "passing": 3, "sum": PARALLELISM}
COME_AGAIN = ("passing", "sum")


def pod_template(app: str, *command: str, **spec: Any) -> Object:
    container = {"name": "c", "image": "nginx:1", **({"command": command} if command else {})}
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": [container], **spec}}


def workload(app: str, **spec: Any) -> Object:
    selector = {"matchLabels": {"app": app}}
    made = {"selector": selector, "template": pod_template(app), **spec}
    return {"metadata": {"name": app}, "spec": {"revisionHistoryLimit": HISTORY, **made}}


STANDING = {
    DEPLOYMENTS: workload("web", replicas=3, strategy={"rollingUpdate": {"maxSurge": SURGE}}),
    STATEFUL_SETS: workload("db", replicas=MEMBERS, serviceName="db"),
    DAEMON_SETS: workload("agent"),
}


def judge_pods(living: Sequence[Object]) -> None:
    """One moment."""
    live = [
        each
        for each in living
        if not meta.is_terminating(each) and meta.get(each, "status", "phase") not in ENDED
    ]
    counts = Counter((each["metadata"]["labels"]["app"], _generation(each)) for each in live)
    for (app, _), count in counts.items():
        assert count <= BOUNDS.get(app, count), f"{count} pods of {app}: {sorted(map(meta.name, live))}"
    nodes = Counter(each["spec"].get("nodeName") for each in live if meta.labels(each).get("app") == "agent")
    assert max((nodes[each] for each in nodes if each), default=0) <= 1, f"agents on nodes: {nodes}"


def _generation(pod: Object) -> str:
    reference = meta.controller_of(pod)
    is_one_of_many = pod["metadata"]["labels"]["app"] in COME_AGAIN
    return str(reference["uid"]) if is_one_of_many and reference is not None else ""


class Workloads:
    """Changes everything until told to `finish`."""

    def __init__(self, client: Client, namespace: str, random: Random) -> None:
        self._client, self._namespace, self._random = client, namespace, random
        self._finish = False
        self.changes: Counter[str] = Counter()

    async def set_up(self) -> None:
        for resource, made in STANDING.items():
            await self._client.create(resource, made, self._namespace)

    def finish(self) -> None:
        """Begin nothing new; `run` returns when what was begun has been asked for."""
        self._finish = True

    async def change_more(self, count: int) -> None:
        """Wait until so many more changes were made."""
        enough = self.changes.total() + count
        await until_async("more has changed", lambda: self.changes.total() >= enough, SECONDS)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for act in (self._roll_out, self._scale, self._pass, self._count):
                group.create_task(self._again_and_again(act), name=act.__name__)

    async def _again_and_again(self, act: Any) -> None:
        for number in itertools.count():
            if self._finish:
                return
            await act(number)
            self.changes[act.__name__.strip("_")] += 1
            await asyncio.sleep(self._random.uniform(0, PAUSE_SECONDS_MAX))

    async def _roll_out(self, number: int) -> None:
        """Another template for one of those that stand."""
        resource = self._random.choice(list(STANDING))
        template = {"metadata": {"annotations": {"number": str(number)}}}
        await self._patch(resource, {"spec": {"template": template}})

    async def _scale(self, _: int) -> None:
        await self._patch(DEPLOYMENTS, {"spec": {"replicas": self._random.randint(1, REPLICAS_MAX)}})

    async def _pass(self, _: int) -> None:
        """A Deployment that comes and goes, by either way of deletion."""
        made = workload("passing", replicas=3)
        await self._make(DEPLOYMENTS, made)
        await asyncio.sleep(self._random.uniform(0, 3))
        await self._remove(DEPLOYMENTS, "passing", self._random.choice(("Background", "Foreground")))

    async def _count(self, number: int) -> None:
        """A Job, until it is complete; its pods are deleted with it."""
        pod = pod_template("sum", "sh", "-c", "sleep 0.3", restartPolicy="Never")
        spec = {"completions": COMPLETIONS, "parallelism": PARALLELISM, "template": pod}
        name = f"sum-{number}"
        await self._make(JOBS, {"metadata": {"name": name}, "spec": {"backoffLimit": 1000, **spec}})

        async def is_complete() -> bool:
            job = await answered(lambda: self._client.get(JOBS, self._namespace, name))
            return conditions.is_true(job, "Complete")

        await until_async(f"{name} is complete", is_complete, SECONDS)
        job = await answered(lambda: self._client.get(JOBS, self._namespace, name))
        assert job["status"]["succeeded"] == COMPLETIONS, job["status"]
        await self._remove(JOBS, name, "Background")

    async def _patch(self, resource: Resource, patch: Object) -> None:
        name = meta.name(STANDING[resource])
        await answered(lambda: self._client.patch(resource, self._namespace, name, patch))

    async def _make(self, resource: Resource, made: Object) -> None:
        """Asked twice when the first answer was lost: then it is there already."""
        try:
            await answered(lambda: self._client.create(resource, made, self._namespace))
        except StatusError as error:
            if not errors.is_already_exists(error):
                raise

    async def _remove(self, resource: Resource, name: str, propagation_policy: str) -> None:
        async def is_gone() -> bool:
            try:
                await answered(
                    lambda: self._client.delete(
                        resource, self._namespace, name, propagation_policy=propagation_policy
                    )
                )
            except StatusError as error:
                if errors.is_not_found(error):
                    return True
                raise
            return False

        await until_async(f"{resource.singular} {name} is gone", is_gone, SECONDS)

    async def check(self, nodes: int) -> None:
        """All becomes quiet, and is then as it should be; what lags behind is waited for."""
        problem = ""

        async def is_right() -> bool:
            nonlocal problem
            try:
                await self._judge(nodes)
            except AssertionError as error:
                problem = str(error)
                return False
            return True

        try:
            await until_async("each has its own", is_right, SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}: {problem}") from error

    async def _judge(self, nodes: int) -> None:
        """What there is now."""
        lists: dict[Resource, list[Object]] = {}
        for resource in (*STANDING, JOBS, REPLICA_SETS, CONTROLLER_REVISIONS, PODS):
            lists[resource] = (await self._client.list(resource, self._namespace))["items"]
        moving = [meta.name(each) for kind in STANDING for each in lists[kind] if not _is_settled(each)]
        moving += [meta.name(each) for each in lists[PODS] if not conditions.is_true(each, "Ready")]
        assert not moving, f"not settled: {moving}"
        web = lists[DEPLOYMENTS][0]
        pods = Counter(meta.labels(each)["app"] for each in lists[PODS])
        wanted = {"web": web["spec"]["replicas"], "db": MEMBERS, "agent": nodes}
        assert pods == wanted, f"pods: {pods}, wanted: {wanted}"
        standing = [meta.name(each) for each in (*lists[DEPLOYMENTS], *lists[JOBS])]
        assert standing == ["web"], f"there are {standing}"
        owners = {meta.uid(each) for found in lists.values() for each in found}
        for each in (*lists[PODS], *lists[REPLICA_SETS], *lists[CONTROLLER_REVISIONS]):
            reference = meta.controller_of(each)
            assert reference is not None, f"an orphan: {meta.name(each)}"
            assert reference["uid"] in owners, f"its owner is gone: {meta.name(each)}"
        wanting = [each for each in lists[REPLICA_SETS] if each["spec"]["replicas"]]
        assert len(wanting) == 1, f"{len(wanting)} ReplicaSets want pods"
        assert len(lists[REPLICA_SETS]) <= HISTORY + 1, f"{len(lists[REPLICA_SETS])} ReplicaSets"
        revisions = Counter(str(meta.controller_of(each)) for each in lists[CONTROLLER_REVISIONS])
        assert max(revisions.values()) <= HISTORY + 1, f"revisions: {revisions}"


def _is_settled(found: Object) -> bool:
    status, spec = found.get("status", {}), found["spec"]
    if status.get("observedGeneration") != meta.generation(found):
        return False
    if "desiredNumberScheduled" in status:
        wanted = status["desiredNumberScheduled"]
        return bool(status.get("updatedNumberScheduled") == status.get("numberAvailable") == wanted)
    counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
    return counts == [spec["replicas"]] * 3
