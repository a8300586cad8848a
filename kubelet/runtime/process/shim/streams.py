"""Shell: what a container prints goes to its log and to who is attached; what those type goes to it.

Invariants: nothing waits. A client that does not read holds up the container's output when its pipe is full,
as with other runtimes; when it leaves, the output goes on.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from kubelet.runtime.process.shim.log_lines import LineCutter
from kubelet.runtime.process.shim.loop import READABLE, WRITABLE, Loop

READ_BYTES = 64 * 1024
# What a pipe holds at most; more than that is from one who lives on and still writes.
LAST_READS_MAX = 16


class Log:
    """A container's log file."""

    def __init__(self, path: str, now: Callable[[], bytes]) -> None:
        self._path, self.now = path, now
        self._file = self._open()

    def append(self, data: bytes) -> None:
        # A full disk costs lines, not the container.
        with contextlib.suppress(OSError):
            os.write(self._file, data)

    def reopen(self) -> None:
        """Go on in a new file: the old one was moved aside."""
        os.close(self._file)
        self._file = self._open()

    def close(self) -> None:
        os.close(self._file)

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)


class Sink:
    """A descriptor to write to; what it does not take at once waits here. on_change: it has room again.

    on_close: it has ended, or nobody reads it any more.
    """

    def __init__(
        self,
        loop: Loop,
        descriptor: int,
        on_change: Callable[[], None],
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        os.set_blocking(descriptor, False)
        self._loop, self._descriptor, self._on_change = loop, descriptor, on_change
        self._on_close = on_close
        self._waiting = b""
        self._is_last = False
        self.is_closed = False

    @property
    def is_full(self) -> bool:
        return bool(self._waiting)

    def write(self, data: bytes) -> None:
        if self.is_closed:
            return
        self._waiting += data
        self._flush()

    def end(self) -> None:
        """Close it when everything is written."""
        self._is_last = True
        if not self._waiting:
            self.close()

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed, self._waiting = True, b""
            self._loop.forget(self._descriptor)
            os.close(self._descriptor)
            self._on_close()

    def _flush(self) -> None:
        try:
            self._waiting = self._waiting[os.write(self._descriptor, self._waiting) :]
        except BlockingIOError:
            """It is full."""
        except OSError:
            self.close()
            return
        if self._waiting:
            self._loop.watch(self._descriptor, WRITABLE, self._ready)
        else:
            self._loop.forget(self._descriptor)
            if self._is_last:
                self.close()

    def _ready(self, _: int) -> None:
        self._flush()
        if not self._waiting:
            self._on_change()


class Output:
    """One output stream of a container: into the log, and to the sinks of those attached."""

    def __init__(self, loop: Loop, descriptor: int, name: str, log: Log) -> None:
        os.set_blocking(descriptor, False)
        self._loop, self._descriptor, self._log = loop, descriptor, log
        self._cutter = LineCutter(name)
        self._is_open = True
        self.sinks: list[Sink] = []
        self.resume()

    def resume(self) -> None:
        """Read on, if there is room for it with everybody."""
        self.sinks = [sink for sink in self.sinks if not sink.is_closed]
        if not self._is_open or any(sink.is_full for sink in self.sinks):
            return
        self._loop.watch(self._descriptor, READABLE, self._ready)

    def finish(self) -> None:
        """The container has ended: take what it still said, and close."""
        for _ in range(LAST_READS_MAX):
            if not self._is_open or not self._read():
                break
        self._close()

    def _ready(self, _: int) -> None:
        self._read()

    def _read(self) -> bool:
        """False at the end, and while there is nothing."""
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            # A terminal whose last process has ended.
            data = b""
        if not data:
            self._close()
            return False
        self._log.append(self._cutter.feed(data, self._log.now()))
        for sink in self.sinks:
            sink.write(data)
        if any(sink.is_full for sink in self.sinks):
            self._loop.forget(self._descriptor)
        return True

    def _close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        self._loop.forget(self._descriptor)
        os.close(self._descriptor)
        self._log.append(self._cutter.end(self._log.now()))
        for sink in self.sinks:
            sink.end()


class Typed:
    """What one attached client types, on its way to the container; or any other stream to a sink."""

    def __init__(self, loop: Loop, descriptor: int, target: Sink, on_end: Callable[[], None]) -> None:
        os.set_blocking(descriptor, False)
        self._loop, self._descriptor, self._target, self._on_end = loop, descriptor, target, on_end
        self._is_open = True
        self.resume()

    def resume(self) -> None:
        """Read on, if the container has taken what was typed before."""
        if self._is_open and not self._target.is_full and not self._target.is_closed:
            self._loop.watch(self._descriptor, READABLE, lambda _: self._read())

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._loop.forget(self._descriptor)
            os.close(self._descriptor)

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            self._on_end()
            return
        self._target.write(data)
        if self._target.is_full:
            self._loop.forget(self._descriptor)
