"""What a fake container runs: its own command, from the first line of its log to its exit code."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import IPv4Network
from itertools import count
from pathlib import Path

import pytest

from kube.base.clock import SystemClock
from kubelet.runtime.fake import FakeRuntime
from kubelet.runtime.fake_records import Records
from kubelet.runtime.interface import Container, ContainerConfig, RuntimeFailure, SandboxConfig
from kubelet.runtime.stages import Stages
from tests.support.wait import until_async

STAGES = Stages.parse(
    [
        {"name": "shell", "images": ["busybox"], "start_seconds": 0, "stop_seconds": 0, "entrypoint": ["sh"]},
        {"name": "run", "images": ["*"], "start_seconds": 0, "stop_seconds": 0},
    ]
)


@asynccontextmanager
async def fake(folder: Path) -> AsyncIterator[FakeRuntime]:
    """A runtime from start to stop, with one sandbox."""
    records = Records(folder)
    records.open()
    ids = count(1)
    network, clock = IPv4Network("127.239.98.0/24"), SystemClock()
    runtime = FakeRuntime(STAGES, records, network, "127.31.0.9", clock, lambda: f"id-{next(ids)}")
    await runtime.start()
    if runtime.sandbox_of("a") is None:
        await runtime.run_pod_sandbox(SandboxConfig("a", "default", "a"))
    yield runtime
    await runtime.stop()


async def begin(runtime: FakeRuntime, *words: str, image: str = "busybox") -> Container:
    config = ContainerConfig("c", 0, image, args=words)
    await runtime.start_container(await runtime.create_container("a", config))
    return runtime.containers_of("a")[-1]


def logged(runtime: FakeRuntime, container: Container) -> list[str]:
    path = runtime.log_path(container.id)
    return [line.split(" ", 3)[3] for line in path.read_text().splitlines()] if path.exists() else []


def now(runtime: FakeRuntime) -> Container:
    return runtime.containers_of("a")[-1]


def has_ended(runtime: FakeRuntime) -> Callable[[], bool]:
    return lambda: now(runtime).is_exited


@pytest.mark.parametrize(
    ("words", "code", "lines"),
    [
        (["echo", "hi"], 0, ["hi"]),
        (["sh", "-c", "echo a; exit 3"], 3, ["a"]),
        (["sh", "-c", "cat /nothing"], 1, ["cat: /nothing: No such file or directory"]),
        (["sleep", "0.01"], 0, []),
        ([], 0, []),
    ],
)
async def test_a_command_is_the_life_of_its_container(
    tmp_path: Path, words: list[str], code: int, lines: list[str]
) -> None:
    async with fake(tmp_path) as runtime:
        container = await begin(runtime, *words)
        await until_async("it has ended", has_ended(runtime))
        assert (now(runtime).exit_code, logged(runtime, container)) == (code, lines)


async def test_a_command_that_an_image_of_programs_has_not_cannot_start(tmp_path: Path) -> None:
    async with fake(tmp_path) as runtime:
        with pytest.raises(RuntimeFailure, match='exec: "frobnicate": executable file not found'):
            await begin(runtime, "frobnicate")
        assert (now(runtime).exit_code, now(runtime).reason) == (128, "StartError")


async def test_a_command_of_another_image_is_pretended(tmp_path: Path) -> None:
    async with fake(tmp_path) as runtime:
        assert (await begin(runtime, "frobnicate", image="example.com/app:1")).is_running


async def test_a_returning_kubelet_goes_on_with_a_command_where_it_is(tmp_path: Path) -> None:
    async with fake(tmp_path) as runtime:
        container = await begin(runtime, "sh", "-c", "echo a; sleep 0.2; echo b")
        await until_async("a line", lambda: "a" in logged(runtime, container))
    async with fake(tmp_path) as runtime:
        await until_async("it has ended", has_ended(runtime))
        assert logged(runtime, container) == ["a", "b"]
