"""What is killed comes back, and nothing that was acknowledged is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from tests.e2e.test_walk import MANIFEST, ready_pods
from tests.support.cluster import Cluster
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


@pytest.mark.parametrize("name", ["apiserver-0", "controller-manager-0", "scheduler-0", "kubelet-node1"])
def test_any_component_may_be_killed(own_cluster: Cluster, name: str) -> None:
    own_cluster.kubectl("create", "-f", "-", stdin=MANIFEST)
    ready_pods(own_cluster, "default", 1)
    killed = own_cluster.kill(name)
    until("it is back", lambda: own_cluster.running().get(name, killed) != killed)
    scale = ("kubectl", "scale", "deployment/nginx", "--replicas=3")
    until("the API answers", lambda: own_cluster.run(*scale, check=False).returncode == 0)
    ready_pods(own_cluster, "default", 3)


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
