"""How long until a write, a new pod, an answer of a Service and the whole are back after a fault?

    .venv/bin/python -P benchmarks/recovery.py [--runs N] [--only WORD]

A cluster as deploy/up starts it, with a writer and two HTTP clients of a Service, as in
tests/e2e/test_everything_is_killed.py. One fault at a time, and after each all must be well again.

    write     the longest time without an acknowledged write (one writer, a write every 30 ms)
    new pod   from the fault on, until a Deployment that is scaled up in that moment has its new pod ready
    page      the longest time without an answer from the Service, and how many requests failed
    whole     from the fault on, or from its end if it is a pause or a cut, until everything is well:
              processes ready, members level, Leases held, pods' pages and the Service answering

`nothing` is the same with no fault at all: what is not longer than there did not suffer. Each death is a
process's first: one that dies again within a minute is started after 2, 4 .. 30 s instead of 1.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.noise import Noise
from deploy import control, members
from deploy.orders import ORDER_SECONDS
from deploy.stop import KEEPERS
from kube.api import conditions, meta
from kube.api.meta import Object
from kube.api.resources import DEPLOYMENTS, LEASES, PODS
from kube.client.rest import Client
from tests.support.cluster import Cluster
from tests.support.faults import ways
from tests.support.faults.actors import Actors, acting
from tests.support.faults.asking import answered
from tests.support.faults.health import Health
from tests.support.load import OK
from tests.support.wait import until_async

PAUSE_SECONDS = 10.0
# Actors who watch only, or would make pods of their own.
OTHERS = ("rollouts", "history", "picture 0", "picture 1", "picture 2")
KUBELETS = ("kubelet-node1", "kubelet-node2", "kubelet-node3")
PROBE: Object = {
    "metadata": {"name": "probe"},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "probe"}},
        "template": {
            "metadata": {"labels": {"app": "probe"}},
            "spec": {"containers": [{"name": "probe", "image": "nginx:1"}]},
        },
    },
}
KUBECTL_CALLS = 20
KUBECTL_AT_ONCE = 4
KUBECTL_QUICK_SECONDS = 1.0

Name = Callable[[Actors], Awaitable[str]]


@dataclass(frozen=True)
class Case:
    """A fault, found when its turn comes; it ends by itself after `lasts` seconds."""

    name: str
    fault: Callable[[Actors], Awaitable[ways.Fault]]
    lasts: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """Seconds, but for `failed`, which counts requests."""

    write: float
    pod: float
    page: float
    whole: float
    failed: int


async def store_leader(actors: Actors) -> str:
    return await members.leader(actors.topology, actors.layout)


async def store_follower(actors: Actors) -> str:
    leader = await store_leader(actors)
    return next(name for name in members.names(actors.topology) if name != leader)


def named(name: str) -> Name:
    async def find(_: Actors) -> str:
        return name

    return find


def holder(lease: str, component: str, *, holds: bool) -> Name:
    """Who of two holds a Lease, or the other one; holders' names contain their ports."""

    async def find(actors: Actors) -> str:
        client = actors.client()
        identity = (await client.get(LEASES, "kube-system", lease))["spec"]["holderIdentity"]
        ports = {"controller-manager": actors.layout.controller_manager_port}.get(
            component, actors.layout.scheduler_port
        )
        first_holds = f":{ports(0)}_" in identity
        return f"{component}-{0 if first_holds == holds else 1}"

    return find


def killed(name: str, who: Name) -> Case:
    async def fault(actors: Actors) -> ways.Fault:
        return ways.kill(await who(actors))

    return Case(f"kill {name}", fault)


def paused(name: str, who: Name) -> Case:
    async def fault(actors: Actors) -> ways.Fault:
        return ways.pause(await who(actors), PAUSE_SECONDS)

    return Case(f"pause {name}", fault, PAUSE_SECONDS)


def cut_off(name: str, who: Name) -> Case:
    async def fault(actors: Actors) -> ways.Fault:
        return ways.cut_off(await who(actors), PAUSE_SECONDS)

    return Case(f"cut off {name}", fault, PAUSE_SECONDS)


def done(fault: ways.Fault, name: str) -> Case:
    async def find(_: Actors) -> ways.Fault:
        return fault

    return Case(name, find)


async def _nothing(_: Cluster) -> None:
    return


ROLES: dict[str, Name] = {
    "a follower of the store": store_follower,
    "the store's leader": store_leader,
    "an API server": named("apiserver-0"),
    "the leading controller manager": holder("kube-controller-manager", "controller-manager", holds=True),
    "the standby controller manager": holder("kube-controller-manager", "controller-manager", holds=False),
    "the leading scheduler": holder("kube-scheduler", "scheduler", holds=True),
    "the standby scheduler": holder("kube-scheduler", "scheduler", holds=False),
    "a kubelet": named("kubelet-node1"),
    "the proxy": named("proxy-0"),
}
CASES = [
    done(ways.Fault("nothing", _nothing), "nothing"),
    *(killed(name, who) for name, who in ROLES.items()),
    done(ways.kill_together("apiserver-0", "apiserver-1"), "kill both API servers"),
    done(ways.kill_together(*KUBELETS), "kill all kubelets"),
    done(ways.kill_together("nursery", "kubelet-node1"), "kill the nursery and a kubelet"),
    *(paused(name, who) for name, who in ROLES.items()),
    cut_off("the store's leader", store_leader),
    cut_off("a follower of the store", store_follower),
    done(ways.kill("supervisor"), "kill the supervisor, then deploy/up"),
    done(ways.kill_everything(), "kill everything, then deploy/up"),
]


