"""Shell: a client's streams as pipes, or as a terminal: what the process of an exec or attach is given.

    Streams.read  --> pipe --> stdin of the command (or of the container, through the shim)
    Streams.write <-- pipe <-- its stdout; the pipes themselves go to the shim (SCM_RIGHTS)

A terminal is made in the container, and its other side comes to us by the same way.

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


Resize = Callable[[int, int], Awaitable[None]]


class Session:
    """One client's command, from its side: `keys` is what he types on, `screens` what he is shown.

    terminal: the command's own, to be given the window's size.
    resize: what to do with a new size, where the terminal is not ours.
    """

    def __init__(
        self,
        streams: Streams,
        keys: int,
        screens: Sequence[int],
        *,
        terminal: int | None = None,
        resize: Resize | None = None,
    ) -> None:
        self._streams, self._keys, self._resize = streams, keys, resize
        self._screens = list(zip(screens, (streams.write, streams.write_error)))
        self._terminal = terminal
        self._ended = asyncio.Event()
        self._keys_open = True
        for each in (keys, *screens):
            os.set_blocking(each, False)

    @classmethod
    def of_terminal(cls, streams: Streams, terminal: int) -> Session:
        return cls(streams, os.dup(terminal), [terminal], terminal=terminal)

    async def run(self, end: Awaitable[int]) -> int:
        """Carry everything over until the end, which has an exit code."""
        typing = [asyncio.ensure_future(self._type())]
        if self._terminal is not None or self._resize:
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
        self._close_keys()
        for descriptor, _ in self._screens:
            os.close(descriptor)

    async def _type(self) -> None:
        while data := await self._streams.read():
            await self._write(data)
        if self._terminal is not None:
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
        # Even at first: it may have changed since the command was asked for.
        shown = (0, 0)
        while True:
            if (size := self._streams.size) != shown:
                shown = size
                if self._resize:
                    await self._resize(*size)
                elif self._terminal is not None:
                    _set_size(self._terminal, size)
            await asyncio.sleep(SIZE_SECONDS)

    def _close_keys(self) -> None:
        if self._keys_open:
            self._keys_open = False
            os.close(self._keys)


class Pipes:
    """Both ends of a command's three streams; `theirs` are handed over, then closed here."""

    def __init__(self) -> None:
        (stdin, self.keys), (out, stdout), (err, stderr) = os.pipe(), os.pipe(), os.pipe()
        self.theirs, self.screens = [stdin, stdout, stderr], [out, err]

    def close_theirs(self) -> None:
        for each in self.theirs:
            os.close(each)
        self.theirs = []


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
