"""The first walk: a Deployment from `kubectl create -f` to `Welcome to nginx!`, with the stock clients."""

from __future__ import annotations

import re
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.wait import until

pytestmark = pytest.mark.e2e

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: nginx}
spec:
  replicas: 1
  selector: {matchLabels: {app: nginx}}
  template:
    metadata: {labels: {app: nginx}}
    spec:
      containers: [{image: "nginx:1.27.0", name: nginx}]
"""


def pods(cluster: Cluster, namespace: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = cluster.json("get", "pods", "-n", namespace)["items"]
    return items


def ready_pods(cluster: Cluster, namespace: str, count: int) -> list[dict[str, Any]]:
    """Wait until exactly so many pods are there, all ready and none ending."""

    def check() -> list[dict[str, Any]]:
        found = pods(cluster, namespace)
        good = [
            pod
            for pod in found
            if "deletionTimestamp" not in pod["metadata"]
            and {"type": "Ready", "status": "True"}.items() <= condition(pod, "Ready").items()
        ]
        return good if len(good) == len(found) == count else []

    return until(f"{count} ready pods", check)


def condition(o: dict[str, Any], kind: str) -> dict[str, Any]:
    return next((each for each in o["status"].get("conditions", []) if each["type"] == kind), {})


def lines(text: str) -> list[list[str]]:
    """The cells of a printed table."""
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]


@pytest.fixture
def nginx(cluster: Cluster, namespace: str) -> str:
    """A namespace in which the Deployment runs."""
    cluster.kubectl("create", "-n", namespace, "-f", "-", stdin=MANIFEST)
    cluster.kubectl("rollout", "status", "deployment/nginx", "-n", namespace, "--timeout=60s")
    return namespace


def test_create_says_so_and_get_shows_the_deployment(cluster: Cluster, namespace: str) -> None:
    said = cluster.kubectl("create", "-n", namespace, "-f", "-", stdin=MANIFEST)
    assert said == "deployment.apps/nginx created\n"
    cluster.kubectl("wait", "-n", namespace, "--for=condition=Available", "deployment/nginx", "--timeout=60s")
    header, row = lines(cluster.kubectl("get", "deployment", "-n", namespace))
    assert header == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert row[:4] == ["nginx", "1/1", "1", "1"]
    again = cluster.run("kubectl", "create", "-n", namespace, "-f", "-", stdin=MANIFEST, check=False)
    assert again.returncode == 1
    assert 'Error from server (AlreadyExists): error when creating "STDIN"' in again.stderr


def test_descriptions_end_in_their_events(cluster: Cluster, nginx: str) -> None:
    replica_set = cluster.json("get", "rs", "-n", nginx)["items"][0]["metadata"]["name"]
    pod = pods(cluster, nginx)[0]["metadata"]["name"]
    assert re.fullmatch(r"nginx-[bcdfghjklmnpqrstvwxz2456789]{1,10}", replica_set)
    assert re.fullmatch(rf"{replica_set}-[bcdfghjklmnpqrstvwxz2456789]{{5}}", pod)
    scaled = ("ScalingReplicaSet", "deployment-controller", f"Scaled up replica set {replica_set} to 1")
    created = ("SuccessfulCreate", "replicaset-controller", f"Created pod: {pod}")
    for words, (reason, source, message) in ((("deployment", "nginx"), scaled), (("rs",), created)):
        describe = partial(cluster.kubectl, "describe", *words, "-n", nginx)
        until("the event", lambda describe=describe, reason=reason: f"Normal  {reason} " in describe())
        kind, _, age, *rest = lines(describe())[-1]
        assert (kind, rest) == ("Normal", [source, message])
        assert re.fullmatch(r"\d+s", age)


def test_a_pod_has_an_address_and_answers_there(cluster: Cluster, nginx: str) -> None:
    wide = lines(cluster.kubectl("get", "po", "-owide", "-n", nginx))
    row = dict(zip(wide[0], wide[1], strict=True))
    assert row["STATUS"] == "Running"
    assert row["NODE"] in ("node1", "node2", "node3")
    answer = subprocess.run(
        ["curl", "--silent", "--show-error", "--max-time", "30", f"http://{row['IP']}/"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Welcome to nginx!" in answer.stdout


def test_a_deleted_pod_is_replaced(cluster: Cluster, nginx: str) -> None:
    (old,) = ready_pods(cluster, nginx, 1)
    cluster.kubectl("delete", "po", old["metadata"]["name"], "-n", nginx)
    (new,) = ready_pods(cluster, nginx, 1)
    assert new["metadata"]["name"] != old["metadata"]["name"]
    assert new["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet"


def test_scale_to_three_puts_them_on_three_nodes(cluster: Cluster, nginx: str) -> None:
    said = cluster.kubectl("scale", "deployment/nginx", "--replicas=3", "-n", nginx)
    assert said == "deployment.apps/nginx scaled\n"
    found = ready_pods(cluster, nginx, 3)
    assert {pod["spec"]["nodeName"] for pod in found} == {"node1", "node2", "node3"}
    until(
        "the event",
        lambda: re.search(
            r"Scaled up replica set nginx-\w+ to 3 from 1$",
            cluster.kubectl("describe", "deployment", "nginx", "-n", nginx).strip(),
        ),
    )


def test_edit_to_three_puts_them_on_three_nodes(cluster: Cluster, nginx: str, tmp_path: Path) -> None:
    editor = script(tmp_path, "s/^  replicas: 1$/  replicas: 3/")
    said = cluster.run("kubectl", "edit", "deployment", "nginx", "-n", nginx, EDITOR=editor).stdout
    assert said == "deployment.apps/nginx edited\n"
    found = ready_pods(cluster, nginx, 3)
    assert {pod["spec"]["nodeName"] for pod in found} == {"node1", "node2", "node3"}


def test_an_edited_pod_is_seen_in_the_store(cluster: Cluster, nginx: str, tmp_path: Path) -> None:
    (pod,) = ready_pods(cluster, nginx, 1)
    name, revision = pod["metadata"]["name"], int(pod["metadata"]["resourceVersion"])
    prefix = f"/registry/pods/{nginx}/"
    seen = tmp_path / "seen"
    with seen.open("w") as out:
        watch = subprocess.Popen(
            ["etcdctl", "watch", "--prefix", prefix, f"--rev={revision + 1}"], env=cluster.env, stdout=out
        )
    try:
        editor = script(tmp_path, "s/^    app: nginx$/    app: nginx\\n    seen-by: etcdctl/")
        said = cluster.run("kubectl", "edit", "po", name, "-n", nginx, EDITOR=editor).stdout
        assert said == f"pod/{name} edited\n"
        until(
            "the watch has seen the edit", lambda: '"seen-by":"etcdctl"' in seen.read_text().replace(" ", "")
        )
    finally:
        watch.terminate()
        watch.wait()
    assert seen.read_text().splitlines()[:2] == ["PUT", f"{prefix}{name}"]


def script(folder: Path, sed: str) -> str:
    """An editor that does one thing."""
    path = folder / "editor"
    path.write_text(f'#!/bin/sh\nexec sed -i "{sed}" "$1"\n')
    path.chmod(0o755)
    return str(path)


def test_our_own_client_walks_the_same_way(cluster: Cluster, namespace: str) -> None:
    here = ("-n", namespace)
    assert cluster.kl("create", *here, "-f", "-", stdin=MANIFEST) == "deployment.apps/nginx created\n"
    ready_pods(cluster, namespace, 1)
    assert cluster.kl("scale", "deploy/nginx", "--replicas=2", *here) == "deployment.apps/nginx scaled\n"
    ready_pods(cluster, namespace, 2)
    until("the status", lambda: "2/2" in cluster.kl("get", "deploy", "nginx", *here))
    for words in (("get", "deploy,rs,po"), ("get", "po", "-o", "yaml"), ("get", "po", "-o", "name")):
        assert ageless(cluster.kl(*words, *here)) == ageless(cluster.kubectl(*words, *here))
    for words in (("describe", "deploy", "nginx"), ("describe", "rs"), ("describe", "po")):
        assert ageless(cluster.kl(*words, *here)) == ageless(cluster.kubectl(*words, *here))
    assert cluster.kl("delete", "deploy", "nginx", *here) == 'deployment.apps "nginx" deleted\n'
    until("nothing is left", lambda: pods(cluster, namespace) == [])


def ageless(text: str) -> str:
    """A text without the ages in it, and without the spaces that depend on their width."""
    return re.sub(r" +", " ", re.sub(r"\b(\d+[dhms])+\b", "AGE", text))


def test_deleting_the_deployment_leaves_nothing(cluster: Cluster, nginx: str) -> None:
    cluster.kubectl("delete", "deployment", "nginx", "-n", nginx)
    until("nothing is left", lambda: not cluster.kubectl("get", "rs,po", "-n", nginx, "-o", "name"))
