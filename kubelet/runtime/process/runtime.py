"""Shell: a runtime whose containers are processes of this machine, kept by a shim a pod.

    kubelet --socket--> shim (a pod) --fork, exec--> containers
       '-- pod.json        '-- state.json

The shims live on without the kubelet; one that comes back asks each what became of its containers. A shim
that was killed took its containers along: they have ended with 137, and the next one that starts gets a new
shim, at the same address. Images are names here: what a container runs are the machine's own programs.

Absent: pulls; a network namespace (shim/network.py says why); image_id.
"""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from kube.base import low_ports
from kube.base.clock import Clock
from kube.base.logs import logger
from kubelet.runtime import addresses
from kubelet.runtime.interface import (
    Container,
    ContainerConfig,
    ContainerState,
    ContainerStats,
    Credentials,
    ExecResult,
    Image,
    Mount,
    Resources,
    RuntimeFailure,
    Sandbox,
    SandboxConfig,
    Streams,
)
from kubelet.runtime.process import abilities, clearing, commands, facts, records, states
from kubelet.runtime.process.abilities import Abilities, shim_command
from kubelet.runtime.process.commands import Command
from kubelet.runtime.process.records import PodRecord, Records
from kubelet.runtime.process.shim_client import Message, ShimClient, ShimGone

log = logger(__name__)

# How long a shim may take to say what it has.
HELLO_SECONDS = 5.0
RESOLV_CONF = "/etc/resolv.conf"


