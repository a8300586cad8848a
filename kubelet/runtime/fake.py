"""Shell: a runtime whose containers are data: states that change with time, as their stage says.

A "running" container is a record on disk and, where its stage has a page, a listening socket. A kubelet
that comes back finds its containers as they were: same ids, start times and addresses; what should have
ended meanwhile ends at once.

Absent: images, file systems, processes; what `exec` starts is pretended too (programs/).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from kube.base.clock import Clock
from kubelet.container_logs import format_line
from kubelet.runtime import addresses
from kubelet.runtime.fake_console import Console
from kubelet.runtime.fake_exec import Heard, Session, files_in, hostname_of, process_in, unless
from kubelet.runtime.fake_http import PageServer
from kubelet.runtime.fake_records import PodRecord, Records, Used
from kubelet.runtime.interface import (
    Container,
    ContainerConfig,
    ContainerState,
    ContainerStats,
    Credentials,
    ExecResult,
    Image,
    PullFailure,
    Resources,
    RuntimeFailure,
    Sandbox,
    SandboxConfig,
    Streams,
)
from kubelet.runtime.programs import table
from kubelet.runtime.programs.files import Files
from kubelet.runtime.programs.process import Running
from kubelet.runtime.stages import Stage, Stages, UnknownStage, usage, usage_annotations

SANDBOX_SECONDS = 0.2
# The exit code of what SIGKILL ended.
KILLED = 137
# That of one whose program is not there, and the runtime's words for it.
CANNOT_RUN = 128
EXEC_AND_CREATE = (
    "OCI runtime exec failed: exec failed: unable",
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
    "runc create failed: unable",
)


@dataclass(frozen=True, slots=True)
class _Program:
    """A container's own program, ready to run, and the files it runs among."""

    running: Running
    files: Files


@dataclass(slots=True)
class _Life:
    """What a running container holds besides its record. `files`: None until somebody looks; `ended`:
    commands in it end with it; `program`: what runs in one that takes input.
    """

    console: Console
    files: Files | None = None
    servers: list[PageServer] = field(default_factory=list)
    exit_timer: asyncio.TimerHandle | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    program: asyncio.Task[None] | None = None


