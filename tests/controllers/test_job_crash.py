"""A Job whose controller looks at old caches and stops after any write counts every pod once.

The server is a dict, kubelets end pods by chance, caches of the Job and of each pod fall behind apart from
one another, and the controller dies between two writes: everything from one seed.
"""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import pytest

from controllers import pods
from controllers.job.backoff import History
from controllers.job.job_pods import is_tracked
from controllers.job.plan import Seen, plan
from controllers.job_outcome import is_finished
from kube.api import meta
from kube.api.actions import Action, Create, Delete, EmitEvent, Patch, RequeueAfter, UpdateStatus
from kube.api.meta import Object
from kube.controller.expectations import Expectations
from tests.controllers.test_job_plan import job
from tests.controllers.test_plans import START

NOW = START + timedelta(days=1)
KEY = "default/work"
STEPS_MAX = 3000


class Refused(Exception):
    """The server says no."""


class World:
    """What the server holds, and what the controller has seen of it."""

    def __init__(self, short: dict[str, Any], random: Random) -> None:
        self.random = random
        self.job = job(short)
        self.pods: dict[str, Object] = {}
        self.ended: dict[str, str] = {}
        self.made = self.writes = 0
        self.start_anew()

    def start_anew(self) -> None:
        """A new process: nothing is expected, and its caches are as the server."""
        self.expectations, self.history = Expectations(), History()
        self.cached_job, self.cached = self.job, dict(self.pods)

    def catch_up(self) -> None:
        """See one change, of the Job or of one pod."""
        late = [uid for uid in {**self.pods, **self.cached} if self.pods.get(uid) != self.cached.get(uid)]
        if self.cached_job != self.job:
            late.append("")
        if not late:
            return
        chosen = self.random.choice(sorted(late))
        if not chosen:
            self.cached_job = self.job
        elif chosen in self.pods:
            if chosen not in self.cached:
                self.expectations.created(KEY)
            if meta.is_terminating(self.pods[chosen]):
                self.expectations.deleted(KEY, chosen)
            self.cached[chosen] = self.pods[chosen]
        else:
            self.expectations.deleted(KEY, chosen)
            del self.cached[chosen]

    def look(self, *, stops: bool) -> None:
        """One look of the controller; with `stops` it may die after any write."""
        seen = Seen(
            self.cached_job,
            [*self.cached.values()],
            self.history.note(KEY, self.cached_job, self.cached.values()),
            expectations_met=self.expectations.satisfied(KEY, NOW),
        )
        actions = plan(seen, NOW)
        creations = sum(isinstance(each, Create) for each in actions)
        deletions = [each.uid for each in actions if isinstance(each, Delete)]
        self.expectations.expect(KEY, creations, deletions, NOW)
        for place, action in enumerate(actions):
            try:
                self.do(action)
            except Refused:
                for left in actions[place:]:
                    if isinstance(left, Create):
                        self.expectations.created(KEY)
                    elif isinstance(left, Delete):
                        self.expectations.deleted(KEY, left.uid)
                return
            if stops and self.random.random() < 0.2:
                self.start_anew()
                return

    def do(self, action: Action) -> None:
        match action:
            case Create():
                self.made += 1
                uid = f"uid-{self.made}"
                identity = {"name": uid, "uid": uid, "creationTimestamp": meta.format_time(START)}
                self.put({**action.object, "metadata": {**action.object["metadata"], **identity}})
            case UpdateStatus():
                if meta.resource_version(action.object) != meta.resource_version(self.job):
                    raise Refused
                self.writes += 1
                version = {"resourceVersion": f"v{self.writes}"}
                self.job = {**action.object, "metadata": {**action.object["metadata"], **version}}
            case Patch():
                pod = self.pods.get(action.patch["metadata"]["uid"])
                if pod is None:
                    raise Refused
                self.put({**pod, "metadata": {**pod["metadata"], "finalizers": []}})
            case Delete():
                self.delete(action.uid)
            case EmitEvent() | RequeueAfter():
                pass
            case _:
                raise AssertionError(action)

    def put(self, pod: Object) -> None:
        """Keep a pod; one that is deleted goes as soon as nothing holds it."""
        if meta.is_terminating(pod) and not is_tracked(pod):
            self.pods.pop(meta.uid(pod), None)
        else:
            self.pods[meta.uid(pod)] = pod

    def delete(self, uid: str) -> None:
        pod = self.pods.get(uid)
        if pod is not None and not meta.is_terminating(pod):
            at = {"deletionTimestamp": meta.format_time(START)}
            self.put({**pod, "metadata": {**pod["metadata"], **at}})

    def end_one(self, *, deletes: bool) -> None:
        """Play the kubelet of a pod that ends, or somebody who deletes it."""
        running = sorted(uid for uid, each in self.pods.items() if pods.is_active(each))
        if not running or is_finished(self.job):
            return
        uid = self.random.choice(running)
        if deletes and self.random.random() < 0.2:
            self.ended[uid] = "Failed"
            self.delete(uid)
            return
        self.ended[uid] = self.random.choice(["Succeeded", "Failed"])
        self.pods[uid] = {**self.pods[uid], "status": {"phase": self.ended[uid]}}

    def count(self, phase: str) -> int:
        return sum(each == phase for each in self.ended.values())


def live(world: World, *, stops: bool, deletes: bool) -> None:
    """Let things happen until the Job is at its end and everybody has seen it."""
    parallelism = world.job["spec"]["parallelism"]
    for _ in range(STEPS_MAX):
        chance = world.random.random()
        if chance < 0.5:
            world.catch_up()
        elif chance < 0.85:
            world.look(stops=stops)
        else:
            world.end_one(deletes=deletes)
        assert sum(map(pods.is_active, world.pods.values())) <= parallelism
        if is_finished(world.job):
            return
    raise AssertionError("the Job never ended")


@pytest.mark.parametrize("deletes", [False, True], ids=["ended", "deleted"])
@pytest.mark.parametrize("stops", [False, True], ids=["lives", "dies"])
@pytest.mark.parametrize("short", [{"completions": 5}, {"completions": 5, "mode": "Indexed"}], ids=str)
def test_every_pod_is_counted_once(short: dict[str, Any], stops: bool, deletes: bool) -> None:
    for seed in range(150):
        world = World({"parallelism": 3, "limit": 1000, **short}, Random(seed))
        live(world, stops=stops, deletes=deletes)
        status = world.job["status"]
        assert status["succeeded"] == world.count("Succeeded") == 5, f"seed {seed}"
        assert status.get("failed", 0) == world.count("Failed"), f"seed {seed}"
        assert world.made == len(world.ended), f"seed {seed}: a pod too many"
        assert not any(map(is_tracked, world.pods.values())), f"seed {seed}"


@pytest.mark.parametrize("short", [{}, {"mode": "Indexed"}], ids=str)
def test_a_job_that_fails_counts_what_it_kills(short: dict[str, Any]) -> None:
    for seed in range(150):
        world = World({"parallelism": 3, "completions": 50, "limit": 4, **short}, Random(seed))
        live(world, stops=True, deletes=True)
        status = world.job["status"]
        assert status["failed"] + status.get("succeeded", 0) == world.made, f"seed {seed}"
        assert status["failed"] > 4, f"seed {seed}"
        assert not any(map(is_tracked, world.pods.values())), f"seed {seed}"
