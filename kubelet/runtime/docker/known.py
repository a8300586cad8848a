"""Shell: what the kubelet knows of its containers, as the engine last described them, and their logs.

Invariant: a container is shown as ended only when its log is whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kubelet.runtime.docker import labels
from kubelet.runtime.docker.engine import Engine
from kubelet.runtime.docker.images import Images
from kubelet.runtime.docker.log_writer import LogWriter
from kubelet.runtime.docker.place import Folders
from kubelet.runtime.docker.view import View, read
from kubelet.runtime.interface import Container, ContainerState, Sandbox

# How long the end of a container waits for a log that ends not and grows no more.
LOG_END_SECONDS = 5.0


class Known:
    """The containers of a node. on_end: called with the uid of a pod of which something ended."""

    def __init__(self, engine: Engine, images: Images, folders: Folders, node_ip: str) -> None:
        self.view = View()
        self.on_end: Callable[[str], None] = lambda _: None
        self._engine, self._images = engine, images
        self._folders, self._node_ip = folders, node_ip
        # What a sandbox shares, by its id; who writes a container's log, by its id.
        self._shares: dict[str, str] = {}
        self._writers: dict[str, tuple[LogWriter, asyncio.Task[None]]] = {}

    async def look_at(self, container_id: str) -> None:
        """See what became of a container, when its log is whole, and tell whom it concerns."""
        inspected = await self._engine.inspect(container_id)
        uid = self.view.pod_of(container_id)
        if inspected is None:
            self.forget(container_id)
            if uid is not None:
                self.on_end(uid)
            return
        seen = read(inspected, self._node_ip, self._images.status_name)
        if isinstance(seen, Sandbox):
            self._shares[seen.id] = inspected["Config"]["Labels"][labels.SHARES]
        elif seen.state is not ContainerState.CREATED:
            await self._write_log(seen, is_terminal=inspected["Config"]["Tty"])
            if seen.is_exited:
                # One that ended with its place, as when an engine ends, must not be started in it again.
                await self.look_at(seen.sandbox_id)
        if self.view.put(seen):
            self.on_end(seen.pod_uid)

    def shares(self, sandbox_id: str) -> list[str]:
        """What the pod's containers share."""
        return self._shares[sandbox_id].split()

    def reopen_log(self, container_id: str) -> None:
        """The file was moved aside: write in another."""
        if container_id in self._writers:
            self._writers[container_id][0].reopen()

    def forget(self, container_id: str) -> None:
        """It is no more."""
        self.view.forget(container_id)
        self._shares.pop(container_id, None)
        if container_id in self._writers:
            self._writers.pop(container_id)[1].cancel()

    async def stop(self) -> None:
        """Let the logs be; who comes back writes on."""
        tasks = [task for _, task in self._writers.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _write_log(self, container: Container, *, is_terminal: bool) -> None:
        """Have its log written; to the end, if it has ended."""
        if container.id not in self._writers:
            path = self._folders.log(container.pod_uid, container.name, container.attempt)
            writer = LogWriter(self._engine, container.id, path, is_terminal=is_terminal)
            self._writers[container.id] = writer, asyncio.ensure_future(writer.run())
        if container.is_exited:
            writer, task = self._writers[container.id]
            before = -1
            while not task.done() and writer.written_bytes > before:
                before = writer.written_bytes
                await asyncio.wait({task}, timeout=LOG_END_SECONDS)
            if task.done():
                task.result()
