"""One cluster with a node of each runtime: the same pods behave alike on all of them."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.engine import ABSENT, IMAGE, Engine, running
from tests.support.terminal import Terminal
from tests.support.wait import until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

RUNTIMES = ("fake", "process", "docker")
# An image that nobody has; to a process node all are alike: it runs the machine's programs.
NOWHERE = {"fake": "example.com/does-not-exist:1", "docker": ABSENT}
WITH_MEMORY_LIMITS = ("process", "docker")
# A first process that sets no trap hears no SIGTERM; the pretended shell has no traps and no loops.
IDLE = SLOW = {"fake": ("sleep", "1000")}
OBEDIENT = ("sh", "-c", "trap 'exit 0' TERM; sleep 1000 & wait")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with running(tmp_path_factory.mktemp("docker")) as started:
        yield started


@pytest.fixture(scope="module")
def mixed(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster in the engine's namespace whose nodes are called as their runtimes."""
    folder = tmp_path_factory.mktemp("mixed")
    topology = json.loads(engine.topology("docker"))
    topology["kubelet"]["nodes"] += [{"name": name, "runtime": name} for name in ("fake", "process")]
    (folder / "topology.yaml").write_text(json.dumps(topology))
    cluster = Cluster(folder, prefix=engine.namespace.prefix)
    base = ("--port-base", str(cluster.port_base))
    cluster.launcher("up", *base, "--topology", str(folder / "topology.yaml"))
    try:
        yield cluster
    finally:
        cluster.down("--wipe")


def create(cluster: Cluster, node: str, name: str, *command: str, **more: Any) -> str:
    """A pod on that node; `more`: parts of its container, `pod` for its spec, `annotations`. Its name."""
    spec = {"nodeName": node, "terminationGracePeriodSeconds": 5, **more.pop("pod", {})}
    annotations = more.pop("annotations", {})
    container = {"name": "c", "image": IMAGE, "command": command, **more}
    name = f"{name}-{node}"
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "annotations": annotations}}
    cluster.kubectl(
        "create", "-f", "-", stdin=json.dumps({**pod, "spec": {**spec, "containers": [container]}})
    )
    return name


def idle(runtime: str) -> Sequence[str]:
    """A command that does nothing until it is told to end."""
    return IDLE.get(runtime, OBEDIENT)


def ready(cluster: Cluster, name: str) -> None:
    cluster.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")


def status(cluster: Cluster, name: str) -> Any:
    """The status of the pod's one container, as far as there is one."""
    return (cluster.json("get", "pod", name)["status"].get("containerStatuses") or [{}])[0]


def waits_for(cluster: Cluster, name: str) -> str:
    return str(status(cluster, name).get("state", {}).get("waiting", {}).get("reason"))


def events(cluster: Cluster, name: str, reason: str) -> list[str]:
    selector = f"--field-selector=involvedObject.name={name},reason={reason}"
    return [each["message"] for each in cluster.json("get", "events", selector)["items"]]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_crashes_is_restarted_and_backs_off(mixed: Cluster, runtime: str) -> None:
    name = create(mixed, runtime, "crash", "sh", "-c", "echo something is wrong; exit 3")
    until("it backs off", lambda: waits_for(mixed, name) == "CrashLoopBackOff")
    now = status(mixed, name)
    last = now["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"], now["restartCount"] >= 1) == (3, "Error", True)
    assert now["state"]["waiting"]["message"].startswith("back-off 10s restarting failed container=c pod=")
    assert mixed.kubectl("logs", name, "--previous") == "something is wrong\n"
    assert until("an event", lambda: events(mixed, name, "BackOff"))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_probes_that_fail(mixed: Cluster, runtime: str) -> None:
    probe = {
        "exec": {"command": ["sh", "-c", "echo not yet; exit 1"]},
        "periodSeconds": 1,
        "failureThreshold": 2,
    }
    unready = create(mixed, runtime, "unready", *idle(runtime), readinessProbe=probe)
    sick = create(mixed, runtime, "sick", *idle(runtime), livenessProbe=probe)
    assert until("it is asked", lambda: events(mixed, unready, "Unhealthy")) == [
        "Readiness probe failed: not yet\n"
    ]
    now = status(mixed, unready)
    assert (now["ready"], now["started"], now["restartCount"]) == (False, True, 0)
    until("it is restarted", lambda: status(mixed, sick).get("restartCount", 0) >= 1)
    assert "Container c failed liveness probe, will be restarted" in events(mixed, sick, "Killing")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_does_not_stop_is_killed(mixed: Cluster, runtime: str) -> None:
    command = ("sh", "-c", "trap '' TERM; while true; do sleep 1; done")
    patient = {"terminationGracePeriodSeconds": 300}
    pretended = {"kubelite/stage": "stubborn"}
    name = create(mixed, runtime, "slow", *SLOW.get(runtime, command), pod=patient, annotations=pretended)
    ready(mixed, name)
    mixed.kubectl("delete", "pod", name, "--wait=false")
    assert mixed.json("get", "pod", name)["metadata"]["deletionGracePeriodSeconds"] == 300
    mixed.kubectl("delete", "pod", name, "--grace-period=1")
    assert name not in mixed.kubectl("get", "pods", "-o", "name")


