"""A node falls silent: it is given up, its pods are replaced elsewhere, and it may come back."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import deploy
from kube.api import conditions
from kube.api.meta import Object
from tests.support.cluster import Cluster
from tests.support.wait import until

pytestmark = pytest.mark.e2e

TOPOLOGY = Path(deploy.__file__).parent / "topology-demo.yaml"
NODES = {"node1", "node2", "node3"}


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster that gives a node up after seconds."""
    cluster = Cluster(tmp_path)
    cluster.launcher("up", "--port-base", str(cluster.port_base), "--topology", str(TOPOLOGY))
    try:
        yield cluster
    finally:
        cluster.down()
    assert cluster.leftovers() == []


@contextmanager
def silenced(cluster: Cluster, node: str) -> Iterator[None]:
    """The node's kubelet stands still for a while."""
    cluster.kill(f"kubelet-{node}", signal.SIGSTOP)
    try:
        yield
    finally:
        cluster.kill(f"kubelet-{node}", signal.SIGCONT)


def test_pods_of_a_silent_node_are_replaced_and_the_node_returns(impatient: Cluster) -> None:
    impatient.kubectl("create", "deployment", "web", "--image=nginx:1.27.0", "--replicas=3")
    before = until("one pod on each node", lambda: ready_on(impatient, NODES))
    with silenced(impatient, "node2"):
        until("the node is given up", lambda: status(impatient, "node2") == "Unknown")
        until("all run elsewhere", lambda: ready_on(impatient, {"node1", "node3"}))
        effects = [(each["key"], each["effect"]) for each in taints(impatient, "node2")]
        unreachable = "node.kubernetes.io/unreachable"
        assert effects == [(unreachable, "NoSchedule"), (unreachable, "NoExecute")]
        lost = next(each for each in pods(impatient) if each["spec"]["nodeName"] == "node2")
        target = conditions.find(lost, "DisruptionTarget")
        assert target is not None
        assert target["reason"] == "DeletionByTaintManager"
        assert not conditions.is_true(lost, "Ready")
        assert lost["metadata"]["deletionTimestamp"]
    until("the node is Ready", lambda: status(impatient, "node2") == "True")
    until("its taints are gone", lambda: not taints(impatient, "node2"))
    until("the old pod is gone", lambda: len(pods(impatient)) == 3)
    assert "Node node2 status is now: NodeNotReady" in messages(impatient, "NodeNotReady", "Node")
    marked = f"Marking for deletion Pod default/{lost['metadata']['name']}"
    assert marked in messages(impatient, "TaintManagerEviction", "Pod")
    kept = {each["metadata"]["uid"] for each in before} - {lost["metadata"]["uid"]}
    assert kept < {each["metadata"]["uid"] for each in pods(impatient)}


def test_pods_that_bear_the_silence_stay_and_are_ready_again(impatient: Cluster) -> None:
    containers = [{"name": "c", "image": "nginx:1.27.0"}]
    spec = {"nodeName": "node1", "tolerations": [{"operator": "Exists"}], "containers": containers}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "patient"}, "spec": spec}
    impatient.kubectl("create", "-f", "-", stdin=json.dumps(pod))
    [before] = until("the pod is ready", lambda: ready_on(impatient, {"node1"}, 1))
    with silenced(impatient, "node1"):
        until("it is not ready", lambda: not ready_on(impatient, {"node1"}, 1))
        until("the node drives others away", lambda: len(taints(impatient, "node1")) == 2)
    [after] = until("it is ready again", lambda: ready_on(impatient, {"node1"}, 1))
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["status"]["containerStatuses"] == before["status"]["containerStatuses"]
    until("its taints are gone", lambda: not taints(impatient, "node1"))


def pods(cluster: Cluster) -> list[Object]:
    items: list[Object] = cluster.json("get", "pods")["items"]
    return items


def ready_on(cluster: Cluster, nodes: set[str], count: int = 3) -> list[Object]:
    """The pods that are ready and to stay, if there are so many and they are on all these nodes only."""
    found = [
        each
        for each in pods(cluster)
        if conditions.is_true(each, "Ready") and "deletionTimestamp" not in each["metadata"]
    ]
    return found if len(found) == count and {each["spec"]["nodeName"] for each in found} == nodes else []


def status(cluster: Cluster, node: str) -> str:
    """Of the node's Ready condition."""
    ready = conditions.find(cluster.json("get", "node", node), "Ready")
    return ready["status"] if ready is not None else ""


def taints(cluster: Cluster, node: str) -> list[Object]:
    found: list[Object] = cluster.json("get", "node", node)["spec"].get("taints", [])
    return found


def messages(cluster: Cluster, reason: str, kind: str) -> list[str]:
    """What the Events of a reason say about objects of a kind."""
    chosen = f"reason={reason},involvedObject.kind={kind}"
    items = cluster.json("get", "events", "-A", "--field-selector", chosen)["items"]
    return [each["message"] for each in items]
