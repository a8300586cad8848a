"""What is killed comes back, and nothing that was acknowledged is lost."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest

from kube.base.low_ports import bindable
from tests.e2e.test_walk import MANIFEST, ready_pods
from tests.support.cluster import Cluster
from tests.support.load import OK, ask
from tests.support.wait import until

pytestmark = pytest.mark.e2e


def write_until(cluster: Cluster, stop: Event) -> list[str]:
    """Make ConfigMaps one after the other; the names of those that were acknowledged."""
    acknowledged = []
    number = 0
    while not stop.is_set():
        number += 1
        name = f"written-{number}"
        if cluster.run("kubectl", "create", "configmap", name, check=False).returncode == 0:
            acknowledged.append(name)
    return acknowledged


def names(cluster: Cluster, resource: str) -> set[str]:
    return {each["metadata"]["name"] for each in cluster.json("get", resource)["items"]}


def test_writes_resume_after_the_leader_of_the_store_is_killed(own_cluster: Cluster) -> None:
    stop = Event()
    with ThreadPoolExecutor() as pool:
        writing = pool.submit(write_until, own_cluster, stop)
        try:
            until("some are written", lambda: len(names(own_cluster, "configmaps")) > 5)
            old = own_cluster.leader()
            killed = own_cluster.kill(old)
            until("it is gone", lambda: not killed.is_alive())
            before = names(own_cluster, "configmaps")
            until("writes resume", lambda: len(names(own_cluster, "configmaps") - before) > 5)
            until("the killed member is back", lambda: old in own_cluster.running())
        finally:
            stop.set()
        acknowledged = writing.result()
    assert set(acknowledged) <= names(own_cluster, "configmaps")
    until("all three are healthy", lambda: is_healthy(own_cluster))
    # The member that was away has everything, too.
    endpoint = f"https://127.0.0.1:{own_cluster.layout.etcd_client_port(int(old[-1]))}"
    prefix = "/registry/configmaps/default/"
    listing = ("etcdctl", "get", "--prefix", "--keys-only", "--consistency=l", prefix)
    keys = own_cluster.run(*listing, ETCDCTL_ENDPOINTS=endpoint).stdout.split()
    assert {prefix + name for name in acknowledged} <= set(keys)


def is_healthy(cluster: Cluster) -> bool:
    return cluster.run("etcdctl", "endpoint", "health", check=False).returncode == 0


def test_after_everything_was_killed_at_once_all_objects_are_there(own_cluster: Cluster) -> None:
    own_cluster.kubectl("create", "-f", "-", stdin=MANIFEST)
    own_cluster.kubectl("scale", "deployment/nginx", "--replicas=3")
    before = {pod["metadata"]["uid"] for pod in ready_pods(own_cluster, "default", 3)}
    objects = own_cluster.etcdctl("get", "--prefix", "--keys-only", "/registry/deployments").split()
    own_cluster.kill_everything()
    said = own_cluster.up()
    assert "The cluster is up." in said
    after = {pod["metadata"]["uid"] for pod in ready_pods(own_cluster, "default", 3)}
    assert after == before
    assert own_cluster.etcdctl("get", "--prefix", "--keys-only", "/registry/deployments").split() == objects
    # And the loop still turns.
    own_cluster.kubectl("scale", "deployment/nginx", "--replicas=1")
    ready_pods(own_cluster, "default", 1)


KUBELETS = ("kubelet-node1", "kubelet-node2", "kubelet-node3")


@pytest.mark.parametrize("killed", [KUBELETS[:1], KUBELETS], ids=["one", "all"])
def test_a_kubelet_that_returns_finds_its_containers_as_they_were(
    own_cluster: Cluster, killed: tuple[str, ...]
) -> None:
    own_cluster.kubectl("create", "-f", "-", stdin=MANIFEST)
    own_cluster.kubectl("scale", "deployment/nginx", "--replicas=3")
    before = containers(ready_pods(own_cluster, "default", 3))
    assert {node for node, *_ in before.values()} == {"node1", "node2", "node3"}
    old = {name: own_cluster.kill(name) for name in killed}
    until("they are gone", lambda: not any(each.is_alive() for each in old.values()))
    until("they are back", lambda: set(killed) <= set(own_cluster.running()))
    back_at = time.monotonic()
    until("every page answers", lambda: all(page(ip) == OK for _, ip, *_ in before.values()))
    print(f"all pages answer {time.monotonic() - back_at:.2f} s after the return of {', '.join(killed)}")
    # They are at work again, and still nothing has changed.
    own_cluster.kubectl("scale", "deployment/nginx", "--replicas=6")
    assert before.items() <= containers(ready_pods(own_cluster, "default", 6)).items()


def containers(pods: list[Any]) -> dict[str, tuple[str, ...]]:
    """By pod: its node and address, and of its container the id, the start and the number of restarts."""
    found = {}
    for pod in pods:
        [each] = pod["status"]["containerStatuses"]
        facts = each["containerID"], each["state"]["running"]["startedAt"], str(each["restartCount"])
        found[pod["metadata"]["name"]] = (pod["spec"]["nodeName"], pod["status"]["podIP"], *facts)
    return found


def page(address: str) -> str:
    """The status line of a pod's page."""
    return asyncio.run(ask(address, bindable(80)))


def test_without_its_supervisor_a_cluster_goes_on_and_is_adopted(own_cluster: Cluster) -> None:
    before = own_cluster.running()
    killed = own_cluster.kill("supervisor")
    until("it is gone", lambda: not killed.is_alive())
    own_cluster.kubectl("create", "-f", "-", stdin=MANIFEST)
    ready_pods(own_cluster, "default", 1)
    own_cluster.up()
    after = own_cluster.running()
    components = set(before) - {"supervisor", "nursery"}
    assert {name: after[name] for name in components} == {name: before[name] for name in components}
    assert after["supervisor"] != before["supervisor"]
    # What it adopted it also starts again.
    own_cluster.kill("scheduler-0")
    until(
        "it is back",
        lambda: own_cluster.running().get("scheduler-0", before["scheduler-0"]) != before["scheduler-0"],
    )


def test_without_its_supervisor_a_cluster_is_ended_by_down(own_cluster: Cluster) -> None:
    killed = own_cluster.kill("supervisor")
    until("it is gone", lambda: not killed.is_alive())
    assert own_cluster.down() == "Everything has been stopped.\n"
    assert own_cluster.leftovers() == []
