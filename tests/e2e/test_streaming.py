"""Logs, attach, port-forward and proxy with the clients people have: kubectl old and new, kl, Python's."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.test_exec import PROGRAMS, Terminal
from tests.e2e.test_old_kubectl import PROGRAM
from tests.support.cluster import COMMAND_SECONDS, Cluster
from tests.support.wait import until

pytestmark = pytest.mark.e2e

WEB = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers: [{name: nginx, image: nginx, ports: [{containerPort: 80, name: http}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 8000, targetPort: http}]}
"""
REQUEST = b"GET / HTTP/1.0\r\n\r\n"
OLD = "kubectl 1.20"
CLIENTS = {**PROGRAMS, OLD: [str(PROGRAM)]}


@pytest.fixture
def web(cluster: Cluster, namespace: str) -> str:
    cluster.kubectl("create", "-n", namespace, "-f", "-", stdin=WEB)
    cluster.kubectl("wait", "--for=condition=Ready", "pod/web", "-n", namespace, "--timeout=60s")
    return namespace


@contextmanager
def forwarding(cluster: Cluster, client: str, namespace: str, *words: str) -> Iterator[int]:
    """The port here that leads to the pod."""
    command = [*CLIENTS[client], "port-forward", "-n", namespace, "--address=127.0.0.1", *words]
    with subprocess.Popen(command, env=cluster.env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        match = re.fullmatch(r"Forwarding from 127.0.0.1:(\d+) -> 80\n", process.stdout.readline())
        assert match is not None
        yield int(match[1])
        process.terminate()
        process.communicate(timeout=COMMAND_SECONDS)


def ask(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=COMMAND_SECONDS) as connection:
        connection.sendall(REQUEST)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("client", CLIENTS)
def test_a_service_port_leads_to_a_pod(cluster: Cluster, web: str, client: str) -> None:
    with forwarding(cluster, client, web, "svc/web", ":8000") as port:
        answers: list[bytes] = []
        threads = [threading.Thread(target=lambda: answers.append(ask(port))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(answers) == 8
    assert all(answer.startswith(b"HTTP/1.1 200") and b"Welcome to nginx" in answer for answer in answers)


# Each in a process of its own: they leave sockets and threads behind, which here would be warnings.
KUBERNETES = """
import sys
from kubernetes import client, config
from kubernetes.stream import portforward
config.load_kube_config()
connect = client.CoreV1Api().connect_get_namespaced_pod_portforward
forward = portforward(connect, "web", sys.argv[1], ports="80,9")
connection = forward.socket(80)
connection.setblocking(True)
connection.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
print(b"".join(iter(lambda: connection.recv(65536), b"")).split(b"\\r\\n")[0].decode())
connection = forward.socket(9)
connection.setblocking(True)
print(connection.recv(1), forward.error(9).split(":")[0])
"""
KR8S = """
import asyncio, sys, httpx
from kr8s.asyncio.objects import Pod, Service
async def main():
    for kind in Pod, Service:
        found = await kind.get("web", namespace=sys.argv[1])
        async with found.portforward(80) as port, httpx.AsyncClient() as http:
            for _ in range(3):
                print((await http.get(f"http://localhost:{port}/")).status_code)
asyncio.run(main())
"""


def test_pythons_clients_forward_ports(cluster: Cluster, web: str) -> None:
    said = cluster.run(sys.executable, "-c", KUBERNETES, web).stdout
    assert said == f"HTTP/1.1 200 OK\nb'' error forwarding port 9 to pod {web}/web\n"
    assert cluster.run(sys.executable, "-W", "ignore", "-c", KR8S, web).stdout == "200\n" * 6


def test_proxies_lead_to_kubelets_and_pods(cluster: Cluster, web: str) -> None:
    node = cluster.kubectl("get", "pod", "web", "-n", web, "-o", "jsonpath={.spec.nodeName}")
    assert cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/healthz") == "ok"
    for place in ("pods/web", "services/web:8000", "services/web:"):
        path = f"/api/v1/namespaces/{web}/{place}/proxy/"
        until(
            f"an answer from {place}",
            lambda path=path: (
                "Welcome to nginx" in cluster.run("kubectl", "get", "--raw", path, check=False).stdout
            ),  # type: ignore[misc]
        )


@pytest.mark.parametrize("client", CLIENTS)
def test_a_pod_with_a_terminal_is_gone_when_its_shell_is(
    cluster: Cluster, namespace: str, client: str
) -> None:
    name = f"shell-{list(CLIENTS).index(client)}"
    run = ["run", name, "-n", namespace, "--image=busybox", "--restart=Never", "-it"]
    if client == "kl":
        cluster.kubectl(*run[:-1], "--stdin", "--tty", "--attach=false", "--", "sh")
        cluster.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "-n", namespace, "--timeout=60s")
        words = [*CLIENTS[client], "attach", "-it", name, "-n", namespace]
    else:
        words = [*CLIENTS[client], *run, "--rm", "--", "sh"]
    terminal = Terminal(words, cluster.env, 100, 30)
    terminal.wait_for("try pressing enter.")
    terminal.type("\r")
    terminal.wait_for("/ # ")
    terminal.type("hostname\r")
    terminal.wait_for(f"{name}\r\n/ # ")
    terminal.type("exit\r")
    assert terminal.finish() == 0
    if client != "kl":
        assert f'pod "{name}" deleted' in terminal.text
        assert cluster.kubectl("get", "pods", "-n", namespace, "-o", "name") == ""


LOGS = (
    "web",
    "web --tail=1 --timestamps",
    "web --limit-bytes=20",
    "pod/web --since=1h --prefix",
    "web nginx --since-time=2000-01-01T00:00:00Z",
    "-l app=web --all-containers --tail=1",
    "svc/web -c nginx --tail=0",
    "web --since=1h --since-time=2000-01-01T00:00:00Z",
    "web -p",
    "web -c nope",
    "web --limit-bytes=0",
    "nope",
)


def test_both_say_the_same_of_logs(cluster: Cluster, web: str) -> None:
    for words in LOGS:
        said = [
            cluster.run(*PROGRAMS[program], "logs", "-n", web, *words.split(), check=False)
            for program in PROGRAMS
        ]
        outcomes = [(each.stdout, each.stderr, each.returncode) for each in said]
        assert outcomes[0] == outcomes[1], words


def test_logs_as_kubectl_asks_for_them(cluster: Cluster, web: str) -> None:
    words = ["kubectl", "logs", "-f", "web", "-n", web, "--tail=1", "--timestamps"]
    with subprocess.Popen(words, env=cluster.env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z start worker processes\n", line)
        cluster.kubectl("exec", "web", "-n", web, "--", "curl", "-s", "localhost")
        assert '"GET / HTTP/1.0" 200' in process.stdout.readline()
        cluster.kubectl("delete", "pod", "web", "-n", web)
        process.communicate(timeout=COMMAND_SECONDS)
    assert process.returncode == 0
