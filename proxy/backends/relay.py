"""Shell: two connections joined into one: what comes in on one side goes out on the other.

    client  <-- End | End -->  backend

Each direction ends by itself: the end of what one side sends is passed on, and the other direction stays open
until it ends, too (a client may say all it has to say and then wait for the answer). A reset is passed on as
a reset. What the slower side does not take is held, one buffer at most, and the faster one is not read until
it has gone.

On bare sockets: with asyncio's transports a core took 2,400 connections of one request each a second, so it
takes 6,600 (`benchmarks/proxy.py`).

Invariants: a pair holds at most a buffer each way; once both directions have ended, or one side was lost,
both are closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

BUFFER_BYTES = 256 * 1024
# Linger for no time: close() discards what was not sent, and the other end sees a reset.
RESET = struct.pack("ii", 1, 0)
# What was read, until it was sent or is kept; nobody waits in between, so all share it.
_buffer = memoryview(bytearray(BUFFER_BYTES))


def join(loop: asyncio.AbstractEventLoop, client: socket.socket, backend: socket.socket) -> None:
    """Let everything through, in both directions, from now on; the sockets do not block."""
    one, other = End(loop, client), End(loop, backend)
    one.peer, other.peer = other, one
    one.hear()
    other.hear()


def reset(connection: socket.socket) -> None:
    """Break it off, so that the other end knows it was not finished."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()


class End:
    """One of the two."""

    __slots__ = ("_has_ended", "_is_closed", "_is_heard", "_loop", "_number", "_unsent", "peer", "socket")

    peer: End

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: socket.socket) -> None:
        self._loop, self.socket = loop, connection
        # The loop is told of the descriptor: of a socket that it does not know it would compose a text.
        self._number = connection.fileno()
        # What its peer said, and it has not taken yet.
        self._unsent = b""
        self._is_heard = self._has_ended = self._is_closed = False

    def hear(self) -> None:
        """Read what it says from now on."""
        self._loop.add_reader(self._number, self._read)
        self._is_heard = True

    def ignore(self) -> None:
        """Let it wait."""
        if self._is_heard:
            self._loop.remove_reader(self._number)
            self._is_heard = False

    def _read(self) -> None:
        """It has something to say, has ended, or is lost."""
        try:
            count = self.socket.recv_into(_buffer)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._lost()
            return
        if count:
            self.peer.write(count)
        else:
            self.ignore()
            self._has_ended = True
            self.peer.finish()

    def write(self, count: int) -> None:
        """So many bytes of the buffer."""
        try:
            sent = self.socket.send(_buffer[:count])
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._lost()
            return
        if sent < count:
            self._unsent = bytes(_buffer[sent:count])
            self.peer.ignore()
            self._loop.add_writer(self._number, self._write_on)

    def _write_on(self) -> None:
        """There is room again."""
        try:
            self._unsent = self._unsent[self.socket.send(self._unsent) :]
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._lost()
            return
        if not self._unsent:
            self._loop.remove_writer(self._number)
            self.peer.hear()

    def finish(self) -> None:
        """Nothing more will come from the peer: say so, and close when this side has ended, too."""
        if self._has_ended:
            self._close()
            self.peer._close()
        else:
            # One that was reset meanwhile is found out when it is read.
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)

    def _lost(self) -> None:
        """It was reset, or cannot be reached: so shall it be for the peer."""
        self._close()
        if not self.peer._is_closed:
            self.peer._forget()
            reset(self.peer.socket)

    def _close(self) -> None:
        if not self._is_closed:
            self._forget()
            self.socket.close()

    def _forget(self) -> None:
        self._is_closed = True
        self.ignore()
        if self._unsent:
            self._loop.remove_writer(self._number)
