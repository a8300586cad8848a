"""Shell: commands in a running container, and its own process, joined with a client's streams.

    client  -- read -->  input   -.
                                   engine's upgraded connection
    client <- write --   output  <-'

The engine says in a command's output why it could not start it; that is told apart by its words.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from aiodocker.exceptions import DockerError
from aiodocker.execs import Exec
from aiodocker.stream import Stream

from kubelet.runtime.docker.engine import Engine
from kubelet.runtime.interface import ExecResult, RuntimeFailure, Streams

STDERR = 2
NOT_STARTED, NOT_STARTED_CODES = b"OCI runtime exec failed:", (126, 127)
# How often a terminal's size is compared, and whether a command has ended whose output has.
RESIZE_SECONDS, ENDED_SECONDS = 0.2, 0.01

Resize = Callable[[int, int], Awaitable[Any]]


class Commands:
    """See the module."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def exec(
        self, container_id: str, command: Sequence[str], streams: Streams, *, is_terminal: bool
    ) -> int:
        started = await self._create(container_id, command, stdin=True, is_terminal=is_terminal)
        refusal = _Refusal(streams)

        async def resize(columns: int, rows: int) -> None:
            await started.resize(h=rows, w=columns)

        try:
            async with self._engine.translated(), started.start() as connection:
                feeding = _feed(connection, refusal, refusal.read())
                await _join(connection, refusal, feeding, resize if is_terminal else None)
        except asyncio.CancelledError:
            # The client has left; a shell that nobody can type to any more would stay for ever.
            if is_terminal:
                await self._signal(started, signal.SIGHUP)
            raise
        code = await self._exit_code(started)
        await refusal.settle(code)
        return code

    async def exec_sync(
        self, container_id: str, command: Sequence[str], timeout_seconds: float
    ) -> ExecResult:
        started = await self._create(container_id, command, stdin=False, is_terminal=False)
        output = bytearray()
        try:
            async with asyncio.timeout(timeout_seconds), self._engine.translated():
                async with started.start() as connection:
                    while message := await connection.read_out():
                        output += message.data
                code = await self._exit_code(started)
        except TimeoutError:
            await self._signal(started, signal.SIGKILL)
            raise
        if output.startswith(NOT_STARTED) and code in NOT_STARTED_CODES:
            raise RuntimeFailure(output.decode(errors="replace").strip())
        return ExecResult(code, bytes(output))

    async def attach(self, container_id: str, streams: Streams, *, is_terminal: bool) -> None:
        """A client that types nothing is not joined with the input: its end would be the input's."""
        container = self._engine.docker.containers.container(container_id)
        typed = asyncio.ensure_future(streams.read())
        await asyncio.sleep(0)
        has_input = not typed.done() or bool(typed.result())

        async def resize(columns: int, rows: int) -> None:
            await container.resize(h=rows, w=columns)

        attached = container.attach(stdout=True, stderr=True, stdin=has_input)
        async with self._engine.translated(), attached as connection:
            feeding = _feed(connection, streams, typed) if has_input else None
            await _join(connection, streams, feeding, resize if is_terminal else None)

    async def _create(
        self, container_id: str, command: Sequence[str], *, stdin: bool, is_terminal: bool
    ) -> Exec:
        async with self._engine.translated():
            container = self._engine.docker.containers.container(container_id)
            return await container.exec(list(command), stdin=stdin, tty=is_terminal)

    async def _exit_code(self, started: Exec) -> int:
        """Its output ends a moment before the engine has its exit code."""
        while True:
            async with self._engine.translated():
                about = await started.inspect()
            if not about["Running"]:
                return int(about["ExitCode"] or 0)
            await asyncio.sleep(ENDED_SECONDS)

    async def _signal(self, started: Exec, number: signal.Signals) -> None:
        """The engine cannot signal a command; on its own machine root can."""
        async with self._engine.translated():
            about = await started.inspect()
        if about["Running"] and _is_of(about["Pid"], about["ContainerID"]):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(about["Pid"], number)


class _Refusal:
    """Passes a client's streams on, but keeps back what may be the engine's word that nothing started."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._is_first = True
        self._kept = b""

    @property
    def size(self) -> tuple[int, int]:
        return self._streams.size

    async def read(self) -> bytes:
        return await self._streams.read()

    async def write(self, data: bytes) -> None:
        is_first, self._is_first = self._is_first, False
        if is_first and data.startswith(NOT_STARTED):
            self._kept = data
        elif self._kept:
            self._kept += data
        else:
            await self._streams.write(data)

    async def write_error(self, data: bytes) -> None:
        await self._streams.write_error(data)

    async def settle(self, code: int) -> None:
        """The command has ended: say what was kept back, as what it was."""
        if self._kept and code in NOT_STARTED_CODES:
            raise RuntimeFailure(self._kept.decode(errors="replace").strip())
        if self._kept:
            await self._streams.write(self._kept)


async def _join(
    connection: Stream, streams: Streams, feeding: Coroutine[Any, Any, None] | None, resize: Resize | None
) -> None:
    """Carry bytes both ways until the output ends."""
    helpers = [] if feeding is None else [asyncio.ensure_future(feeding)]
    if resize is not None:
        helpers.append(asyncio.ensure_future(_follow_size(streams, resize)))
    try:
        while message := await connection.read_out():
            write = streams.write_error if message.stream == STDERR else streams.write
            await write(message.data)
    finally:
        for each in helpers:
            each.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)


async def _feed(connection: Stream, streams: Streams, first: Awaitable[bytes]) -> None:
    data = await first
    while data:
        await connection.write_in(data)
        data = await streams.read()
    # aiodocker closes both directions or none; the output has to come yet.
    response = connection._resp
    assert response is not None, "the stream was entered"
    assert response.connection is not None, "its connection was upgraded"
    transport = response.connection.transport
    if transport is not None:
        transport.write_eof()


async def _follow_size(streams: Streams, resize: Resize) -> None:
    told = None
    while True:
        if (size := streams.size) != told:
            # Right after its start the engine may not know the command yet.
            with contextlib.suppress(DockerError):
                await resize(*size)
                told = size
        await asyncio.sleep(RESIZE_SECONDS)


def _is_of(pid: int, container_id: str) -> bool:
    """True if the process is in the container's cgroup, so that no other is hit by its number."""
    try:
        return container_id in Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return False