class Probe:
    """A Deployment that grows by a pod when asked to."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client, self._namespace = client, namespace

    async def create(self) -> None:
        await self._client.create(DEPLOYMENTS, PROBE, self._namespace)
        await self.settle()

    async def grow(self) -> float:
        """Scale to two; the loop time at which the second pod was ready."""
        await self._scale(2)
        await self._until_ready(2)
        return asyncio.get_running_loop().time()

    async def settle(self) -> None:
        """Scale to one."""
        await self._scale(1)
        await self._until_ready(1)

    async def _scale(self, replicas: int) -> None:
        patch = {"spec": {"replicas": replicas}}
        await answered(lambda: self._client.patch(DEPLOYMENTS, self._namespace, "probe", patch))

    async def _until_ready(self, count: int) -> None:
        async def ready() -> bool:
            pods = (await answered(lambda: self._client.list(PODS, self._namespace, "app=probe")))["items"]
            good = [
                each for each in pods if conditions.is_true(each, "Ready") and not meta.is_terminating(each)
            ]
            return len(good) == len(pods) == count

        await until_async(f"{count} pods of the probe are ready", ready)


async def measure(case: Case, actors: Actors, health: Health, probe: Probe) -> Outcome:
    """One fault, until all is well."""
    now = asyncio.get_running_loop().time
    fault = await case.fault(actors)
    began = now()
    growing = asyncio.create_task(probe.grow())
    await fault.act(actors.cluster)
    await health.wait()
    well_at = now()
    pod_at = await growing
    await health.wait()
    pages = [each for answers in actors.answers.values() for each in answers if each.ended > began]
    outcome = Outcome(
        write=longest_gap([each.at for each in actors.writer.acknowledged], began),
        pod=pod_at - began,
        page=longest_gap([each.ended for each in actors.answers["cluster IP"] if each.text == OK], began),
        whole=well_at - began - case.lasts,
        failed=sum(each.text != OK for each in pages),
    )
    await probe.settle()
    await forget_deaths(actors.cluster, fault.killed)
    await health.wait()
    return outcome


async def forget_deaths(cluster: Cluster, names: Sequence[str]) -> None:
    """Have the supervisor wait no longer than usual when these die again soon: as after a minute of life."""
    supervised = [name for name in names if name not in KEEPERS]
    if supervised:
        await control.ask(cluster.layout.run, "restart", *supervised, seconds=ORDER_SECONDS)


def longest_gap(moments: Sequence[float], begin: float) -> float:
    """The longest time between two moments of which the later one is after `begin`."""
    return max(later - earlier for earlier, later in pairwise(moments) if later > begin)


async def kubectl_while_paused(cluster: Cluster) -> None:
    """kubectl knows one port, which the API servers share: the kernel gives half of it to the paused one."""
    paused = cluster.kill("apiserver-0", signal.SIGSTOP)
    turns = asyncio.Semaphore(KUBECTL_AT_ONCE)

    async def call() -> tuple[float, str]:
        async with turns:
            return await asyncio.to_thread(_kubectl, cluster)

    calls = await asyncio.gather(*(call() for _ in range(KUBECTL_CALLS)))
    paused.send(signal.SIGCONT)
    quick = [seconds for seconds, _ in calls if seconds < KUBECTL_QUICK_SECONDS]
    slow = [(seconds, said) for seconds, said in calls if seconds >= KUBECTL_QUICK_SECONDS]
    print(f"kubectl while an API server is paused: {len(quick)} of {len(calls)} calls took less than 1 s;")
    for seconds, said in sorted(slow)[:: max(len(slow) - 1, 1)]:
        print(f"  of the others one took {seconds:.1f} s: {said}")


def _kubectl(cluster: Cluster) -> tuple[float, str]:
    began = time.perf_counter()
    command = ["kubectl", "get", "--raw", "/version", "--request-timeout=30s"]
    done = subprocess.run(command, env=cluster.env, capture_output=True, text=True, check=False)
    said = "it answered" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]
    return time.perf_counter() - began, said


def report(name: str, outcomes: Sequence[Outcome]) -> None:
    cells = [
        column([getattr(each, field) for each in outcomes]) for field in ("write", "pod", "page", "whole")
    ]
    failed = column([each.failed for each in outcomes], digits=0)
    print(f"| {name} | {' | '.join(cells)} | {failed} |", flush=True)


def column(values: Sequence[float], digits: int = 2) -> str:
    """Median and worst."""
    middle = sorted(values)[len(values) // 2]
    return f"{middle:.{digits}f} ({max(values):.{digits}f})"


async def run(cluster: Cluster, runs: int, only: str, noise: Noise) -> None:
    async with acting(cluster, "recovery", without=OTHERS) as actors:
        health, probe = Health(actors), Probe(actors.client(), actors.namespace)
        await probe.create()
        await health.wait()
        print(
            "| fault | write s | new pod s | page s | whole s | requests failed |\n|---|---|---|---|---|---|"
        )
        for case in CASES:
            if only in case.name:
                report(case.name, [await measure(case, actors, health, probe) for _ in range(runs)])
                noise.sample()
        await kubectl_while_paused(cluster)
        await health.wait()
        await health.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="", help="faults whose name contains this")
    options = parser.parse_args()
    noise = Noise()
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(Path(folder))
        cluster.up()
        try:
            asyncio.run(run(cluster, options.runs, options.only, noise))
        finally:
            cluster.down()
    print(f"{options.runs} runs each, median and worst; {noise}")


if __name__ == "__main__":
    main()
