"""The fake runtime on disk and on sockets: what it promises to a kubelet that comes back."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from kube.base.clock import SystemClock
from kubelet.runtime.addresses import NoAddressLeft, next_address
from kubelet.runtime.fake import FakeRuntime
from kubelet.runtime.fake_records import Records
from kubelet.runtime.interface import Container, ContainerConfig, SandboxConfig
from kubelet.runtime.stages import ProbeTimes, Stages, UnknownStage, repository_of

STAGES = Stages.parse(
    [
        {"name": "web", "images": ["nginx"], "page": "welcome", "start_seconds": 0, "stop_seconds": 0},
        {"name": "who", "images": ["*/whoami"], "page": "whoami", "start_seconds": 0, "stop_seconds": 0},
        {
            "name": "short",
            "images": ["short"],
            "exit_after_seconds": 0.05,
            "exit_code": 3,
            "start_seconds": 0,
        },
        {"name": "stubborn", "images": ["stubborn"], "stop_seconds": 60, "start_seconds": 0},
        {"name": "unready", "images": ["unready"], "start_seconds": 0, "probes": {"readiness": {"until": 0}}},
        {"name": "run", "images": ["*"], "start_seconds": 0, "stop_seconds": 0},
    ]
)
NETWORK = IPv4Network("127.239.99.0/24")


def make_runtime(folder: Path) -> FakeRuntime:
    records = Records(folder)
    records.open()
    ids = itertools.count(1)
    return FakeRuntime(STAGES, records, NETWORK, "127.31.0.9", SystemClock(), lambda: f"id-{next(ids)}")


async def start(runtime: FakeRuntime, uid: str, config: ContainerConfig) -> Container:
    if runtime.sandbox_of(uid) is None:
        await runtime.run_pod_sandbox(SandboxConfig(uid, "default", uid))
    await runtime.start_container(await runtime.create_container(uid, config))
    return runtime.containers_of(uid)[-1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def fetch(ip: str, port: int) -> str:
    reader, writer = await asyncio.open_connection(ip, port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.decode()


def changed(runtime: FakeRuntime) -> tuple[asyncio.Event, Callable[[str], None]]:
    event = asyncio.Event()

    def listener(_: str) -> None:
        event.set()

    runtime.on_change(listener)
    return event, listener


async def test_a_returning_kubelet_finds_its_containers_as_they_were(tmp_path: Path) -> None:
    port = free_port()
    first = make_runtime(tmp_path)
    before = await start(first, "a", ContainerConfig("web", 0, "nginx:1.27.0", ports=[port]))
    await first.stop()

    second = make_runtime(tmp_path)
    await second.start()
    assert second.containers_of("a") == [before]
    assert second.sandbox_of("a") == first.sandbox_of("a")
    sandbox = second.sandbox_of("a")
    assert sandbox is not None
    assert "Welcome to nginx!" in await fetch(sandbox.ip, port)
    await second.stop()


async def test_a_stopped_container_answers_no_more(tmp_path: Path) -> None:
    port = free_port()
    runtime = make_runtime(tmp_path)
    container = await start(runtime, "a", ContainerConfig("web", 0, "nginx", ports=[port]))
    await runtime.stop_container(container.id, 30)
    assert [(each.exit_code, each.reason) for each in runtime.containers_of("a")] == [(0, "Completed")]
    sandbox = runtime.sandbox_of("a")
    assert sandbox is not None
    with pytest.raises(ConnectionRefusedError):
        await fetch(sandbox.ip, port)


async def test_probes_are_asked_where_there_is_something_to_ask(tmp_path: Path) -> None:
    runtime = make_runtime(tmp_path)
    web = await start(runtime, "a", ContainerConfig("web", 0, "nginx", ports=[free_port()]))
    other = await start(runtime, "b", ContainerConfig("c", 0, "other"))
    unready = await start(runtime, "c", ContainerConfig("c", 0, "unready"))
    page, known = {"httpGet": {"port": 80}}, {"exec": {"command": ["false"]}}
    unknown = {"exec": {"command": ["/health-check"]}}
    assert [runtime.pretended_probe(web.id, "liveness", each) for each in (page, known)] == [None, None]
    assert runtime.pretended_probe(web.id, "liveness", unknown) is True
    assert runtime.pretended_probe(other.id, "readiness", page) is True, "it has no socket"
    assert runtime.pretended_probe(unready.id, "readiness", page) is False
    assert runtime.pretended_probe(unready.id, "liveness", page) is True
    await runtime.stop()


def test_the_times_in_which_a_pretended_probe_succeeds() -> None:
    times = ProbeTimes(after=2, until=5)
    assert [times.succeeds(at) for at in (1.9, 2, 4.9, 5)] == [False, True, True, False]
    assert ProbeTimes().succeeds(10_000)


async def test_a_taken_port_is_no_reason_to_fail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    runtime = make_runtime(tmp_path)
    await start(runtime, "a", ContainerConfig("one", 0, "nginx", ports=[port]))
    second = await start(runtime, "a", ContainerConfig("two", 0, "nginx", ports=[port]))
    assert second.is_running
    assert "nobody answers on a pod's port" in caplog.text
    await runtime.stop()


async def test_a_container_that_ends_by_itself_is_announced(tmp_path: Path) -> None:
    runtime = make_runtime(tmp_path)
    event, _ = changed(runtime)
    await start(runtime, "a", ContainerConfig("c", 0, "short"))
    await event.wait()
    assert [(each.exit_code, each.reason) for each in runtime.containers_of("a")] == [(3, "Error")]


async def test_what_should_have_ended_meanwhile_ends_at_once(tmp_path: Path) -> None:
    first = make_runtime(tmp_path)
    await start(first, "a", ContainerConfig("c", 0, "short"))
    await first.stop()
    second = make_runtime(tmp_path)
    event, _ = changed(second)
    await second.start()
    await event.wait()
    assert second.containers_of("a")[0].exit_code == 3


async def test_a_container_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    runtime = make_runtime(tmp_path)
    container = await start(runtime, "a", ContainerConfig("c", 0, "stubborn"))
    await runtime.stop_container(container.id, 0)
    assert runtime.containers_of("a")[0].exit_code == 137


async def test_a_removed_sandbox_leaves_nothing(tmp_path: Path) -> None:
    runtime = make_runtime(tmp_path)
    container = await start(runtime, "a", ContainerConfig("c", 0, "x"))
    await runtime.stop_container(container.id, 30)
    await runtime.stop_pod_sandbox("a")
    await runtime.remove_pod_sandbox("a")
    assert runtime.sandbox_of("a") is None
    assert Records(tmp_path).load() == {}


def test_addresses_go_round() -> None:
    network = IPv4Network("10.0.0.0/29")
    assert next_address(network, (), None) == "10.0.0.2"
    assert next_address(network, ("10.0.0.2",), "10.0.0.2") == "10.0.0.3"
    assert next_address(network, ("10.0.0.3",), "10.0.0.6") == "10.0.0.2"
    assert next_address(network, ("10.0.0.2", "10.0.0.3"), "10.0.0.6") == "10.0.0.4"
    with pytest.raises(NoAddressLeft, match=r"all 5 addresses of 10.0.0.0/29 are taken"):
        next_address(network, [f"10.0.0.{i}" for i in range(8)], None)


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        ("nginx", "nginx"),
        ("nginx:1.27.0", "nginx"),
        ("docker.io/library/nginx:1", "nginx"),
        ("registry.k8s.io/pause:3.10", "pause"),
        ("localhost:5000/team/web@sha256:abc", "team/web"),
        ("nginxinc/nginx-unprivileged:alpine", "nginxinc/nginx-unprivileged"),
    ],
)
def test_repository_of(image: str, repository: str) -> None:
    assert repository_of(image) == repository


def test_an_annotation_names_the_stage() -> None:
    assert STAGES.of("nginx", {}).name == "web"
    assert STAGES.of("nginx", {"kubelite/stage": "short"}).name == "short"
    assert STAGES.of("nginx", {"kubelite/stage": ""}).name == "web"
    assert STAGES.of("nginx", {"kubelite/stage": "web", "kubelite/stage.c": "short"}, "c").name == "short"
    with pytest.raises(UnknownStage, match='no stage "no such", only web, who, short'):
        STAGES.of("anything/else", {"kubelite/stage": "no such"})
