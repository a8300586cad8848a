"""A cluster with a Docker node, as `deploy/topology-docker.yaml` has it, in a namespace with an engine."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import deploy
from deploy.routes import PROTOCOL
from tests.support.cluster import Cluster
from tests.support.engine import IMAGE, Engine, running
from tests.support.wait import until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

TOPOLOGY = Path(deploy.__file__).parent / "topology-docker.yaml"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with running(tmp_path_factory.mktemp("docker")) as started:
        yield started


@pytest.fixture(scope="module")
def docker_cluster(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    document = yaml.safe_load(TOPOLOGY.read_text())
    flags = {"container-runtime-endpoint": engine.endpoint, "node-status-update-frequency": "1s"}
    document["kubelet"]["nodes"][0]["flags"] = flags
    document["kubelet"]["nodes"].append({"name": "fake1", "runtime": "fake"})
    (folder / "topology.yaml").write_text(yaml.safe_dump(document))
    cluster = Cluster(folder, prefix=engine.namespace.prefix)
    base = str(cluster.port_base)
    cluster.launcher("up", "--port-base", base, "--topology", str(folder / "topology.yaml"))
    try:
        yield cluster
    finally:
        cluster.down("--wipe")


def run(cluster: Cluster, name: str, command: str) -> None:
    """A pod that ends when it is told to."""
    obeys = f"trap 'exit 0' TERM; {command} & wait"
    where = ("--overrides", json.dumps({"spec": {"nodeName": "docker1"}}))
    cluster.kubectl("run", name, f"--image={IMAGE}", "--port=8080", *where, "--", "sh", "-c", obeys)
    cluster.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")


def test_pods_reach_pods_and_services(docker_cluster: Cluster) -> None:
    run(docker_cluster, "web", "httpd -f -p 8080 -h /etc")
    docker_cluster.kubectl("expose", "pod", "web", "--port=80", "--target-port=8080")
    run(docker_cluster, "client", "sleep 1000")
    service = docker_cluster.json("get", "service", "web")["spec"]["clusterIP"]
    pod = docker_cluster.json("get", "pod", "web")["status"]["podIP"]
    assert pod.startswith("10.224.1.")
    for address in (f"{pod}:8080", service, "web", "web.default.svc.cluster.local."):

        def asked(address: str = address) -> str:
            command = ("kubectl", "exec", "client", "--", "wget", "-qO-", f"http://{address}/group")
            return docker_cluster.run(*command, check=False).stdout

        assert until(f"{address} answers", asked) == "root:x:0:\nnogroup:x:65534:\n"


def test_pods_of_docker_and_of_other_nodes_reach_each_other(docker_cluster: Cluster) -> None:
    """Through Services, by name: `network: routed` gives all of them addresses that a container reaches."""
    overrides = ("--overrides", json.dumps({"spec": {"nodeName": "fake1"}}))
    docker_cluster.kubectl("run", "pretended", "--image=nginx", "--port=80", *overrides)
    docker_cluster.kubectl("expose", "pod", "pretended", "--type=NodePort")
    node = docker_cluster.json("get", "node", "fake1")["status"]["addresses"][0]["address"]
    port = docker_cluster.json("get", "service", "pretended")["spec"]["ports"][0]["nodePort"]

    def got(pod: str, *command: str) -> str:
        return docker_cluster.run("kubectl", "exec", pod, "--", *command, check=False).stdout

    for url in ("http://pretended", f"http://{node}:{port}"):
        page = until(f"{url} answers", lambda url=url: got("client", "wget", "-qO-", url))
        assert "Welcome to nginx" in page
    assert until("the container answers", lambda: got("pretended", "curl", "-s", "http://web/group"))
    asked = got("client", "nslookup", "pretended.default.svc.cluster.local")
    address = docker_cluster.json("get", "service", "pretended")["spec"]["clusterIP"]
    assert address in asked
    assert got("client", "cat", "/etc/resolv.conf").splitlines()[:2] == [
        "nameserver 10.96.0.10",
        "search default.svc.cluster.local svc.cluster.local cluster.local",
    ]


def test_an_engine_that_dies_takes_the_node_along_until_it_is_back(
    docker_cluster: Cluster, engine: Engine
) -> None:
    run(docker_cluster, "counter", "while true; do echo tick; sleep 0.1; done")

    def ready() -> dict[str, str]:
        conditions = docker_cluster.json("get", "node", "docker1")["status"]["conditions"]
        return next(each for each in conditions if each["type"] == "Ready")

    def restarted() -> bool:
        # Whichever comes first gets the first address, and another one than before.
        here = "--field-selector=spec.nodeName=docker1"
        pods = docker_cluster.json("get", "pods", here)["items"]
        statuses = [pod["status"]["containerStatuses"][0] for pod in pods]
        return all(each["ready"] and each["restartCount"] == 1 for each in statuses)

    engine.kill()
    until("the node is not ready", lambda: ready()["status"] == "False")
    why = f"Cannot connect to the Docker daemon at {engine.endpoint}. Is the docker daemon running?"
    assert (ready()["reason"], ready()["message"]) == ("KubeletNotReady", why)
    engine.launch()
    until("the node is ready", lambda: ready()["status"] == "True")
    until("what ran runs again", restarted)
    assert "tick" in docker_cluster.kubectl("logs", "counter", "--previous")


def test_down_ends_pods_and_says_when_it_cannot(docker_cluster: Cluster, engine: Engine) -> None:
    engine.kill()
    refused = docker_cluster.launcher("down", "--wipe", check=False)
    assert refused.returncode == 1
    why = f"Cannot connect to the Docker daemon at {engine.endpoint}. Is the docker daemon running?"
    assert f"error: the pods of node docker1 were left: {why}" in refused.stderr
    assert docker_cluster.data_dir.exists()
    engine.launch()
    ours = ("ip", "-4", "route", "show", "table", "local", "proto", PROTOCOL)
    assert "local 10.96.0.0/16 dev lo" in docker_cluster.run(*ours).stdout
    env = docker_cluster.env
    docker_cluster.down("--wipe")
    left = subprocess.run([*engine.namespace.prefix, *ours], env=env, capture_output=True, check=True)
    assert left.stdout == b""
    assert not docker_cluster.data_dir.exists()
    assert engine.docker("ps", "--all", "--quiet") == ""
    assert "kubelite" not in engine.docker("network", "ls") + engine.docker("images")