class FakeRuntime:
    """See the module; implements kubelet.runtime.interface.Runtime."""

    name = "fake"
    version = "1.0.0"

    def __init__(
        self,
        stages: Stages,
        records: Records,
        network: IPv4Network,
        node_ip: str,
        clock: Clock,
        new_id: Callable[[], str],
        networks: Mapping[str, IPv4Network] | None = None,
    ) -> None:
        """networks: those of the nodes, by name, where it carries several."""
        self._stages, self._records = stages, records
        self._network, self._node_ip, self._networks = network, node_ip, networks or {}
        self._clock, self._new_id = clock, new_id
        self._pods: dict[str, PodRecord] = {}
        self._pod_of: dict[str, str] = {}
        self._lives: dict[str, _Life] = {}
        # Of each network: what is given out, and what was last.
        self._taken: dict[IPv4Network, set[str]] = {}
        self._last_address: dict[IPv4Network, str] = {}
        self._is_stopping = False
        self._listener: Callable[[str], None] = lambda _: None

    def log_path(self, container_id: str) -> Path:
        return self._records.log_path(container_id)

    def address_of(self, pod_uid: str, port: int) -> tuple[str, int]:
        record = self._pods[pod_uid]
        lives = [self._lives[each] for each in record.containers if each in self._lives]
        servers = [server for life in lives for server in life.servers if server.port == port]
        return record.sandbox.ip, servers[0].bound_port if servers else port

    def on_change(self, listener: Callable[[str], None]) -> None:
        self._listener = listener

    async def start(self) -> None:
        self._pods = self._records.load()
        for uid, record in self._pods.items():
            if record.sandbox.ready:
                self._taken.setdefault(self._network_of(record.config), set()).add(record.sandbox.ip)
            for container in record.containers.values():
                self._pod_of[container.id] = uid
                if container.is_running:
                    await self._bring_to_life(container, self._program(container), self._age(container))

    async def stop(self) -> None:
        self._is_stopping = True
        for container_id in list(self._lives):
            self._end_life(container_id)

    def sandbox_of(self, pod_uid: str) -> Sandbox | None:
        record = self._pods.get(pod_uid)
        return record.sandbox if record else None

    def containers_of(self, pod_uid: str) -> list[Container]:
        record = self._pods.get(pod_uid)
        return list(record.containers.values()) if record else []

    def list_sandboxes(self) -> list[Sandbox]:
        return [record.sandbox for record in self._pods.values()]

    async def run_pod_sandbox(self, config: SandboxConfig) -> Sandbox:
        assert config.pod_uid not in self._pods, f"pod {config.name} has a sandbox already"
        sandbox = Sandbox(
            id=self._new_id(),
            pod_uid=config.pod_uid,
            namespace=config.namespace,
            name=config.name,
            ip=self._node_ip if config.host_network else self._take_address(self._network_of(config)),
            ready=True,
            created_at=self._clock.now(),
        )
        self._save(PodRecord(config, sandbox))
        await asyncio.sleep(SANDBOX_SECONDS)
        return sandbox

    def annotate(self, pod_uid: str, annotations: Mapping[str, str]) -> None:
        """What containers use may change while they run; what they are was decided at their start."""
        record = self._pods.get(pod_uid)
        if record is None or usage_annotations(annotations) == usage_annotations(record.config.annotations):
            return
        now = self._clock.now()
        for each in self.containers_of(pod_uid):
            if each.is_running:
                record.used[each.id] = Used(now, self._used(each, now).cpu_nanoseconds)
        others = {
            key: value
            for key, value in record.config.annotations.items()
            if key not in usage_annotations(record.config.annotations)
        }
        record.config = replace(record.config, annotations=others | usage_annotations(annotations))
        self._save(record)

    async def stop_pod_sandbox(self, pod_uid: str) -> None:
        record = self._pods[pod_uid]
        assert not any(each.is_running for each in record.containers.values()), (
            "containers end before their sandbox"
        )
        record.sandbox = replace(record.sandbox, ready=False)
        self._give_back(record)
        self._save(record)

    async def remove_pod_sandbox(self, pod_uid: str) -> None:
        for container in self.containers_of(pod_uid):
            self._end_life(container.id)
            del self._pod_of[container.id]
            self._records.delete_log(container.id)
        if (record := self._pods.pop(pod_uid, None)) is not None and record.sandbox.ready:
            self._give_back(record)
        self._records.delete(pod_uid)

    def problem(self) -> str | None:
        return None

    def image_of(self, image: str) -> Image | None:
        return None if self._stages.of(image, {}).pull_error else Image(image, (image,), 0)

    def list_images(self) -> Sequence[Image]:
        return ()

    async def pull_image(self, image: str, credentials: Credentials | None = None) -> Image:
        stage = self._stages.of(image, {})
        await asyncio.sleep(stage.pull_seconds)
        if stage.pull_error:
            raise PullFailure(stage.pull_error.format(image=image))
        return Image(image, (image,), 0)

    async def remove_image(self, image_id: str) -> None:
        """There are none to remove."""

    async def create_container(self, pod_uid: str, config: ContainerConfig) -> str:
        record = self._pods[pod_uid]
        try:
            self._stages.of(config.image, record.config.annotations, config.name)
        except UnknownStage as unknown:
            raise RuntimeFailure(str(unknown)) from unknown
        container = Container(
            id=self._new_id(),
            sandbox_id=record.sandbox.id,
            pod_uid=pod_uid,
            name=config.name,
            attempt=config.attempt,
            image=config.image,
            state=ContainerState.CREATED,
            created_at=self._clock.now(),
        )
        record.containers[container.id] = container
        record.configs[container.id] = config
        self._pod_of[container.id] = pod_uid
        self._save(record)
        return container.id

    async def start_container(self, container_id: str) -> None:
        stage = self._stage(self._container(container_id))
        await asyncio.sleep(stage.start_seconds)
        try:
            program = self._program(self._container(container_id))
        except table.CannotStart as error:
            self._cannot_run(container_id, str(error))
            raise RuntimeFailure(str(error)) from error
        container = replace(
            self._container(container_id), state=ContainerState.RUNNING, started_at=self._clock.now()
        )
        self._update(container)
        for line in stage.log:
            self.print_line(container.id, line)
        await self._bring_to_life(container, program)

    async def stop_container(self, container_id: str, grace_seconds: float) -> None:
        stage = self._stage(self._container(container_id))
        obeys = stage.stop_seconds <= grace_seconds
        if life := self._lives.get(container_id):
            # Another stop, with less grace, may end it before.
            await unless(life.ended, asyncio.sleep(min(stage.stop_seconds, grace_seconds)))
        self._exit(container_id, 0 if obeys else KILLED)

    async def exec(
        self, container_id: str, command: Sequence[str], streams: Streams, *, is_terminal: bool
    ) -> int:
        life = self._lives.get(container_id)
        if life is None:
            raise RuntimeFailure(f"failed to exec in container: container {container_id} is not running")
        container = self._container(container_id)
        record, stage = self._pods[container.pod_uid], self._stage(container)
        life.files = life.files or files_in(record, container_id, stage)
        try:
            process = process_in(record, container_id, stage, life.files, is_terminal=is_terminal)
            running = table.start(process, command)
        except table.CannotStart as error:
            why = f'failed to start exec "{self._new_id()}": {error}'
            raise RuntimeFailure(f"failed to exec in container: {why}") from error
        end = partial(self._exit_by_itself, container_id, 0)
        session = Session(record.sandbox.ip, streams, self._clock, end, is_terminal=is_terminal)
        code = await unless(life.ended, session.run(running))
        if code is None and self._is_stopping:
            raise RuntimeFailure("the kubelet is ending")
        return KILLED if code is None else code

    async def exec_sync(
        self, container_id: str, command: Sequence[str], timeout_seconds: float
    ) -> ExecResult:
        heard = Heard()
        async with asyncio.timeout(timeout_seconds):
            code = await self.exec(container_id, command, heard, is_terminal=False)
        return ExecResult(code, bytes(heard.output))

    async def attach(self, container_id: str, streams: Streams, *, is_terminal: bool) -> None:
        """Join a client with the container's program; one without a program reads nothing."""
        life = self._lives.get(container_id)
        if life is None:
            raise RuntimeFailure(f"failed to attach to container: container {container_id} is not running")
        await unless(life.ended, life.console.attach(streams))

    async def remove_container(self, container_id: str) -> None:
        record = self._pods[self._pod_of[container_id]]
        self._forget(record, container_id)
        self._save(record)

    async def update_resources(self, container_id: str, resources: Resources) -> None:
        """A pretended container needs none."""

    async def reopen_log(self, container_id: str) -> None:
        """Each line is written to the file that is there."""

    async def stats(self, pod_uid: str) -> Sequence[ContainerStats]:
        now = self._clock.now()
        return [self._used(each, now) for each in self.containers_of(pod_uid) if each.is_running]

    def _used(self, container: Container, now: datetime) -> ContainerStats:
        record = self._pods[container.pod_uid]
        uses = usage(self._stage(container), record.config.annotations, container.name)
        assert container.started_at is not None, "what runs has started"
        before = record.used.get(container.id) or Used(container.started_at, 0)
        since = (now - before.counted_at).total_seconds()
        nanoseconds = before.nanoseconds + int(since * uses.cpu_nanoseconds)
        return ContainerStats(container.id, now, nanoseconds, uses.memory_bytes)

    def pretended_probe(self, container_id: str, kind: str, action: Mapping[str, Any]) -> bool | None:
        """What its stage says; else programs are run and sockets spoken to; all others succeed."""
        container = self._container(container_id)
        stage = self._stage(container)
        if kind in stage.probes:
            assert container.started_at is not None, "what is probed has started"
            return stage.probes[kind].succeeds((self._clock.now() - container.started_at).total_seconds())
        if "exec" in action:
            command = action["exec"].get("command") or [""]
            return None if stage.has_programs and command[0] in table.PROGRAMS else True
        return None if self._lives[container_id].servers else True

    def print_line(self, container_id: str, text: str) -> None:
        """Write a line of the container's output."""
        self._log_line(container_id, text)
        if (life := self._lives.get(container_id)) is not None:
            life.console.show(text)

    def _log_line(self, container_id: str, text: str) -> None:
        self._records.write_log(container_id, format_line(self._clock.now(), text))

    async def _bring_to_life(self, container: Container, program: _Program | None, late: float = 0.0) -> None:
        """Run its program, or open its sockets and set the time of its end; late: seconds since its start."""
        stage = self._stage(container)
        config = self._pods[container.pod_uid].configs[container.id]
        log_line = partial(self._log_line, container.id)
        life = self._lives[container.id] = _Life(Console(config, log_line))
        if program is not None:
            life.files = program.files
            running = self._run_program(container, life, program.running, late)
            life.program = asyncio.ensure_future(running)
            return
        if stage.page:
            record = self._pods[container.pod_uid]
            log = partial(self.print_line, container.id)
            ports = record.configs[container.id].ports or stage.default_ports
            name, ip = hostname_of(record), record.sandbox.ip
            life.servers = [PageServer(ip, port, stage.page, name, log) for port in ports]
            for server in life.servers:
                await server.start()
        if stage.exit_after_seconds is not None:
            assert container.started_at is not None
            ends_at = container.started_at + timedelta(seconds=stage.exit_after_seconds)
            self._exit_later(container, life, ends_at, stage.exit_code)

    def _program(self, container: Container) -> _Program | None:
        """What the container runs, where that is more than pretended; CannotStart where it must be and is not
        there.
        """
        record, stage = self._pods[container.pod_uid], self._stage(container)
        config = record.configs[container.id]
        words = [*config.command, *config.args] if config.command or not stage.page else []
        words = words or [*stage.entrypoint] or (["sh"] if config.stdin and not stage.page else [])
        if not words or not stage.has_programs or stage.exit_after_seconds is not None:
            return None
        files = files_in(record, container.id, stage)
        process = process_in(record, container.id, stage, files, is_terminal=config.is_terminal)
        try:
            return _Program(table.start(process, words), files)
        except table.CannotStart as error:
            if not stage.entrypoint:
                return None
            raise table.CannotStart(str(error).replace(*EXEC_AND_CREATE)) from error

    def _age(self, container: Container) -> float:
        """Seconds since its start."""
        return (self._clock.now() - (container.started_at or self._clock.now())).total_seconds()

    def _cannot_run(self, container_id: str, why: str) -> None:
        """End a container that did not begin."""
        now = self._clock.now()
        ended = replace(
            self._container(container_id),
            state=ContainerState.EXITED,
            started_at=now,
            finished_at=now,
            exit_code=CANNOT_RUN,
            reason="StartError",
            message=why,
        )
        self._update(ended)

    async def _run_program(self, container: Container, life: _Life, program: Running, late: float) -> None:
        """Run the container's own program with its console; its end is the container's."""
        end = partial(self._exit_by_itself, container.id, 0)
        record = self._pods[container.pod_uid]
        is_terminal = record.configs[container.id].is_terminal
        session = Session(record.sandbox.ip, life.console, self._clock, end, is_terminal=is_terminal)
        code = await session.run(program, late)
        life.console.flush()
        life.program = None
        self._exit_by_itself(container.id, code)

    def _exit_later(self, container: Container, life: _Life, ends_at: datetime, exit_code: int) -> None:
        loop = asyncio.get_running_loop()
        delay = max((ends_at - self._clock.now()).total_seconds(), 0.0)
        life.exit_timer = loop.call_later(delay, self._exit_by_itself, container.id, exit_code)

    def _exit_by_itself(self, container_id: str, exit_code: int) -> None:
        self._exit(container_id, exit_code)
        self._listener(self._pod_of[container_id])

    def _exit(self, container_id: str, exit_code: int) -> None:
        self._end_life(container_id)
        container = self._container(container_id)
        if not container.is_exited:
            reason = self._stage(container).exit_reason or ("Completed" if exit_code == 0 else "Error")
            state, now = ContainerState.EXITED, self._clock.now()
            self._update(replace(container, state=state, finished_at=now, exit_code=exit_code, reason=reason))

    def _end_life(self, container_id: str) -> None:
        life = self._lives.pop(container_id, None)
        if life is None:
            return
        life.ended.set()
        if life.program is not None:
            life.program.cancel()
        if life.exit_timer:
            life.exit_timer.cancel()
        for server in life.servers:
            server.close()

    def _network_of(self, config: SandboxConfig) -> IPv4Network:
        return self._networks.get(config.node_name, self._network)

    def _take_address(self, network: IPv4Network) -> str:
        taken = self._taken.setdefault(network, set())
        try:
            address = addresses.next_address(network, taken, self._last_address.get(network))
        except addresses.NoAddressLeft as error:
            raise RuntimeFailure(str(error)) from error
        taken.add(address)
        self._last_address[network] = address
        return address

    def _give_back(self, record: PodRecord) -> None:
        self._taken.get(self._network_of(record.config), set()).discard(record.sandbox.ip)

    def _forget(self, record: PodRecord, container_id: str) -> None:
        del record.containers[container_id], record.configs[container_id], self._pod_of[container_id]
        record.used.pop(container_id, None)
        self._records.delete_log(container_id)

    def _container(self, container_id: str) -> Container:
        return self._pods[self._pod_of[container_id]].containers[container_id]

    def _stage(self, container: Container) -> Stage:
        annotations = self._pods[container.pod_uid].config.annotations
        return self._stages.of(container.image, annotations, container.name)

    def _update(self, container: Container) -> None:
        record = self._pods[container.pod_uid]
        record.containers[container.id] = container
        self._save(record)

    def _save(self, record: PodRecord) -> None:
        self._pods[record.sandbox.pod_uid] = record
        self._records.save(record)
