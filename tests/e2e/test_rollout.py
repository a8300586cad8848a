"""Rollouts with the stock client: their bounds, as a watcher sees them, and what `kubectl rollout` says."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.wait import until

pytestmark = pytest.mark.e2e

REPLICAS = 4
MANIFEST = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: {REPLICAS}
  strategy: {{rollingUpdate: {{maxSurge: 1, maxUnavailable: 25%}}}}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers: [{{image: "nginx:1", name: web}}]
"""


@pytest.fixture
def web(cluster: Cluster, namespace: str) -> str:
    """A namespace in which the Deployment runs."""
    cluster.kubectl("create", "-n", namespace, "-f", "-", stdin=MANIFEST)
    wait_rolled_out(cluster, namespace)
    return namespace


def wait_rolled_out(cluster: Cluster, namespace: str) -> str:
    return cluster.kubectl("rollout", "status", "deployment/web", "-n", namespace, "--timeout=60s")


@contextmanager
def watching(cluster: Cluster, resource: str, namespace: str, file: Path) -> Iterator[None]:
    """Write every state of a resource's objects into a file."""
    words = ("get", resource, "-n", namespace, "--watch", "-o", "json", "--output-watch-events")
    with file.open("w") as out:
        watch = subprocess.Popen(["kubectl", *words], env=cluster.env, stdout=out)
    try:
        until("the watch has begun", lambda: len(events(file)) >= 1)
        yield
    finally:
        watch.terminate()
        watch.wait()


def events(file: Path) -> list[dict[str, Any]]:
    """The whole events in a file that may end in the middle of one."""
    found, text, decoder = [], file.read_text().lstrip(), json.JSONDecoder()
    while text:
        try:
            event, end = decoder.raw_decode(text)
        except json.JSONDecodeError:
            break
        found.append(event)
        text = text[end:].lstrip()
    return found


def moments(file: Path) -> Iterator[list[dict[str, Any]]]:
    """All objects that live, after each event."""
    living: dict[str, dict[str, Any]] = {}
    for event in events(file):
        uid = event["object"]["metadata"]["uid"]
        living.pop(uid, None)
        if event["type"] != "DELETED":
            living[uid] = event["object"]
        yield list(living.values())


def is_available(pod: dict[str, Any]) -> bool:
    ready = {"type": "Ready", "status": "True"}.items()
    return is_wanted(pod) and any(ready <= each.items() for each in pod["status"].get("conditions", []))


def is_wanted(pod: dict[str, Any]) -> bool:
    return "deletionTimestamp" not in pod["metadata"]


def test_a_rollout_stays_within_its_bounds(cluster: Cluster, web: str, tmp_path: Path) -> None:
    pods, sets = tmp_path / "pods", tmp_path / "sets"
    with watching(cluster, "pods", web, pods), watching(cluster, "replicasets", web, sets):
        until("all are told", lambda: len(list(moments(pods))) >= REPLICAS)
        said = cluster.kubectl("set", "image", "deployment/web", "web=nginx:2", "-n", web)
        assert said == "deployment.apps/web image updated\n"
        assert wait_rolled_out(cluster, web).endswith('deployment "web" successfully rolled out\n')
        until("the old pods are gone", lambda: len(last(pods)) == REPLICAS)
    # The first events tell what was there before.
    for living in list(moments(pods))[REPLICAS - 1 :]:
        assert sum(map(is_available, living)) >= REPLICAS - 1
        assert sum(map(is_wanted, living)) <= REPLICAS + 1
    for living in moments(sets):
        assert sum(each["spec"]["replicas"] for each in living) <= REPLICAS + 1
    assert {pod["spec"]["containers"][0]["image"] for pod in last(pods)} == {"nginx:2"}


def last(file: Path) -> list[dict[str, Any]]:
    return list(moments(file))[-1]


