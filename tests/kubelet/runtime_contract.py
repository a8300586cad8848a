"""What every runtime promises its kubelet: a class of tests; each runtime has a subclass with its `bench`."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from kubelet.runtime.interface import (
    Container,
    ContainerConfig,
    ContainerState,
    Runtime,
    RuntimeFailure,
    Sandbox,
    SandboxConfig,
)
from tests.support.wait import until_async

# Of this process alone: other tests on the machine make pods, too.
UIDS = (f"contract-{os.getpid()}-{number}" for number in itertools.count(1))


class Client:
    """A client's streams: what it types, and what it was shown; an empty piece is the end of its typing."""

    def __init__(self, *typed: bytes, size: tuple[int, int] = (80, 24)) -> None:
        self.size = size
        self.shown, self.errors = b"", b""
        self._typed: asyncio.Queue[bytes] = asyncio.Queue()
        for each in typed:
            self.type(each)

    def type(self, data: bytes) -> None:
        self._typed.put_nowait(data)

    async def read(self) -> bytes:
        return await self._typed.get()

    async def write(self, data: bytes) -> None:
        self.shown += data

    async def write_error(self, data: bytes) -> None:
        self.errors += data

    async def sees(self, text: bytes) -> None:
        await until_async(f"{text!r} is shown", lambda: text in self.shown + self.errors)


@dataclass
class Bench:
    """A runtime on its feet. make: another one for the same node, as a kubelet that comes back has it.

    kinds: how a container is made that runs, and says "ready" when it obeys; one that says "hello" and fails
    with 3; one that does not obey.
    """

    make: Callable[[], Runtime]
    kinds: Mapping[str, Mapping[str, Any]]
    runtime: Runtime = field(init=False)
    changed: list[str] = field(default_factory=list)

    async def start(self) -> None:
        self.runtime = self.make()
        self.runtime.on_change(self.changed.append)
        await self.runtime.start()

    async def come_back(self) -> None:
        """The kubelet ends, and another one starts."""
        await self.runtime.stop()
        await self.start()

    async def close(self) -> None:
        for sandbox in self.runtime.list_sandboxes():
            await self.remove(sandbox.pod_uid)
        await self.runtime.stop()

    async def remove(self, uid: str) -> None:
        for each in self.runtime.containers_of(uid):
            if each.is_running:
                await self.runtime.stop_container(each.id, 0)
        if self.sandbox(uid).ready:
            await self.runtime.stop_pod_sandbox(uid)
        await self.runtime.remove_pod_sandbox(uid)

    async def pod(self, **config: Any) -> str:
        uid = next(UIDS)
        await self.runtime.run_pod_sandbox(SandboxConfig(uid, "default", f"name-of-{uid}", **config))
        return uid

    async def create(self, uid: str, kind: str, attempt: int = 0, name: str = "c") -> str:
        config = ContainerConfig(name=name, attempt=attempt, **self.kinds[kind])
        return await self.runtime.create_container(uid, config)

    async def run(self, kind: str, uid: str = "", attempt: int = 0) -> Container:
        """A started container, of a pod of its own where none is named."""
        container_id = await self.create(uid or await self.pod(), kind, attempt)
        await self.runtime.start_container(container_id)
        return self.now(container_id)

    def now(self, container_id: str) -> Container:
        every = [
            each for pod in self.runtime.list_sandboxes() for each in self.runtime.containers_of(pod.pod_uid)
        ]
        return next(each for each in every if each.id == container_id)

    async def end(self, container: Container) -> Container:
        """When it has ended by itself."""
        await until_async(f"{container.name} ends", lambda: self.now(container.id).is_exited)
        return self.now(container.id)

    async def ready(self, container: Container) -> None:
        """When it has heard of signals: one that comes before that is lost on a first process."""
        await until_async("it is ready", lambda: self.log(container) == ["stdout F ready"])

    def sandbox(self, uid: str) -> Sandbox:
        sandbox = self.runtime.sandbox_of(uid)
        assert sandbox is not None
        return sandbox

    def log(self, container: Container) -> list[str]:
        """The lines of its log as `stream tag text`."""
        lines = self.runtime.log_path(container.id).read_text().splitlines()
        return [line.split(" ", 1)[1] for line in lines]


