"""Controller managers, API servers, store leaders and nodes die at random while owners of pods of every kind
are made, changed, scaled and deleted: none ever has too many pods, and when all is quiet, each has its own.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from kube.api import conditions
from kube.api.resources import NAMESPACES, NODES, PODS
from kube.client.config import ClientConfig
from kube.client.rest import Client
from tests.support.cluster import Cluster
from tests.support.faults.asking import answered
from tests.support.faults.picture import Picture
from tests.support.faults.ways import Fault, kill, kill_leader, kill_together, pause
from tests.support.faults.workloads import Workloads, judge_pods
from tests.support.wait import until_async

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

# Two of those that one of is enough; a lost node is given up after seconds, and its pods leave at once.
TOPOLOGY = """
etcd: {count: 3}
apiserver:
  count: 2
  flags: {default-not-ready-toleration-seconds: 1, default-unreachable-toleration-seconds: 1}
controller-manager: {count: 2, flags: {node-monitor-grace-period: 4s, node-monitor-period: 1s}}
scheduler: {count: 2}
kubelet:
  nodes: [node1, node2, node3]
  flags: {container-runtime: fake, node-status-update-frequency: 1s, node-lease-duration-seconds: 4}
"""
SEED = 1
NAMESPACE = "busy"
CHANGES_BETWEEN_MAX = 8
MANAGERS = ("controller-manager-0", "controller-manager-1")
# How often each comes; the managers most of all: what they do is on trial.
FAULTS: dict[Callable[[], Fault], int] = {
    lambda: kill(MANAGERS[0]): 1,
    lambda: kill(MANAGERS[1]): 1,
    lambda: kill_together(*MANAGERS): 2,
    lambda: pause(MANAGERS[0]): 1,
    lambda: kill("apiserver-0"): 1,
    lambda: kill("apiserver-1"): 1,
    kill_leader: 1,
    lambda: lose("node2"): 1,
}


def lose(node: str) -> Fault:
    """Its kubelet stands still until the node is given up, and comes back."""

    async def act(cluster: Cluster) -> None:
        client = Client(ClientConfig.load(cluster.layout.admin_kubeconfig), "faults")
        silent = cluster.kill(f"kubelet-{node}", signal.SIGSTOP)
        try:
            await _node_becomes(client, node, "Unknown")
        finally:
            silent.send(signal.SIGCONT)
        await _node_becomes(client, node, "True")
        await client.close()

    return Fault(f"lose {node}", act, hurts_traffic=True)


async def _node_becomes(client: Client, node: str, status: str) -> None:
    async def check() -> bool:
        found = await answered(lambda: client.get(NODES, None, node))
        ready = conditions.find(found, "Ready")
        return ready is not None and ready["status"] == status

    await until_async(f"{node} is {status}", check)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Cluster]:
    (folder / "topology.yaml").write_text(TOPOLOGY)
    cluster = Cluster(folder)
    where = ("--port-base", str(cluster.port_base), "--topology", str(folder / "topology.yaml"))
    await asyncio.to_thread(cluster.launcher, "up", *where)
    try:
        yield cluster
    finally:
        cluster.down()
    assert cluster.leftovers() == []


async def test_each_has_its_own_in_the_end(tmp_path: Path) -> None:
    random = Random(SEED)
    async with running(tmp_path) as cluster, AsyncExitStack() as closing:
        client = Client(ClientConfig.load(cluster.layout.admin_kubeconfig), "faults")
        closing.push_async_callback(client.close)
        await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        workloads = Workloads(client, NAMESPACE, random)
        await workloads.set_up()
        picture = Picture(client, PODS, NAMESPACE, judge_pods)
        everybody = set(cluster.running())
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(picture.run())
            working = group.create_task(workloads.run())
            for build in random.sample(list(FAULTS), k=sum(FAULTS.values()), counts=list(FAULTS.values())):
                await workloads.change_more(random.randint(0, CHANGES_BETWEEN_MAX))
                await until_async("everybody lives", lambda: everybody <= set(cluster.running()))
                fault = build()
                print(fault, dict(workloads.changes))
                await fault.act(cluster)
            workloads.finish()
            await working
            await workloads.check(len(cluster.topology.nodes))
            await picture.check()
            watching.cancel()
