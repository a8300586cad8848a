"""Shell: a command in a container and the user's streams, until it ends.

Every message of the WebSocket begins with its channel:

    0 stdin   1 stdout   2 stderr   3 how it ended, a Status   4 size of the terminal   255 end of a channel

v5.channel.k8s.io has the end of a channel. A server that knows only v4 (before Kubernetes 1.30) is never told
that the input has ended.
After: k8s staging/src/k8s.io/client-go/tools/remotecommand (websocket.go, v4.go, v5.go).
"""

from __future__ import annotations

import json
import os
import select
import sys
from dataclasses import dataclass
from typing import IO

from cli import terminal
from cli.errors import CliError
from cli.websocket import BrokenOff, WebSocket

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
STDIN, STDOUT, STDERR, STATUS, SIZE, CLOSE = 0, 1, 2, 3, 4, 255
CHUNK_BYTES = 32 * 1024
# With more than this on its way to the server, no more input is read.
BACKLOG_BYTES_MAX = 256 * 1024


@dataclass(frozen=True, slots=True)
class Streams:
    """The user's end: where input comes from, if there is any, and where output goes."""

    keyboard: int | None
    stdout: IO[bytes]
    stderr: IO[bytes]

    @classmethod
    def own(cls, *, has_input: bool) -> Streams:
        """Those of this process."""
        return cls(sys.stdin.fileno() if has_input else None, sys.stdout.buffer, sys.stderr.buffer)


class RemoteCommand:
    """One session."""

    def __init__(self, socket: WebSocket, streams: Streams) -> None:
        self._socket, self._streams = socket, streams
        self._keyboard = streams.keyboard
        self._status = b""

    def run(self) -> int:
        """Be the user's end until the command ends; its exit code."""
        return self._run(None)

    def run_in_terminal(self) -> int:
        """The same with the user's terminal in its hands."""
        with terminal.raw() as resized:
            self._send_size()
            return self._run(resized)

    def _run(self, resized: int | None) -> int:
        try:
            while not self._socket.has_ended:
                self._step(resized)
        except BrokenOff as error:
            raise CliError(f"the connection broke off: {error}") from error
        finally:
            self._socket.close()
        return self._exit_code()

    def _step(self, resized: int | None) -> None:
        """Wait until something can be done, and do it."""
        socket = self._socket
        readers: list[WebSocket | int] = [socket]
        if self._keyboard is not None and socket.backlog < BACKLOG_BYTES_MAX:
            readers.append(self._keyboard)
        if resized is not None:
            readers.append(resized)
        writers = [socket] if socket.backlog else []
        readable, writable, _ = select.select(readers, writers, [], 0 if socket.has_unread else None)
        if writable:
            socket.flush()
        if socket in readable or socket.has_unread:
            for message in socket.take():
                self._receive(message)
        if self._keyboard in readable:
            self._send_input()
        if resized in readable:
            os.read(resized or 0, CHUNK_BYTES)
            self._send_size()

    def _receive(self, message: bytes) -> None:
        channel, data = message[:1], message[1:]
        if channel == bytes([STDOUT]):
            _put(self._streams.stdout, data)
        elif channel == bytes([STDERR]):
            _put(self._streams.stderr, data)
        elif channel == bytes([STATUS]):
            self._status += data

    def _send_input(self) -> None:
        assert self._keyboard is not None, "only input that there is can be read"
        data = os.read(self._keyboard, CHUNK_BYTES)
        if data:
            self._socket.send(bytes([STDIN]) + data)
            return
        self._keyboard = None
        if self._socket.protocol == V5:
            self._socket.send(bytes([CLOSE, STDIN]))

    def _send_size(self) -> None:
        columns, rows = terminal.size()
        self._socket.send(bytes([SIZE]) + json.dumps({"Width": columns, "Height": rows}).encode())

    def _exit_code(self) -> int:
        """What the Status at the end says; CliError for all that is no exit code."""
        if not self._status:
            raise CliError("the connection broke off before the command ended")
        status = json.loads(self._status)
        if status.get("status") == "Success":
            return 0
        if status.get("reason") == "NonZeroExitCode":
            causes = (status.get("details") or {}).get("causes") or []
            return next(int(cause["message"]) for cause in causes if cause["reason"] == "ExitCode")
        raise CliError(status.get("message") or "the command failed")


def _put(stream: IO[bytes], data: bytes) -> None:
    stream.write(data)
    stream.flush()
