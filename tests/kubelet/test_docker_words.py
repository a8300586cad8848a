"""CRI's words in Docker's, and Docker's in CRI's; no engine is needed for these."""

from __future__ import annotations

import copy
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from kubelet.runtime.docker import labels, pause, requests
from kubelet.runtime.docker.images import familiar
from kubelet.runtime.docker.view import View, read
from kubelet.runtime.interface import Container, ContainerConfig, Resources, Sandbox, SandboxConfig
from tests.support.wait import until

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
POD = SandboxConfig(
    "uid-1", "default", "web", host_ports=[("", 8080, 80, "TCP"), ("127.0.0.9", 53, 53, "UDP")]
)
SANDBOX_SEEN = {
    "Id": "s",
    "Created": "2030-01-01T00:00:00.123456789Z",
    "Image": "sha256:1",
    "Config": {"Image": pause.NAME, "Tty": False, "Labels": labels.of_sandbox(POD, 0)},
    "State": {"Running": True},
    "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2"}}},
}


def sandbox(**state: Any) -> Sandbox:
    seen = copy.deepcopy(SANDBOX_SEEN)
    seen["State"] |= state
    if not seen["State"]["Running"]:
        seen["NetworkSettings"] = {"Networks": {"bridge": {"IPAddress": ""}}}
    found = read(seen, "127.16.0.1", str)
    assert isinstance(found, Sandbox)
    return found


def container(**state: Any) -> Container:
    own = labels.of_container(ContainerConfig("main", 2, "nginx"), sandbox())
    seen = {
        "Id": "c",
        "Created": "2030-01-01T00:00:01Z",
        "Image": "sha256:2",
        "Config": {"Image": "nginx", "Tty": False, "Labels": own},
        "State": {
            "Status": "running",
            "Running": True,
            "OOMKilled": False,
            "ExitCode": 0,
            "Error": "",
            "StartedAt": "2030-01-01T00:00:02Z",
            "FinishedAt": "0001-01-01T00:00:00Z",
            **state,
        },
    }
    found = read(seen, "127.16.0.1", lambda image_id: f"nginx@{image_id}")
    assert isinstance(found, Container)
    return found


def ended(**state: Any) -> Container:
    return container(Status="exited", Running=False, FinishedAt="2030-01-01T00:00:03Z", **state)


def test_how_a_container_ended() -> None:
    assert (container().is_running, container().attempt, container().image_id) == (True, 2, "nginx@sha256:2")
    assert (ended().reason, ended(ExitCode=1).reason) == ("Completed", "Error")
    assert ended(ExitCode=137, OOMKilled=True).reason == "OOMKilled"
    made = {"Status": "created", "Running": False, "StartedAt": "0001-01-01T00:00:00Z"}
    assert not container(**made).is_exited
    tried = container(**made, ExitCode=127, Error="no such file")
    assert (tried.exit_code, tried.reason, tried.message) == (128, "ContainerCannotRun", "no such file")
    assert tried.started_at == tried.finished_at == tried.created_at


def test_an_end_is_the_end() -> None:
    view = View()
    assert not view.put(sandbox())
    assert not view.put(container())
    assert view.put(ended(ExitCode=137))
    # It is heard of late that memory was the reason.
    assert view.put(ended(ExitCode=137, OOMKilled=True))
    assert not view.put(container())
    assert [each.reason for each in view.containers_of("uid-1")] == ["OOMKilled"]
    assert view.put(sandbox(Running=False))
    found = view.sandbox_of("uid-1")
    assert found is not None
    assert (found.ready, found.ip) == (False, "172.17.0.2")
    view.forget("s")
    view.forget("c")
    assert (view.sandboxes(), view.containers_of("uid-1"), view.ids()) == ([], [], set())


def test_a_sandbox_holds_the_pods_ports() -> None:
    body = requests.sandbox(POD, "pause", "bridge", "127.16.0.1", labels.of_sandbox(POD, 0))
    assert body["HostConfig"]["PortBindings"] == {
        "80/tcp": [{"HostIp": "127.16.0.1", "HostPort": "8080"}],
        "53/udp": [{"HostIp": "127.0.0.9", "HostPort": "53"}],
    }
    assert labels.name(body["Labels"]) == "k8s_POD_web_default_uid-1_0"


def test_a_container_joins_its_sandbox() -> None:
    config = ContainerConfig("main", 0, "nginx", args=["-g"], resources=Resources(memory_limit_bytes=1 << 20))
    body = requests.container(config, "s", [labels.PROCESSES], (), {})
    host = body["HostConfig"]
    assert [host[mode] for mode in ("NetworkMode", "IpcMode", "PidMode")] == ["container:s"] * 3
    assert (host["Memory"], host["MemorySwap"]) == (1 << 20, 1 << 20)
    assert (body["Cmd"], "Entrypoint" in body) == (["-g"], False)
    body = requests.container(config, "s", [labels.HOST_PID, labels.HOST_IPC], (), {})
    assert [body["HostConfig"][mode] for mode in ("IpcMode", "PidMode")] == ["host", "host"]


def test_the_sandboxs_program_waits_until_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "pause"
    path.write_bytes(pause.program(ARCHITECTURES[os.uname().machine]))
    path.chmod(0o755)
    with subprocess.Popen([path]) as process:
        status = Path(f"/proc/{process.pid}/status")

        def ignored() -> int:
            """As bits, those that were ignored where the tests were started among them."""
            return int(status.read_text().partition("SigIgn:\t")[2].split()[0], 16)

        until("it ignores its children", lambda: ignored() & 1 << signal.SIGCHLD - 1)
        until("it sleeps", lambda: "State:\tS" in status.read_text())
        process.kill()
    assert process.returncode == -9


def test_names_of_images() -> None:
    names = ["nginx", "docker.io/library/nginx:1", "docker.io/a/b", "localhost:5000/a", "b/a:1@sha256:1"]
    assert [familiar(name) for name in names] == [
        "nginx:latest",
        "nginx:1",
        "a/b:latest",
        "localhost:5000/a:latest",
        "b/a@sha256:1",
    ]
