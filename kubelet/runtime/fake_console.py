"""Shell: the console of a fake container that takes input: who is attached types to its own program.

    client --attach--> keys --> program of the container --> screen of every client that is attached
                                                        '--> log, a line at a time

A program starts with its container and waits for its first client. With `stdin_once` its input ends when that
client leaves.

After: what `stdin`, `stdinOnce` and `tty` mean in k8s staging/src/k8s.io/api/core/v1/types.go, Container
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from kubelet.runtime.interface import ContainerConfig, Streams

# What was typed and is not read yet; then the client's messages wait.
TYPED_MAX = 64
# Lines for a client that does not read; those after them it misses.
LINES_MAX = 1024
# A line that does not end is logged in pieces.
LINE_BYTES_MAX = 16 * 1024
SIZE_DEFAULT = (80, 24)


@dataclass(slots=True)
class _Client:
    """One that is attached; `lines` wait to be shown to it."""

    streams: Streams
    lines: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(maxsize=LINES_MAX))

    async def show(self) -> None:
        while True:
            await self.streams.write(await self.lines.get())


class Console:
    """The streams of the container's program; implements kubelet.runtime.interface.Streams."""

    def __init__(self, config: ContainerConfig, print_line: Callable[[str], None]) -> None:
        self._config, self._print_line = config, print_line
        # An empty piece is the end.
        self._typed: asyncio.Queue[bytes] = asyncio.Queue(maxsize=TYPED_MAX)
        self._clients: list[_Client] = []
        self._line = b""

    @property
    def size(self) -> tuple[int, int]:
        return self._clients[-1].streams.size if self._clients else SIZE_DEFAULT

    async def read(self) -> bytes:
        return await self._typed.get() if self._config.stdin else b""

    async def write(self, data: bytes) -> None:
        self._log(data)
        for client in [*self._clients]:
            with contextlib.suppress(ConnectionError):
                await client.streams.write(data)

    async def write_error(self, data: bytes) -> None:
        self._log(data)
        for client in [*self._clients]:
            with contextlib.suppress(ConnectionError):
                await client.streams.write_error(data)

    def flush(self) -> None:
        """Log what was written after the last newline."""
        if self._line:
            self._log(b"\n")

    def show(self, line: str) -> None:
        """A line that the container prints without its program."""
        end = b"\r\n" if self._config.is_terminal else b"\n"
        for client in self._clients:
            with contextlib.suppress(asyncio.QueueFull):
                client.lines.put_nowait(line.encode() + end)

    async def attach(self, streams: Streams) -> None:
        """Be there until cancelled."""
        client = _Client(streams)
        self._clients.append(client)
        try:
            await asyncio.gather(client.show(), self._listen(streams))
        finally:
            self._clients.remove(client)
            if self._config.stdin_once:
                self._end_input()

    async def _listen(self, streams: Streams) -> None:
        while self._config.stdin and (data := await streams.read()):
            await self._typed.put(data)
        if self._config.stdin_once:
            await self._typed.put(b"")

    def _end_input(self) -> None:
        while self._typed.full():
            self._typed.get_nowait()
        self._typed.put_nowait(b"")

    def _log(self, data: bytes) -> None:
        *lines, self._line = (self._line + data).split(b"\n")
        if len(self._line) > LINE_BYTES_MAX:
            lines, self._line = [*lines, self._line], b""
        for line in lines:
            self._print_line(line.removesuffix(b"\r").decode(errors="replace"))
