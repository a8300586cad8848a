"""Shell: a client's streams as pipes, or as a terminal: what the process of an exec or attach is given.

    Streams.read  --> pipe --> stdin of the command (or of the container, through the shim)
    Streams.write <-- pipe <-- its stdout; the pipes themselves go to the shim (SCM_RIGHTS)

Invariants: whatever the command wrote before its end is shown; what a process that it left behind writes
after that is not waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import termios
from collections.abc import Awaitable, Callable, Sequence

from kubelet.runtime.interface import Streams

READ_BYTES = 64 * 1024
# How soon a terminal follows the client's window.
SIZE_SECONDS = 0.2
END_OF_INPUT = b"\x04"


class Session:
    """The descriptors of one client's command. `theirs` are to be handed over, then closed by `handed_over`.

    resize: what to do with a new window's size, where the terminal is not ours.
    """

    def __init__(
        self,
        streams: Streams,
        *,
        is_terminal: bool = False,
        resize: Callable[[int, int], Awaitable[None]] | None = None,
    ) -> None:
        self._streams, self._resize = streams, resize
        self._is_terminal = is_terminal
        self._ended = asyncio.Event()
        if is_terminal:
            master, slave = os.openpty()
            self.theirs: Sequence[int] = (slave,) * 3
            self._keys, self._screens = os.dup(master), [(master, streams.write)]
            _set_size(master, streams.size)
        else:
            stdin, self._keys = os.pipe()
            out, stdout = os.pipe()
            err, stderr = os.pipe()
            self.theirs = (stdin, stdout, stderr)
            self._screens = [(out, streams.write), (err, streams.write_error)]
        for each in (self._keys, *(screen for screen, _ in self._screens)):
            os.set_blocking(each, False)
        self._keys_open = True

    def handed_over(self) -> None:
        """The other side has its ends."""
        for each in set(self.theirs):
            os.close(each)
        self.theirs = ()

    async def run(self, end: Awaitable[int]) -> int:
        """Carry everything over until the end, which has an exit code."""
        typing = [asyncio.ensure_future(self._type())]
        if self._is_terminal or self._resize:
            typing.append(asyncio.ensure_future(self._follow_size()))
        showing = [asyncio.ensure_future(self._show(*screen)) for screen in self._screens]
        try:
            code = await end
            self._ended.set()
            await asyncio.gather(*showing)
            return code
        finally:
            for task in (*typing, *showing):
                task.cancel()
            await asyncio.gather(*typing, *showing, return_exceptions=True)

    def close(self) -> None:
        self.handed_over()
        self._close_keys()
        for descriptor, _ in self._screens:
            os.close(descriptor)

    async def _type(self) -> None:
        while data := await self._streams.read():
            await self._write(data)
        if self._is_terminal:
            await self._write(END_OF_INPUT)
        else:
            self._close_keys()

    async def _write(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        while data and self._keys_open:
            try:
                data = data[os.write(self._keys, data) :]
            except BlockingIOError:
                await _ready(lambda done: loop.add_writer(self._keys, done), loop.remove_writer, self._keys)
            except OSError:
                # The command reads no more.
                self._close_keys()

    async def _show(self, descriptor: int, show: Callable[[bytes], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            # Looked at first: what was written before the end is there by then.
            has_ended = self._ended.is_set()
            try:
                data = os.read(descriptor, READ_BYTES)
            except BlockingIOError:
                if has_ended:
                    return
                waiting = _ready(
                    lambda done: loop.add_reader(descriptor, done), loop.remove_reader, descriptor
                )
                await _first(waiting, self._ended.wait())
                continue
            except OSError:
                # A terminal whose last process has ended.
                return
            if not data:
                return
            await show(data)

    async def _follow_size(self) -> None:
        shown = self._streams.size if self._is_terminal else (0, 0)
        while True:
            if (size := self._streams.size) != shown:
                shown = size
                if self._resize:
                    await self._resize(*size)
                else:
                    _set_size(self._screens[0][0], size)
            await asyncio.sleep(SIZE_SECONDS)

    def _close_keys(self) -> None:
        if self._keys_open:
            self._keys_open = False
            os.close(self._keys)


def _set_size(terminal: int, size: tuple[int, int]) -> None:
    columns, rows = size
    with contextlib.suppress(OSError):
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


async def _ready(
    watch: Callable[[Callable[[], None]], None], forget: Callable[[int], object], descriptor: int
) -> None:
    """Until a descriptor is ready."""
    ready = asyncio.Event()
    watch(ready.set)
    try:
        await ready.wait()
    finally:
        forget(descriptor)


async def _first(*waiting: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(each) for each in waiting]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
