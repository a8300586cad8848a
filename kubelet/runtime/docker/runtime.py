"""Shell: a runtime whose containers are Docker Engine's.

    kubelet asks     -> view.py (core): what the engine last said
    kubelet acts     -> requests.py (core) -> engine -> known.py: inspect -> view.py
    engine's events  -> watch.py -> known.py: inspect, write the log to its end -> view.py -> listener

A pod is one container that holds its network (pause.py) and the containers that join it. The engine's labels
are the one memory of what runs: nothing is written down here but logs.

Invariant: what is done to the engine is seen in the view before the call returns.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from kube.base.clock import Clock
from kube.base.startup import StartupError
from kube.base.tasks import Tasks
from kubelet.runtime.docker import labels, place, requests, stats
from kubelet.runtime.docker.commands import Commands
from kubelet.runtime.docker.engine import CONFLICT, NOT_FOUND, Engine, EngineFailure
from kubelet.runtime.docker.images import Images
from kubelet.runtime.docker.known import Known
from kubelet.runtime.docker.pause import NAME as PAUSE
from kubelet.runtime.docker.place import Folders
from kubelet.runtime.docker.watch import Watch
from kubelet.runtime.interface import (
    Container,
    ContainerConfig,
    ContainerStats,
    Credentials,
    ExecResult,
    Image,
    Resources,
    RuntimeFailure,
    Sandbox,
    SandboxConfig,
    Streams,
)


class DockerRuntime:
    """See the module; implements kubelet.runtime.interface.Runtime."""

    name = "docker"
    version = ""

    def __init__(
        self,
        endpoint: str,
        node_name: str,
        node_ip: str,
        pods: IPv4Network,
        root_dir: Path,
        clock: Clock,
    ) -> None:
        self._engine = Engine(endpoint)
        self._node_name, self._node_ip, self._pods = node_name, node_ip, pods
        self._clock = clock
        self._root_dir = str(root_dir.absolute())
        self._folders = Folders(root_dir.absolute())
        self._images, self._commands = Images(self._engine), Commands(self._engine)
        self._known = Known(self._engine, self._images, self._folders, node_ip)
        self._watch = Watch(self._engine, self._root_dir, self._known, self._images)
        self._tasks = Tasks()

    def problem(self) -> str | None:
        return self._engine.lost

    def sandbox_of(self, pod_uid: str) -> Sandbox | None:
        return self._known.view.sandbox_of(pod_uid)

    def containers_of(self, pod_uid: str) -> list[Container]:
        return self._known.view.containers_of(pod_uid)

    def list_sandboxes(self) -> list[Sandbox]:
        return self._known.view.sandboxes()

    def log_path(self, container_id: str) -> Path:
        container = self._known.view.container(container_id)
        assert container is not None, f"no container {container_id}"
        return self._folders.log(container.pod_uid, container.name, container.attempt)

    def address_of(self, pod_uid: str, port: int) -> tuple[str, int]:
        sandbox = self._known.view.sandbox_of(pod_uid)
        assert sandbox is not None, f"no sandbox of pod {pod_uid}"
        return sandbox.ip, port

    def on_change(self, listener: Callable[[str], None]) -> None:
        self._known.on_end = listener

    async def start(self) -> None:
        try:
            await self._engine.open()
        except EngineFailure as failure:
            await self._engine.close()
            raise StartupError(str(failure)) from failure
        self.version = self._engine.version
        self._tasks.start("docker events", self._watch.run)
        await self._watch.has_looked.wait()

    async def stop(self) -> None:
        await self._tasks.cancel()
        await self._known.stop()
        await self._engine.close()

    # Sandboxes.
    async def run_pod_sandbox(self, config: SandboxConfig) -> Sandbox:
        """A sandbox that died, with its engine for one, is replaced."""
        self._folders.make(config.pod_uid, config.dns, host_network=config.host_network)
        before = self._known.view.sandbox_of(config.pod_uid)
        assert before is None or not before.ready, f"pod {config.name} has a sandbox already"
        network = await place.ensure_network(self._engine, self._node_name, self._root_dir, self._pods)
        own = {
            **labels.of_sandbox(config, len(self._known.view.ids_of(config.pod_uid))),
            **self._node_labels(),
        }
        sandbox_id = await self._create_sandbox(config, network, own)
        try:
            async with self._engine.translated():
                await self._engine.docker.containers.container(sandbox_id).start()
            await self._known.look_at(sandbox_id)
        except RuntimeFailure:
            await self._remove(sandbox_id)
            raise
        for old in self._known.view.places_of(config.pod_uid):
            if old != sandbox_id:
                await self._remove(old)
        sandbox = self._known.view.sandbox_of(config.pod_uid)
        assert sandbox is not None, "it was just seen"
        return sandbox

    async def _create_sandbox(self, config: SandboxConfig, network: str, own: labels.Labels) -> str:
        body = requests.sandbox(config, PAUSE, network, self._node_ip, own)
        try:
            return await self._create(body)
        except EngineFailure as failure:
            if failure.code != NOT_FOUND:
                raise
        await self._images.make_pause()
        return await self._create(body)

    def annotate(self, pod_uid: str, annotations: Mapping[str, str]) -> None:
        """A real container goes by none."""

    async def stop_pod_sandbox(self, pod_uid: str) -> None:
        for container_id in self._known.view.ids_of(pod_uid):
            container = self._known.view.container(container_id)
            if container is None or container.is_running:
                await self.stop_container(container_id, 0)

    async def remove_pod_sandbox(self, pod_uid: str) -> None:
        for container_id in self._known.view.ids_of(pod_uid):
            await self._remove(container_id)
        self._folders.remove(pod_uid)

    # Images.
    def image_of(self, image: str) -> Image | None:
        return self._images.find(image)

    def list_images(self) -> Sequence[Image]:
        return self._images.list()

    async def pull_image(self, image: str, credentials: Credentials | None = None) -> Image:
        return await self._images.pull(image, credentials)

    async def remove_image(self, image_id: str) -> None:
        await self._images.remove(image_id)

    # Containers.
    async def create_container(self, pod_uid: str, config: ContainerConfig) -> str:
        sandbox = self._known.view.sandbox_of(pod_uid)
        assert sandbox is not None, "a sandbox comes before its containers"
        place.make_sources(config.mounts)
        own = {**labels.of_container(config, sandbox), **self._node_labels()}
        shares, mounts = self._known.shares(sandbox.id), self._folders.mounts(pod_uid)
        body = requests.container(config, sandbox.id, shares, mounts, own)
        container_id = await self._create(body)
        await self._known.look_at(container_id)
        return container_id

    async def start_container(self, container_id: str) -> None:
        try:
            async with self._engine.translated():
                await self._engine.docker.containers.container(container_id).start()
        except RuntimeFailure:
            # It may be that its place is no more.
            container = self._known.view.container(container_id)
            if container is not None:
                await self._known.look_at(container.sandbox_id)
            raise
        finally:
            await self._known.look_at(container_id)

    async def stop_container(self, container_id: str, grace_seconds: float) -> None:
        async with self._engine.translated():
            container = self._engine.docker.containers.container(container_id)
            await container.stop(t=math.ceil(grace_seconds))
        await self._known.look_at(container_id)

    async def remove_container(self, container_id: str) -> None:
        self.log_path(container_id).unlink(missing_ok=True)
        await self._remove(container_id)

    async def update_resources(self, container_id: str, resources: Resources) -> None:
        await self._engine.text("POST", f"containers/{container_id}/update", json=requests.limits(resources))

    async def reopen_log(self, container_id: str) -> None:
        self._known.reopen_log(container_id)

    async def exec(
        self, container_id: str, command: Sequence[str], streams: Streams, *, is_terminal: bool
    ) -> int:
        return await self._commands.exec(container_id, command, streams, is_terminal=is_terminal)

    async def exec_sync(
        self, container_id: str, command: Sequence[str], timeout_seconds: float
    ) -> ExecResult:
        return await self._commands.exec_sync(container_id, command, timeout_seconds)

    async def attach(self, container_id: str, streams: Streams, *, is_terminal: bool) -> None:
        await self._commands.attach(container_id, streams, is_terminal=is_terminal)

    async def stats(self, pod_uid: str) -> Sequence[ContainerStats]:
        ids = [each.id for each in self.containers_of(pod_uid) if each.is_running]
        inspected = await asyncio.gather(*(self._engine.inspect(each, with_size=True) for each in ids))
        now = self._clock.now()
        found = [stats.read(each, now) for each in inspected if each is not None]
        return [each for each in found if each is not None]

    def pretended_probe(self, container_id: str, kind: str, action: Mapping[str, Any]) -> bool | None:
        return None

    # What the engine has.
    async def _create(self, body: requests.Body) -> str:
        """A container of that name, which can be there only if its making was never answered, goes first."""
        name, host = labels.name(body["Labels"]), body["HostConfig"]
        host["OomScoreAdj"] = max(host["OomScoreAdj"], self._engine.lowest_oom_score)
        try:
            async with self._engine.translated():
                return (await self._engine.docker.containers.create(body, name=name)).id
        except EngineFailure as failure:
            if failure.code != CONFLICT:
                raise
        await place.remove_container(self._engine, name)
        async with self._engine.translated():
            return (await self._engine.docker.containers.create(body, name=name)).id

    async def _remove(self, container_id: str) -> None:
        await place.remove_container(self._engine, container_id)
        self._known.forget(container_id)

    def _node_labels(self) -> labels.Labels:
        return {labels.NODE: self._node_name, labels.ROOT_DIR: self._root_dir}
