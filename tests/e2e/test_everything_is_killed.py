"""Every process is killed, and of each kind one is paused; the important ones together, and all at once.

Meanwhile a loop writes, watches run in the store and in the API, a Deployment is rolled out again and again,
and HTTP clients ask its Service. Nothing acknowledged is lost, no watcher misses an event or sees one twice,
no rollout leaves its bounds, and no client is refused while the proxy and the kubelets live. Times are
printed (`pytest -rP`); benchmarks/recovery.py measures them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import pytest

from tests.support.cluster import OTHER_STORE, Cluster
from tests.support.faults.actors import Actors, acting
from tests.support.faults.health import LEASE_NAMES, Health
from tests.support.faults.ways import (
    Fault,
    cut_off,
    cut_off_leader,
    kill,
    kill_everything,
    kill_leader,
    kill_together,
    pause,
    pause_leading,
    restart_together,
)
from tests.support.load import OK

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

# In such an order that the nursery's successor, too, has something to start.
KEEPERS = ("nursery", "supervisor")
STORE = ("etcd-0", "etcd-1", "etcd-2")
CONTROL = (
    "apiserver-0",
    "apiserver-1",
    "controller-manager-0",
    "controller-manager-1",
    "scheduler-0",
    "scheduler-1",
)
NODES = ("kubelet-node1", "kubelet-node2", "kubelet-node3", "proxy-0")
EACH = (*KEEPERS, *STORE, *CONTROL, *NODES)

PHASES: dict[str, Sequence[Fault]] = {
    "each is killed": [kill(name) for name in EACH],
    # Of those that do the same, one: whoever leads.
    "each is paused": [
        *(pause(name) for name in (*KEEPERS, *STORE, "apiserver-0", "kubelet-node1", "proxy-0")),
        *map(pause_leading, LEASE_NAMES),
    ],
    "the leader again and again": [
        *(kill_leader() for _ in range(3)),
        *(() if OTHER_STORE else (cut_off_leader(), cut_off("etcd-0"))),
    ],
    "many at once": [
        kill_together("apiserver-0", "apiserver-1"),
        restart_together("apiserver-0", "apiserver-1"),
        kill_together("controller-manager-0", "controller-manager-1", "scheduler-0", "scheduler-1"),
        kill_together("kubelet-node1", "kubelet-node2", "kubelet-node3"),
        kill_everything(),
    ],
}
# How a request may fail while the proxy or its pod's kubelet is dead: nobody listens, or the connection ends.
FAILURES = ("ConnectionRefusedError", "ConnectionResetError", "nothing")


@pytest.fixture(scope="module")
def broken_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One cluster for all phases: each leaves it whole."""
    cluster = Cluster(tmp_path_factory.mktemp("broken"))
    cluster.up()
    try:
        yield cluster
    finally:
        cluster.down()
    assert cluster.leftovers() == []


@pytest.mark.parametrize("phase", PHASES)
async def test_nothing_is_lost_while(broken_cluster: Cluster, phase: str) -> None:
    async with acting(broken_cluster, phase.replace(" ", "-")) as actors:
        health = Health(actors)
        try:
            await health.wait()
            for fault in PHASES[phase]:
                await suffer(fault, actors, health)
            await actors.finish()
        finally:
            await health.close()


async def suffer(fault: Fault, actors: Actors, health: Health) -> None:
    """Do it, wait until all is well, and judge what HTTP clients met."""
    began = asyncio.get_running_loop().time()
    await fault.act(actors.cluster)
    seconds = await health.wait()
    met = [each for answers in actors.answers.values() for each in answers if each.ended > began]
    failed = [each for each in met if each.text != OK]
    print(f"{fault}: all well {seconds:.1f} s later; {len(failed)} of {len(met)} requests failed")
    if not fault.hurts_traffic:
        assert failed == [], fault
    assert all(each.text.startswith(FAILURES) for each in failed), failed