class ProcessRuntime:
    """See the module; implements kubelet.runtime.interface.Runtime."""

    name = "process"
    version = platform.python_version()

    def __init__(
        self,
        records: Records,
        network: IPv4Network,
        node_ip: str,
        clock: Clock,
        new_id: Callable[[], str],
        find_abilities: Callable[[Path], Awaitable[Abilities]] = abilities.find,
    ) -> None:
        self._records, self._network, self._node_ip = records, network, node_ip
        self._clock, self._new_id = clock, new_id
        self._find_abilities = find_abilities
        self._abilities = Abilities(has_mounts=False, has_redirection=False)
        self._port_offset = 0
        self._pods: dict[str, PodRecord] = {}
        self._pod_of: dict[str, str] = {}
        self._shims: dict[str, ShimClient] = {}
        self._clearings: dict[str, asyncio.Task[None]] = {}
        self._last_address: str | None = None
        self._listener: Callable[[str], None] = lambda _: None

    def problem(self) -> str | None:
        return None

    def log_path(self, container_id: str) -> Path:
        return self._folder_of(container_id) / f"{container_id}.log"

    def address_of(self, pod_uid: str, port: int) -> tuple[str, int]:
        record = self._pods[pod_uid]
        is_offset = port < low_ports.FIRST_FREE_FOR_ALL and not record.config.host_network
        return record.sandbox.ip, port + (self._port_offset if is_offset else 0)

    def on_change(self, listener: Callable[[str], None]) -> None:
        self._listener = listener

    async def start(self) -> None:
        self._abilities = await self._find_abilities(self._records.folder_of(".trial"))
        self._port_offset = low_ports.bindable(1) - 1
        self._pods = self._records.load()
        for uid, record in self._pods.items():
            self._pod_of.update(dict.fromkeys(record.containers, uid))
        await asyncio.gather(*(self._take_up(uid) for uid in self._pods))

    async def stop(self) -> None:
        shims, self._shims = list(self._shims.values()), {}
        for shim in shims:
            await shim.aclose()
        for uid in list(self._clearings):
            await self._cleared(uid)

    def sandbox_of(self, pod_uid: str) -> Sandbox | None:
        record = self._pods.get(pod_uid)
        return record.sandbox if record else None

    def containers_of(self, pod_uid: str) -> list[Container]:
        record = self._pods.get(pod_uid)
        return list(record.containers.values()) if record else []

    def list_sandboxes(self) -> list[Sandbox]:
        return [record.sandbox for record in self._pods.values()]

    async def run_pod_sandbox(self, config: SandboxConfig) -> Sandbox:
        before = self._pods.get(config.pod_uid)
        assert before is None or not before.sandbox.ready, f"pod {config.name} has a sandbox already"
        sandbox = Sandbox(
            id=self._new_id(),
            pod_uid=config.pod_uid,
            namespace=config.namespace,
            name=config.name,
            ip=self._node_ip if config.host_network else self._take_address(),
            ready=True,
            created_at=self._clock.now(),
        )
        record = PodRecord(config, sandbox)
        if before:
            record.containers, record.configs = before.containers, before.configs
        self._save(record)
        try:
            await self._start_shim(record)
        except RuntimeFailure:
            await self.stop_pod_sandbox(config.pod_uid)
            if before is None:
                await self.remove_pod_sandbox(config.pod_uid)
            raise
        return sandbox

    def annotate(self, pod_uid: str, annotations: Mapping[str, str]) -> None:
        """A real container goes by none."""

    async def stop_pod_sandbox(self, pod_uid: str) -> None:
        record = self._pods[pod_uid]
        if shim := self._shims.pop(pod_uid, None):
            try:
                await shim.ask("shut_down")
            except RuntimeFailure as failure:
                log.warning("a shim ended before it was told to", pod=record.config.name, error=failure)
            await shim.aclose()
        self._bury(pod_uid)
        await self._cleared(pod_uid)
        record.sandbox = replace(record.sandbox, ready=False)
        self._save(record)

    async def remove_pod_sandbox(self, pod_uid: str) -> None:
        record = self._pods.get(pod_uid)
        if record is None:
            return
        if record.sandbox.ready:
            await self.stop_pod_sandbox(pod_uid)
        for container_id in record.containers:
            del self._pod_of[container_id]
        del self._pods[pod_uid]
        self._records.delete(pod_uid)

    def image_of(self, image: str) -> Image | None:
        return Image(image, (image,), 0)

    def list_images(self) -> Sequence[Image]:
        return ()

    async def pull_image(self, image: str, credentials: Credentials | None = None) -> Image:
        return Image(image, (image,), 0)

    async def remove_image(self, image_id: str) -> None:
        """There are none to remove."""

    async def create_container(self, pod_uid: str, config: ContainerConfig) -> str:
        if not [*config.command, *config.args]:
            raise RuntimeFailure(
                f'image "{config.image}" has no command here: a process node runs the pod\'s own command'
            )
        record = self._pods[pod_uid]
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
        record = self._pods[self._pod_of[container_id]]
        shim = self._shims.get(record.sandbox.pod_uid) or await self._start_shim(record)
        config = asdict(record.configs[container_id])
        config["mounts"] = [*self._usual_mounts(record), *config["mounts"]]
        await shim.ask(
            "start", container=container_id, config=config, log_path=str(self.log_path(container_id))
        )

    async def stop_container(self, container_id: str, grace_seconds: float) -> None:
        if shim := self._shims.get(self._pod_of[container_id]):
            await shim.ask("stop", container=container_id, grace_seconds=grace_seconds)

    async def remove_container(self, container_id: str) -> None:
        record = self._pods[self._pod_of[container_id]]
        if shim := self._shims.get(record.sandbox.pod_uid):
            await shim.ask("remove", container=container_id)
        path = self.log_path(container_id)
        # Those that were turned over, too.
        for each in path.parent.glob(f"{path.name}*"):
            each.unlink(missing_ok=True)
        del record.containers[container_id], record.configs[container_id], self._pod_of[container_id]
        self._save(record)

    async def exec(
        self, container_id: str, command: Sequence[str], streams: Streams, *, is_terminal: bool
    ) -> int:
        return await commands.execute(self._command(container_id, command), streams, is_terminal=is_terminal)

    async def exec_sync(
        self, container_id: str, command: Sequence[str], timeout_seconds: float
    ) -> ExecResult:
        return await commands.execute_sync(self._command(container_id, command), timeout_seconds)

    async def attach(self, container_id: str, streams: Streams, *, is_terminal: bool) -> None:
        uid = self._pod_of[container_id]

        async def resize(columns: int, rows: int) -> None:
            if shim := self._shims.get(uid):
                await shim.ask("resize", container=container_id, columns=columns, rows=rows)

        folder = self._folder_of(container_id)
        await commands.attach(folder, container_id, streams, resize if is_terminal else None)

    async def update_resources(self, container_id: str, resources: Resources) -> None:
        uid = self._pod_of[container_id]
        record = self._pods[uid]
        record.configs[container_id] = replace(record.configs[container_id], resources=resources)
        self._save(record)
        if shim := self._shims.get(uid):
            await shim.ask("update", container=container_id, resources=asdict(resources))

    async def reopen_log(self, container_id: str) -> None:
        if shim := self._shims.get(self._pod_of[container_id]):
            await shim.ask("reopen_log", container=container_id)

    async def stats(self, pod_uid: str) -> Sequence[ContainerStats]:
        shim = self._shims.get(pod_uid)
        used = await shim.ask("usage") if shim else {}
        now = self._clock.now()
        return [ContainerStats(key, now, cpu, memory) for key, (cpu, memory) in used.items()]

    def pretended_probe(self, container_id: str, kind: str, action: Mapping[str, Any]) -> bool | None:
        return None

    def _command(self, container_id: str, words: Sequence[str]) -> Command:
        return Command(self._new_id(), self._folder_of(container_id), container_id, words)

    def _folder_of(self, container_id: str) -> Path:
        return self._records.folder_of(self._pod_of[container_id])

    async def _start_shim(self, record: PodRecord) -> ShimClient:
        await self._cleared(record.sandbox.pod_uid)
        folder = self._records.folder_of(record.sandbox.pod_uid)
        records.write(
            folder / "sandbox.json", facts.facts(record, self._abilities, self._node_ip, self._port_offset)
        )
        title = f"{record.config.namespace}/{record.config.name}"
        with (folder / "shim.log").open("ab") as printed:
            starting = await asyncio.create_subprocess_exec(
                *shim_command("kubelite", "shim", str(folder), title),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                start_new_session=True,
            )
        code = await starting.wait()
        if code:
            said = (folder / "shim.log").read_text(errors="replace").strip().splitlines()[-1:]
            raise RuntimeFailure(f"the shim of the pod did not start: {' '.join(said)}")
        return await self._connect(record.sandbox.pod_uid)

    def _usual_mounts(self, record: PodRecord) -> list[dict[str, Any]]:
        """What an image would not have either: names are resolved as the machine does, or as the pod says."""
        if not self._abilities.has_mounts:
            return []
        source = os.path.realpath(RESOLV_CONF)
        if dns := record.config.dns:
            path = self._records.folder_of(record.sandbox.pod_uid) / "resolv.conf"
            path.write_text(dns.text)
            source = str(path)
        return [asdict(Mount(RESOLV_CONF, source))] if os.path.exists(source) else []

    async def _take_up(self, pod_uid: str) -> None:
        """What an earlier kubelet left of a pod."""
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                await self._connect(pod_uid)
        except TimeoutError:
            log.warning("a shim does not answer and is ended", pod=self._pods[pod_uid].config.name)
            await clearing.end(self._records.folder_of(pod_uid) / "shim.json")
            self._bury(pod_uid)
        except ShimGone:
            self._bury(pod_uid)

    async def _connect(self, pod_uid: str) -> ShimClient:
        """Hear what became of the pod's containers, and what will."""
        shim = await ShimClient.connect(self._records.folder_of(pod_uid), first={"do": "hello"})
        try:
            said = await shim.first_answer()
        except BaseException:
            await shim.aclose()
            raise
        for container_id, state in said.items():
            self._heard(pod_uid, container_id, state)
        shim.listen(
            lambda message: self._told(pod_uid, message["changed"], message["state"]),
            lambda: self._lost(pod_uid),
        )
        self._shims[pod_uid] = shim
        return shim

    def _told(self, pod_uid: str, container_id: str, state: Message) -> None:
        self._heard(pod_uid, container_id, state)
        self._listener(pod_uid)

    def _heard(self, pod_uid: str, container_id: str, state: Message) -> None:
        record = self._pods[pod_uid]
        if container := record.containers.get(container_id):
            record.containers[container_id] = states.with_state(container, state)
            self._save(record)

    def _lost(self, pod_uid: str) -> None:
        """The shim has ended, and nobody had told it to."""
        if self._shims.pop(pod_uid, None):
            log.warning("a shim is gone, and its containers with it", pod=self._pods[pod_uid].config.name)
            self._bury(pod_uid)
            self._listener(pod_uid)

    def _bury(self, pod_uid: str) -> None:
        """Without its shim nothing of a pod runs: what it did not say has ended with it."""
        for container_id, state in self._records.states_of(pod_uid).items():
            self._heard(pod_uid, container_id, state)
        record = self._pods[pod_uid]
        for container in list(record.containers.values()):
            if container.is_running:
                record.containers[container.id] = states.killed(container, self._clock.now())
        self._save(record)
        if group := self._abilities.group_of(pod_uid):
            self._clearings[pod_uid] = asyncio.ensure_future(clearing.clear_group(group))

    async def _cleared(self, pod_uid: str) -> None:
        """Nothing is left of the shim before."""
        if task := self._clearings.pop(pod_uid, None):
            await task

    def _take_address(self) -> str:
        taken = {record.sandbox.ip for record in self._pods.values() if record.sandbox.ready}
        try:
            self._last_address = addresses.next_address(self._network, taken, self._last_address)
        except addresses.NoAddressLeft as error:
            raise RuntimeFailure(str(error)) from error
        return self._last_address

    def _save(self, record: PodRecord) -> None:
        self._pods[record.sandbox.pod_uid] = record
        self._records.save(record)
