"""Pods as users meet them: refused, crashing, printing, forwarded, ending."""

from __future__ import annotations

import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.wait import until

pytestmark = pytest.mark.e2e

POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, annotations: {{kubelite/stage: "{stage}"}}}}
spec:
  terminationGracePeriodSeconds: 2
  restartPolicy: {restart}
  containers: [{{name: c, image: {image}, resources: {{requests: {{cpu: "{cpu}"}}}}}}]
"""


def create(cluster: Cluster, namespace: str, name: str, **more: str) -> None:
    values = {"stage": "", "restart": "Always", "image": "nginx:1.27.0", "cpu": "10m", **more}
    cluster.kubectl("create", "-n", namespace, "-f", "-", stdin=POD.format(name=name, **values))


def status(cluster: Cluster, namespace: str, name: str) -> str:
    """What `kubectl get pod` shows as STATUS."""
    row = cluster.kubectl("get", "pod", name, "-n", namespace, "--no-headers")
    return re.split(r"\s{2,}", row.strip())[2]


def wait_status(cluster: Cluster, namespace: str, name: str, wanted: str) -> None:
    until(f"pod {name} is {wanted}", lambda: status(cluster, namespace, name) == wanted)


def test_a_pod_too_large_is_told_why(cluster: Cluster, namespace: str) -> None:
    create(cluster, namespace, "large", cpu="1000")
    told = (
        "0/3 nodes are available: 3 Insufficient cpu. no new claims to deallocate, preemption: "
        "0/3 nodes are available: 3 Preemption is not helpful for scheduling."
    )

    def described() -> bool:
        text = cluster.kubectl("describe", "pod", "large", "-n", namespace)
        return bool(re.search(r"Warning +FailedScheduling .* default-scheduler +" + re.escape(told), text))

    until("describe shows why", described)
    assert status(cluster, namespace, "large") == "Pending"


def test_a_crashing_pod_backs_off_and_prints(cluster: Cluster, namespace: str) -> None:
    create(cluster, namespace, "crash", stage="crash")
    wait_status(cluster, namespace, "crash", "CrashLoopBackOff")
    assert cluster.kubectl("logs", "crash", "-n", namespace) == "something went wrong\n"
    assert cluster.kubectl("logs", "crash", "-n", namespace, "--previous") == "something went wrong\n"


def test_a_pod_that_runs_once_completes(cluster: Cluster, namespace: str) -> None:
    create(cluster, namespace, "once", image="hello-world", restart="Never")
    wait_status(cluster, namespace, "once", "Completed")
    assert cluster.kubectl("logs", "once", "-n", namespace) == "Hello from a simulated container!\n"


def test_creating_and_terminating_are_seen(cluster: Cluster, namespace: str) -> None:
    """A watch sees every state, however slow the machine is; a gate holds the pod until it is there."""
    gated = POD.format(name="p", stage="", restart="Always", image="nginx", cpu="10m")
    gated += "  schedulingGates: [{name: example.com/gate}]\n"
    cluster.kubectl("create", "-n", namespace, "-f", "-", stdin=gated)
    command = ["kubectl", "get", "pods", "-w", "-n", namespace, "--no-headers"]
    with subprocess.Popen(command, env=cluster.env, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        states = (re.split(r"\s{2,}", line.strip())[2] for line in watching.stdout)
        try:
            seen = [next(states)]
            cluster.kubectl("patch", "pod", "p", "-n", namespace, "-p", '{"spec": {"schedulingGates": null}}')
            while seen[-1] != "Running":
                seen.append(next(states))
            cluster.kubectl("delete", "pod", "p", "-n", namespace, "--wait=false")
            while seen[-1] == "Running":
                seen.append(next(states))
        finally:
            watching.terminate()
    wanted = ["SchedulingGated", "Pending", "ContainerCreating", "Running", "Terminating"]
    assert list(dict.fromkeys(seen)) == wanted


@contextmanager
def forwarded(cluster: Cluster, *words: str) -> Iterator[int]:
    """The local port of a running `kubectl port-forward`."""
    command = ["kubectl", "port-forward", "--address", "127.0.0.1", *words]
    with subprocess.Popen(command, env=cluster.env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        found = re.fullmatch(r"Forwarding from 127\.0\.0\.1:(\d+) -> \d+\n", said)
        assert found, said
        try:
            yield int(found.group(1))
        finally:
            process.terminate()


def test_a_port_is_forwarded(cluster: Cluster, namespace: str) -> None:
    create(cluster, namespace, "web")
    cluster.kubectl("wait", "--for=condition=Ready", "pod/web", "-n", namespace, "--timeout=60s")
    with forwarded(cluster, "pod/web", ":80", "-n", namespace) as port:
        for _ in range(2):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}") as answer:
                assert "Welcome to nginx!" in answer.read().decode()


def test_a_returning_kubelet_disturbs_no_pod(own_cluster: Cluster) -> None:
    cluster = own_cluster
    until("the default account", lambda: "default" in cluster.kubectl("get", "sa", "-o", "name"))
    create(cluster, "default", "web")
    cluster.kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=60s")
    before: Any = cluster.json("get", "pod", "web")
    name = f"kubelet-{before['spec']['nodeName']}"
    cluster.kill(name)
    until("the kubelet is back", lambda: name in cluster.running())

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://{before['status']['podIP']}", timeout=5) as answer:
                return "Welcome to nginx!" in answer.read().decode()
        except OSError:
            return False

    until("the pod answers again", answers)
    assert cluster.json("get", "pod", "web")["status"] == before["status"]