def test_what_kubectl_rollout_says(cluster: Cluster, web: str) -> None:
    def rollout(verb: str, *options: str) -> str:
        return cluster.kubectl("rollout", verb, "deployment/web", "-n", web, *options)

    def images() -> set[str]:
        items = cluster.json("get", "pods", "-n", web)["items"]
        return {pod["spec"]["containers"][0]["image"] for pod in items if is_wanted(pod)}

    assert rollout("pause") == "deployment.apps/web paused\n"
    cluster.kubectl("set", "image", "deployment/web", "web=nginx:2", "-n", web)
    cluster.kubectl("set", "env", "deployment/web", "A=b", "-n", web)
    until("it is noted", lambda: "DeploymentPaused" in describe(cluster, web))
    assert images() == {"nginx:1"}, "a paused Deployment is not rolled out"
    assert rollout("resume") == "deployment.apps/web resumed\n"
    wait_rolled_out(cluster, web)
    assert images() == {"nginx:2"}
    assert revisions(rollout("history")) == ["1", "2"], "both changes are one revision"
    assert "nginx:1" in rollout("history", "--revision=1")

    assert rollout("undo") == "deployment.apps/web rolled back\n"
    wait_rolled_out(cluster, web)
    assert images() == {"nginx:1"}
    assert revisions(rollout("history")) == ["2", "3"], "the first revision is the third now"

    assert rollout("restart") == "deployment.apps/web restarted\n"
    wait_rolled_out(cluster, web)
    assert revisions(rollout("history")) == ["2", "3", "4"]
    until(
        "more than ten steps are told together",
        lambda: "(combined from similar events): Scaled " in describe(cluster, web),
    )


def describe(cluster: Cluster, namespace: str) -> str:
    return cluster.kubectl("describe", "deployment/web", "-n", namespace)


def revisions(history: str) -> list[str]:
    return re.findall(r"^(\d+) ", history, re.MULTILINE)


OTHERS = """
apiVersion: apps/v1
kind: {kind}
metadata: {{name: web, annotations: {{kubernetes.io/change-cause: first}}}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers: [{{image: "nginx:1", name: web}}]
"""


@pytest.mark.parametrize("kind", ["DaemonSet", "StatefulSet"])
def test_kl_says_of_controller_revisions_what_kubectl_says(
    cluster: Cluster, namespace: str, kind: str
) -> None:
    what = f"{kind.lower()}/web"

    def both(verb: str, *options: str) -> str:
        words = ("rollout", verb, what, "-n", namespace, *options)
        said = cluster.kl(*words)
        assert said == cluster.kubectl(*words)
        return said

    def kl(verb: str, *options: str) -> str:
        said = cluster.kl("rollout", verb, what, "-n", namespace, *options)
        cluster.kubectl("rollout", "status", what, "-n", namespace, "--timeout=60s")
        return said

    def image() -> str:
        found = cluster.json("get", what, "-n", namespace)
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])

    cluster.kubectl("create", "-n", namespace, "-f", "-", stdin=OTHERS.format(kind=kind))
    kl("status")
    cluster.kubectl("set", "image", what, "web=nginx:2", "-n", namespace)
    kl("status")
    both("status")
    assert revisions(both("history")) == ["1", "2"]
    assert "nginx:1" in both("history", "--revision=1")
    assert kl("undo") == f"{kind.lower()}.apps/web rolled back\n"
    assert image() == "nginx:1"
    assert revisions(both("history")) == ["2", "3"]
    assert kl("undo", "--to-revision=2") == f"{kind.lower()}.apps/web rolled back\n"
    assert image() == "nginx:2"
    skipped = "skipped rollback (current template already matches revision 4)"
    # Not asked of kubectl: it compares bytes, and an old one has fields that today's revisions lack.
    assert kl("undo", "--to-revision=4") == f"{kind.lower()}.apps/web {skipped}\n"
    assert kl("restart") == f"{kind.lower()}.apps/web restarted\n"
    assert revisions(both("history")) == ["3", "4", "5"]