class RuntimeContract:
    """The tests."""

    async def test_a_sandbox_has_an_address_of_its_own(self, bench: Bench) -> None:
        one, other = await bench.pod(), await bench.pod()
        assert bench.sandbox(one).ready
        assert bench.sandbox(one).ip != bench.sandbox(other).ip
        assert {each.pod_uid for each in bench.runtime.list_sandboxes()} >= {one, other}

    async def test_a_pod_on_the_nodes_network_has_the_nodes_address(self, bench: Bench) -> None:
        assert bench.sandbox(await bench.pod(host_network=True)).ip == "127.31.0.8"

    async def test_a_container_is_created_then_runs(self, bench: Bench) -> None:
        uid = await bench.pod()
        container_id = await bench.create(uid, "runs")
        assert bench.now(container_id).state is ContainerState.CREATED
        await bench.runtime.start_container(container_id)
        running = bench.now(container_id)
        assert running.is_running
        assert running.started_at is not None

    async def test_one_that_ends_by_itself_is_announced_with_its_end(self, bench: Bench) -> None:
        ended = await bench.end(await bench.run("fails"))
        assert (ended.exit_code, ended.reason) == (3, "Error")
        assert ended.finished_at is not None
        assert ended.pod_uid in bench.changed

    async def test_what_it_said_is_in_its_log(self, bench: Bench) -> None:
        ended = await bench.end(await bench.run("fails"))
        assert bench.log(ended) == ["stdout F hello"]

    async def test_one_that_does_not_obey_is_killed_after_the_grace(self, bench: Bench) -> None:
        container = await bench.run("stubborn")
        await bench.runtime.stop_container(container.id, 0)
        killed = bench.now(container.id)
        assert (killed.is_exited, killed.exit_code, killed.reason) == (True, 137, "Error")

    async def test_a_stop_with_less_grace_ends_one_with_more(self, bench: Bench) -> None:
        container = await bench.run("stubborn")
        patient = asyncio.ensure_future(bench.runtime.stop_container(container.id, 600))
        await asyncio.sleep(0)
        await bench.runtime.stop_container(container.id, 0)
        await patient
        assert bench.now(container.id).exit_code == 137

    async def test_one_that_obeys_ends_within_the_grace(self, bench: Bench) -> None:
        container = await bench.run("runs")
        await bench.ready(container)
        await bench.runtime.stop_container(container.id, 600)
        assert (bench.now(container.id).exit_code, bench.now(container.id).reason) == (0, "Completed")

    async def test_a_returning_kubelet_finds_everything_as_it_was(self, bench: Bench) -> None:
        running = await bench.run("runs")
        created = await bench.create(running.pod_uid, "runs", name="d")
        sandbox = bench.sandbox(running.pod_uid)
        await bench.come_back()
        assert bench.sandbox(running.pod_uid) == sandbox
        assert bench.now(running.id) == running
        await bench.runtime.start_container(created)
        assert bench.now(created).is_running

    async def test_a_returning_kubelet_hears_what_ended_later(self, bench: Bench) -> None:
        running = await bench.run("runs")
        await bench.ready(running)
        await bench.come_back()
        await bench.runtime.stop_container(running.id, 600)
        assert bench.now(running.id).is_exited

    async def test_what_ended_while_nobody_looked_has_ended(self, bench: Bench) -> None:
        failing = await bench.run("fails")
        await bench.come_back()
        assert (await bench.end(failing)).exit_code == 3

    async def test_a_restarted_container_is_a_new_one_with_a_log_of_its_own(self, bench: Bench) -> None:
        first = await bench.end(await bench.run("fails"))
        second = await bench.end(await bench.run("fails", first.pod_uid, attempt=1))
        assert [each.attempt for each in bench.runtime.containers_of(first.pod_uid)] == [0, 1]
        assert first.id != second.id
        await bench.runtime.remove_container(first.id)
        assert [each.id for each in bench.runtime.containers_of(first.pod_uid)] == [second.id]
        assert bench.log(second) == ["stdout F hello"]

    async def test_a_removed_pod_leaves_nothing(self, bench: Bench) -> None:
        container = await bench.run("runs")
        log = bench.runtime.log_path(container.id)
        await bench.remove(container.pod_uid)
        assert bench.runtime.sandbox_of(container.pod_uid) is None
        assert bench.runtime.containers_of(container.pod_uid) == []
        assert not log.exists()
        await bench.come_back()
        assert bench.runtime.sandbox_of(container.pod_uid) is None

    async def test_a_stopped_pod_is_remembered_with_its_containers(self, bench: Bench) -> None:
        ended = await bench.end(await bench.run("fails"))
        await bench.runtime.stop_pod_sandbox(ended.pod_uid)
        await bench.come_back()
        assert not bench.sandbox(ended.pod_uid).ready
        assert bench.now(ended.id) == ended
        assert bench.log(ended) == ["stdout F hello"]

    async def test_a_command_reads_what_is_typed_and_says_how_it_ended(self, bench: Bench) -> None:
        container = await bench.run("runs")
        client = Client(b"one\n", b"two\n", b"")
        assert await bench.runtime.exec(container.id, ["cat"], client, is_terminal=False) == 0
        assert client.shown == b"one\ntwo\n"
        command = ["sh", "-c", "echo no >&2; exit 4"]
        assert await bench.runtime.exec(container.id, command, client, is_terminal=False) == 4
        assert client.errors == b"no\n"

    async def test_a_terminal_echoes_and_a_shell_in_it_obeys(self, bench: Bench) -> None:
        container, client = await bench.run("runs"), Client()
        shell = asyncio.ensure_future(bench.runtime.exec(container.id, ["sh"], client, is_terminal=True))
        # Before it the terminal's own echo and the shell's, which edits lines itself, would both have a part.
        await client.sees(b"# ")
        client.type(b"echo 'o'k\r")
        await client.sees(b"ok\r\n")
        client.type(b"exit 5\r")
        assert await shell == 5
        assert b"echo 'o'k" in client.shown

    async def test_what_is_no_program_cannot_be_run(self, bench: Bench) -> None:
        container = await bench.run("runs")
        with pytest.raises(RuntimeFailure, match=r'exec: "nope": executable file not found in \$PATH'):
            await bench.runtime.exec_sync(container.id, ["nope"], 60)

    async def test_a_command_that_takes_too_long_is_ended(self, bench: Bench) -> None:
        container = await bench.run("runs")
        with pytest.raises(TimeoutError):
            await bench.runtime.exec_sync(container.id, ["sleep", "600"], 0.1)
        done = await bench.runtime.exec_sync(container.id, ["sh", "-c", "echo yes; exit 1"], 60)
        assert (done.exit_code, done.output) == (1, b"yes\n")

    async def test_a_command_ends_with_its_container(self, bench: Bench) -> None:
        container, client = await bench.run("runs"), Client()
        command = asyncio.ensure_future(
            bench.runtime.exec(container.id, ["sh", "-c", "echo on; sleep 600"], client, is_terminal=False)
        )
        await client.sees(b"on")
        await bench.runtime.stop_container(container.id, 0)
        assert await command == 137

    async def test_in_a_container_that_has_ended_nothing_runs(self, bench: Bench) -> None:
        ended = await bench.end(await bench.run("fails"))
        with pytest.raises(RuntimeFailure, match="not running"):
            await bench.runtime.exec_sync(ended.id, ["true"], 60)
