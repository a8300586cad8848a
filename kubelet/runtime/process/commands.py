"""Shell: commands beside a container's process, and clients that join its own: exec, exec_sync, attach.

Each has a connection of its own to the pod's shim; when that closes, the command ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from kubelet.runtime.interface import ExecResult, RuntimeFailure, Streams
from kubelet.runtime.process.session import Pipes, Resize, Session
from kubelet.runtime.process.shim_client import Message, ShimClient, ShimRefusal

# What is kept of an exec_sync's output, as containerd does.
OUTPUT_BYTES_MAX = 16 << 20


@dataclass(frozen=True, slots=True)
class Command:
    """What is to run, in which container of the pod in that folder; `id` is its name in messages."""

    id: str
    folder: Path
    container_id: str
    words: Sequence[str]


async def execute(command: Command, streams: Streams, *, is_terminal: bool) -> int:
    """Run it to its end; its exit code."""
    folder = command.folder
    first: Message = {"do": "exec", "container": command.container_id, "command": list(command.words)}
    first["window"] = list(streams.size) if is_terminal else None
    try:
        if is_terminal:
            return await _run_in_terminal(folder, first, streams)
        return await _run(folder, first, streams)
    except ShimRefusal as failure:
        start = f'failed to start exec "{command.id}": '
        why = f"OCI runtime exec failed: exec failed: unable to start container process: {failure}"
        raise RuntimeFailure(f"failed to exec in container: {start}{why}") from failure


async def execute_sync(command: Command, timeout_seconds: float) -> ExecResult:
    """The same without input, for some time; TimeoutError after that."""
    heard = _Heard()
    async with asyncio.timeout(timeout_seconds):
        code = await execute(command, heard, is_terminal=False)
    return ExecResult(code, bytes(heard.output))


async def attach(folder: Path, container_id: str, streams: Streams, resize: Resize | None) -> None:
    """Join a client with the container's own streams, until either ends."""
    try:
        await _run(folder, {"do": "attach", "container": container_id}, streams, resize)
    except ShimRefusal as failure:
        raise RuntimeFailure(f"failed to attach to container: {failure}") from failure


async def _run(folder: Path, first: Message, streams: Streams, resize: Resize | None = None) -> int:
    pipes = Pipes()
    session = Session(streams, pipes.keys, pipes.screens, resize=resize)
    try:
        shim = await ShimClient.connect(folder, first=first, descriptors=pipes.theirs)
        pipes.close_theirs()
        async with aclosing(shim):
            await shim.first_answer()
            return await session.run(_exit_code(shim))
    finally:
        pipes.close_theirs()
        session.close()


async def _run_in_terminal(folder: Path, first: Message, streams: Streams) -> int:
    """In a terminal that the container makes."""
    shim = await ShimClient.connect(folder, first=first, wants_terminal=True)
    async with aclosing(shim):
        await shim.first_answer()
        session = Session.of_terminal(streams, shim.take_terminal())
        try:
            return await session.run(_exit_code(shim))
        finally:
            session.close()


async def _exit_code(shim: ShimClient) -> int:
    while True:
        message = await shim.next_message()
        if "exit_code" in message:
            return int(message["exit_code"])


class _Heard:
    """Streams of nobody: nothing is typed, and what is shown is kept."""

    size = (80, 24)

    def __init__(self) -> None:
        self.output = bytearray()

    async def read(self) -> bytes:
        return b""

    async def write(self, data: bytes) -> None:
        self.output += data[: OUTPUT_BYTES_MAX - len(self.output)]

    async def write_error(self, data: bytes) -> None:
        await self.write(data)
