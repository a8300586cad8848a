"""kubectl exec and kl exec on one cluster: the same streams, the same exit codes."""

from __future__ import annotations

import os
import re
import selectors
import shlex
import subprocess
import sys

import pytest

from tests.support.cluster import COMMAND_SECONDS, Cluster
from tests.support.terminal import Terminal
from tests.support.wait import until

pytestmark = pytest.mark.e2e

PROGRAMS = {"kubectl": ["kubectl"], "kl": [sys.executable, "-P", "-m", "cli"]}
PODS = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers:
  - {name: nginx, image: nginx, env: [{name: COLOUR, value: blue}]}
---
apiVersion: v1
kind: Pod
metadata: {name: two}
spec:
  containers:
  - {name: a, image: busybox, command: [sleep, "10000"]}
  - {name: b, image: busybox, command: [sleep, "10000"]}
---
apiVersion: v1
kind: Pod
metadata: {name: done}
spec: {restartPolicy: Never, containers: [{name: c, image: hello-world}]}
---
apiVersion: v1
kind: Pod
metadata: {name: waiting}
spec:
  initContainers: [{name: first, image: busybox, command: [sleep, "10000"]}]
  containers: [{name: c, image: busybox}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""
COMMANDS = (
    "web -- hostname",
    "pod/web -c nginx -- cat /etc/hosts",
    "svc/web -- printenv COLOUR",
    "web -- sh -c 'echo out; echo err >&2; exit 7'",
    "web -- curl -s localhost",
    "web -- xyz",
    "web -- /opt/xyz",
    "web -c nope -- ls",
    "web -it -- wc -c",
    "web -it -q -- wc -c",
    "web -t -- true",
    "web --",
    "two -- true",
    "two -q -- true",
    "two -c b -- ps",
    "done -- ls",
    "waiting -- ls",
    "nope -- ls",
    "deploy/nope -- ls",
)


@pytest.fixture
def pods(cluster: Cluster, namespace: str) -> str:
    cluster.kubectl("create", "-n", namespace, "-f", "-", stdin=PODS)
    cluster.kubectl("wait", "--for=condition=Ready", "pod/web", "pod/two", "-n", namespace, "--timeout=60s")
    phase = ("get", "pod", "done", "-n", namespace, "-o", "jsonpath={.status.phase}")
    until("one pod is done", lambda: cluster.kubectl(*phase) == "Succeeded")
    running = (
        "get",
        "pod",
        "waiting",
        "-n",
        namespace,
        "-o",
        "jsonpath={.status.initContainerStatuses[0].state}",
    )
    until("an init container runs", lambda: "running" in cluster.kubectl(*running))
    return namespace


def outcome(
    cluster: Cluster, program: str, namespace: str, command: str, stdin: bytes = b""
) -> tuple[bytes, str, int]:
    """What one sees of `exec`: stdout, stderr without the ids in it, the exit code."""
    words = [*PROGRAMS[program], "exec", "-n", namespace, *shlex.split(command)]
    done = subprocess.run(
        words, env=cluster.env, input=stdin, capture_output=True, timeout=COMMAND_SECONDS, check=False
    )
    return done.stdout, re.sub(r"[0-9a-f]{64}", "ID", done.stderr.decode()), done.returncode


def test_both_say_the_same(cluster: Cluster, pods: str) -> None:
    for command in COMMANDS:
        real = outcome(cluster, "kubectl", pods, command, b"some input\n")
        assert outcome(cluster, "kl", pods, command, b"some input\n") == real, command


def test_what_they_say(cluster: Cluster, pods: str) -> None:
    """A few of them in full, so that both cannot be wrong together."""
    assert outcome(cluster, "kl", pods, "web -- sh -c 'echo out; echo err >&2; exit 7'") == (
        b"out\n",
        "err\ncommand terminated with exit code 7\n",
        7,
    )
    missing = 'exec: "xyz": executable file not found in $PATH: unknown'
    assert outcome(cluster, "kl", pods, "web -- xyz") == (
        b"",
        "error: Internal error occurred: error executing command in container: failed to exec in container: "
        'failed to start exec "ID": OCI runtime exec failed: exec failed: unable to start container process: '
        f"{missing}\n",
        1,
    )
    refused = "Error from server (BadRequest): container nope is not valid for pod web\n"
    assert outcome(cluster, "kl", pods, "web -c nope -- ls") == (b"", refused, 1)
    assert outcome(cluster, "kl", pods, "two -- true") == (b"", 'Defaulted container "a" out of: a, b\n', 0)


@pytest.mark.parametrize("program", PROGRAMS)
def test_megabytes_come_back_byte_by_byte(cluster: Cluster, pods: str, program: str) -> None:
    data = os.urandom(8 * 1024 * 1024)
    stdout, stderr, code = outcome(cluster, program, pods, "-i web -- cat", data)
    assert (stderr, code) == ("", 0)
    assert stdout == data


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_session_in_a_terminal(cluster: Cluster, pods: str, program: str) -> None:
    words = [*PROGRAMS[program], "exec", "-it", "web", "-n", pods, "--", "sh"]
    terminal = Terminal(words, cluster.env, 100, 30)
    for awaited, keys in (
        ("/ # ", "hostname\r"),
        ("/ # ", "sleep 1000\r"),
        ("sleep 1000\r\n", "\x03"),
        ("/ # ", "nothinh\x7fg\r"),
        ("/ # ", "cd /etc\r"),
        ("/etc # ", ""),
    ):
        terminal.wait_for(awaited)
        terminal.type(keys)
    terminal.resize(120, 40)
    terminal.ask("stty size\r", "/etc # ", "40 120\r\n")
    before = terminal.text
    terminal.type("exit 3\r")
    assert terminal.finish() == 3
    assert terminal.text.removeprefix(before) == "exit 3\r\ncommand terminated with exit code 3\r\n"
    assert before.startswith(
        "/ # hostname\r\nweb\r\n/ # sleep 1000\r\n^C\r\n/ # nothinh\b \bg\r\nsh: nothing: not found\r\n"
        "/ # cd /etc\r\n/etc # stty size\r\n"
    )


# In a process of its own: the client leaves sockets open, which here would be a warning, and so an error.
PYTHON_CLIENT = """
import sys
from kubernetes import client, config
from kubernetes.stream import stream
config.load_kube_config()
execute, pod = client.CoreV1Api().connect_get_namespaced_pod_exec, ("web", sys.argv[1])
script = ["sh", "-c", "echo out; echo err >&2"]
print(sorted(stream(execute, *pod, command=script, stdout=True, stderr=True).split()))
shell = stream(execute, *pod, command=["sh"], stdin=True, stdout=True, _preload_content=False)
shell.write_stdin("hostname\\n")
print(shell.readline_stdout(timeout=60))
shell.write_stdin("exit 9\\n")
shell.run_forever(timeout=60)
print(shell.returncode)
"""


def test_the_python_client_runs_commands(cluster: Cluster, pods: str) -> None:
    said = cluster.run(sys.executable, "-c", PYTHON_CLIENT, pods).stdout
    assert said == "['err', 'out']\nweb\n9\n"


def test_attach_shows_what_a_container_writes_until_its_end(cluster: Cluster, pods: str) -> None:
    words = ["kubectl", "attach", "web", "-n", pods]
    with subprocess.Popen(words, env=cluster.env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        readable = selectors.DefaultSelector()
        readable.register(process.stdout, selectors.EVENT_READ)
        ask = "web -- curl -s localhost"
        until("it shows a request", lambda: outcome(cluster, "kubectl", pods, ask) and readable.select(0))
        assert '"GET / HTTP/1.0" 200' in process.stdout.readline()
        cluster.kubectl("delete", "pod", "web", "-n", pods)
        process.communicate(timeout=COMMAND_SECONDS)
    assert process.returncode == 0


def test_a_container_is_restarted_after_a_kill_from_within(cluster: Cluster, pods: str) -> None:
    assert outcome(cluster, "kubectl", pods, "web -- kill 1")[1:] == (
        "command terminated with exit code 137\n",
        137,
    )
    count = "jsonpath={.status.containerStatuses[0].restartCount}"
    until("it is restarted", lambda: cluster.kubectl("get", "pod", "web", "-n", pods, "-o", count) == "1")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_killed_kubelet_is_no_success(own_cluster: Cluster, program: str) -> None:
    cluster = own_cluster
    until("the default account", lambda: "default" in cluster.kubectl("get", "sa", "-o", "name"))
    cluster.kubectl("create", "-f", "-", stdin=PODS)
    cluster.kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=60s")
    node = cluster.kubectl("get", "pod", "web", "-o", "jsonpath={.spec.nodeName}")
    words = [*PROGRAMS[program], "exec", "web", "--", "sh", "-c", "echo here; sleep 1000"]
    with subprocess.Popen(
        words, env=cluster.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        cluster.kill(f"kubelet-{node}")
        _, stderr = process.communicate(timeout=COMMAND_SECONDS)
    assert process.returncode == 1
    assert stderr == f"error: Internal error occurred: the kubelet of {node} broke off the connection\n"
