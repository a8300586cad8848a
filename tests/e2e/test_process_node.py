"""A cluster with a node of processes, as `deploy/topology-process.yaml` has it: what its pods outlive."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import deploy
from tests.support.cluster import Cluster
from tests.support.wait import until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

TOPOLOGY = Path(deploy.__file__).parent / "topology-process.yaml"
SERVER = "trap 'exit 0' TERM; cd /tmp; echo I am $HOSTNAME > page; python3 -m http.server 8080 & wait"


@pytest.fixture
def process_cluster(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path)
    start(cluster)
    try:
        yield cluster
    finally:
        cluster.down("--wipe")


def start(cluster: Cluster) -> None:
    cluster.launcher("up", "--port-base", str(cluster.port_base), "--topology", str(TOPOLOGY))


def page(address: str) -> str:
    """What the pod's server says; nothing where nobody answers."""
    try:
        with urllib.request.urlopen(f"http://{address}:8080/page", timeout=60) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def test_pods_outlive_their_kubelet_and_end_with_their_cluster(process_cluster: Cluster) -> None:
    def status() -> Any:
        return process_cluster.json("get", "pod", "web")["status"]

    process_cluster.kubectl("run", "web", "--image=any", "--", "sh", "-c", SERVER)
    process_cluster.kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=60s")
    before = status()
    address = before["podIP"]
    assert until("the server answers", lambda: page(address)) == "I am web\n"

    # By the C library, as any program of the machine would.
    process_cluster.kubectl("expose", "pod", "web", "--name=pages", "--port=8080")
    service = process_cluster.json("get", "service", "pages")["spec"]["clusterIP"]
    asked = ("kubectl", "exec", "web", "--", "getent", "hosts", "pages")
    found = until("its name is known", lambda: process_cluster.run(*asked, check=False).stdout)
    assert found.split() == [service, "pages.default.svc.cluster.local"]

    process_cluster.kill("kubelet-process1")
    assert page(address) == "I am web\n", "the pod is not the kubelet's"

    def again() -> bool:
        said = process_cluster.run("kubectl", "exec", "web", "--", "echo", "again", check=False).stdout
        return said == "again\n"

    until("another kubelet has taken it up", again)
    (was,), (now,) = before["containerStatuses"], status()["containerStatuses"]
    assert (now["containerID"], now["restartCount"]) == (was["containerID"], 0)

    process_cluster.kill_everything()
    assert page(address) == "I am web\n"
    process_cluster.launcher("down")
    assert page(address) == "", "down ends what outlived everything else"

    start(process_cluster)
    until("its pod runs again", lambda: status()["containerStatuses"][0]["restartCount"] == 1)
    assert until("the server answers", lambda: page(status()["podIP"])) == "I am web\n"
