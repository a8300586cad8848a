"""Shell: the shim's end of its socket: JSON messages, a line each, with descriptors beside them.

    kubelet: {"id": 1, "do": "start", ...}     shim: {"id": 1, "ok": ...} or {"id": 1, "error": "..."}
    shim, to those who said hello:             {"changed": <container id>, "state": ...}

The descriptors of a request travel with its first byte.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable

from kubelet.runtime.process.shim.loop import READABLE, WRITABLE, Loop

READ_BYTES = 64 * 1024
DESCRIPTORS_MAX = 8

# `typing` would be the slowest of all imports here; checkers take this name for theirs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Message = dict[str, Any]
else:
    Message = dict


class Peer:
    """One kubelet's connection. on_close: what to do when it is gone."""

    def __init__(self, loop: Loop, connection: socket.socket, serve: Callable[[Peer, Message], None]) -> None:
        connection.setblocking(False)
        self._loop, self._connection, self._serve = loop, connection, serve
        self._heard, self._waiting = b"", b""
        self._descriptors: list[int] = []
        self.on_close: list[Callable[[], None]] = []
        self.is_open = True
        self._watch()

    def send(self, message: Message) -> None:
        """What it does not read at once waits; it is one line a change of a container."""
        if self.is_open:
            self._waiting += json.dumps(message).encode() + b"\n"
            self._flush()

    def hand_over(self, message: Message, descriptor: int) -> None:
        """The first that is said on a connection, and a descriptor with it, which is closed here."""
        line = json.dumps(message).encode() + b"\n"
        try:
            socket.send_fds(self._connection, [line], [descriptor])
        except OSError:
            self._close()
        finally:
            os.close(descriptor)

    def take(self, count: int) -> list[int]:
        """The descriptors that came with a request."""
        taken, self._descriptors = self._descriptors[:count], self._descriptors[count:]
        return taken

    def _watch(self) -> None:
        self._loop.watch(
            self._connection.fileno(), READABLE | (WRITABLE if self._waiting else 0), self._ready
        )

    def _ready(self, mask: int) -> None:
        if mask & WRITABLE:
            self._flush()
        if self.is_open and mask & ~WRITABLE:
            self._read()

    def _flush(self) -> None:
        try:
            self._waiting = self._waiting[self._connection.send(self._waiting) :]
        except BlockingIOError:
            """Later."""
        except OSError:
            self._close()
            return
        self._watch()

    def _read(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._connection, READ_BYTES, DESCRIPTORS_MAX)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        self._descriptors += descriptors
        for each in descriptors:
            os.set_inheritable(each, False)
        if not data:
            self._close()
            return
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            self._serve(self, json.loads(line))

    def _close(self) -> None:
        self.is_open = False
        self._loop.forget(self._connection.fileno())
        self._connection.close()
        for each in self._descriptors:
            with contextlib.suppress(OSError):
                os.close(each)
        for callback in self.on_close:
            callback()