@pytest.mark.parametrize("runtime", WITH_MEMORY_LIMITS)
def test_what_takes_too_much_memory_is_killed(mixed: Cluster, runtime: str) -> None:
    limits = {"limits": {"memory": "32Mi"}}
    hungry = ("dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1")
    name = create(mixed, runtime, "hungry", *hungry, resources=limits, pod={"restartPolicy": "Never"})
    ended = until("it has ended", lambda: status(mixed, name).get("state", {}).get("terminated"))
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)


@pytest.mark.parametrize("runtime", NOWHERE)
def test_an_image_that_does_not_exist(mixed: Cluster, runtime: str) -> None:
    name = create(mixed, runtime, "absent", "true", image=NOWHERE[runtime])
    until("it waits for its image", lambda: waits_for(mixed, name) == "ImagePullBackOff")
    assert f'Back-off pulling image "{NOWHERE[runtime]}"' in until(
        "an event", lambda: events(mixed, name, "BackOff")
    )
    (failed, *_) = events(mixed, name, "Failed")
    assert failed.startswith(f'Failed to pull image "{NOWHERE[runtime]}": ')


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_volume_shows_what_its_config_map_says_now(mixed: Cluster, runtime: str) -> None:
    mixed.kubectl("create", "configmap", f"config-{runtime}", "--from-literal=word=before")
    volume = {"name": "v", "configMap": {"name": f"config-{runtime}"}}
    mounts = [{"name": "v", "mountPath": "/config"}]
    name = create(mixed, runtime, "reader", *idle(runtime), volumeMounts=mounts, pod={"volumes": [volume]})
    ready(mixed, name)

    def word() -> str:
        return mixed.kubectl("exec", name, "--", "cat", "/config/word")

    assert word() == "before"
    changed = json.dumps({"data": {"word": "after"}})
    mixed.kubectl("patch", "configmap", f"config-{runtime}", "-p", changed)
    until("the file has changed", lambda: word() == "after")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_commands_hear_and_see_their_clients(engine: Engine, mixed: Cluster, runtime: str) -> None:
    name = create(mixed, runtime, "listener", *idle(runtime))
    ready(mixed, name)
    assert mixed.kubectl("exec", "-i", name, "--", "cat", stdin="some input\n") == "some input\n"
    failed = mixed.run("kubectl", "exec", name, "--", "sh", "-c", "exit 7", check=False)
    assert (failed.returncode, failed.stderr) == (7, "command terminated with exit code 7\n")
    words = [*engine.namespace.prefix, "kubectl", "exec", "-it", name, "--", "sh"]
    terminal = Terminal(words, mixed.env, 100, 30)
    terminal.wait_for("# ")
    terminal.ask("stty size\r", "# ", "30 100\r\n")
    terminal.type("exit 3\r")
    assert terminal.finish() == 3


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_files_are_copied_both_ways(mixed: Cluster, runtime: str, tmp_path: Path) -> None:
    name = create(mixed, runtime, "copier", *idle(runtime))
    ready(mixed, name)
    there, back = tmp_path / "there", tmp_path / "back"
    (there / "sub").mkdir(parents=True)
    (there / "text").write_text("some text\n")
    (there / "sub" / "bytes").write_bytes(os.urandom(100_000))
    mixed.kubectl("cp", str(there), f"{name}:/tmp/copied")
    assert mixed.kubectl("exec", name, "--", "cat", "/tmp/copied/text") == "some text\n"
    mixed.kubectl("cp", f"{name}:/tmp/copied", str(back))
    for path in ("text", "sub/bytes"):
        assert (back / path).read_bytes() == (there / path).read_bytes()


SERVERS = {
    "fake": {"image": "nginx", "command": ["nginx"]},
    "process": {"command": ["python3", "-m", "http.server", "80"]},
    "docker": {"command": ["httpd", "-f", "-p", "80", "-h", "/etc"]},
}
PATHS = {"docker": "/group"}


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_page_through_a_forwarded_port(engine: Engine, mixed: Cluster, runtime: str) -> None:
    probe = {"readinessProbe": {"tcpSocket": {"port": 80}, "periodSeconds": 1}}
    server = {**SERVERS[runtime], "ports": [{"containerPort": 80}], **probe}
    name = create(mixed, runtime, "server", *server.pop("command"), **server)
    ready(mixed, name)
    words = [*engine.namespace.prefix, "kubectl", "port-forward", name, ":80"]
    with subprocess.Popen(words, env=mixed.env, stdout=subprocess.PIPE, text=True) as forwarding:
        assert forwarding.stdout is not None
        port = forwarding.stdout.readline().split("127.0.0.1:")[1].split()[0]
        page = f"http://127.0.0.1:{port}{PATHS.get(runtime, '/')}"
        with engine.namespace.entered(), urllib.request.urlopen(page, timeout=60) as answer:
            assert answer.status == 200
        forwarding.terminate()
        forwarding.communicate()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_killed_kubelet_finds_its_pods_as_they_were(mixed: Cluster, runtime: str) -> None:
    name = create(mixed, runtime, "survivor", *idle(runtime))
    ready(mixed, name)
    before = status(mixed, name)
    killed = mixed.kill(f"kubelet-{runtime}")
    until("another kubelet runs", lambda: mixed.running().get(f"kubelet-{runtime}", killed) != killed)

    def heard() -> str:
        return mixed.run("kubectl", "exec", name, "--", "echo", "again", check=False).stdout

    until("it has taken the pod up", lambda: heard() == "again\n")
    assert status(mixed, name) == before
