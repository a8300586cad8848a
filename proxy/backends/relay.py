"""Shell: two connections joined into one: what comes in on one side goes out on the other.

    client  <-- Side | Side -->  backend

Each direction ends by itself: the end of what one side sends is passed on, and the other direction stays open
until it ends, too (a client may say all it has to say and then wait for the answer). A reset is passed on as
a reset. What the slower side has not yet taken is held in its transport's buffer, and above BUFFER_BYTES the
faster side is not read.

Invariants: a pair holds at most about two buffers; once both directions have ended, or one side was lost,
both are closed.
"""

from __future__ import annotations

import asyncio
import socket
import struct

BUFFER_BYTES = 256 * 1024
# Linger for no time: close() discards what was not sent, and the other end sees a reset.
RESET = struct.pack("ii", 1, 0)


class Side(asyncio.Protocol):
    """One of the two; what arrives before it is joined is kept, and no more is read until then."""

    def __init__(self) -> None:
        self.peer: Side | None = None
        self.is_lost = False
        self._has_ended = False
        self._early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=BUFFER_BYTES)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def join(self, peer: Side) -> None:
        """Let everything through, in both directions, from now on."""
        self.peer, peer.peer = peer, self
        for each in (self, peer):
            each.pass_on_early()

    def pass_on_early(self) -> None:
        """Send what arrived before there was anyone to send it to."""
        assert self.peer is not None
        if self._early:
            self.peer.transport.write(self._early)
            self._early = b""
            self.transport.resume_reading()
        if self._has_ended:
            self.peer.finish()

    def data_received(self, data: bytes) -> None:
        if self.peer is None:
            self._early += data
            self.transport.pause_reading()
        else:
            self.peer.transport.write(data)

    def eof_received(self) -> bool:
        """Pass on the end; True keeps our own direction open."""
        self._has_ended = True
        if self.peer is not None:
            self.peer.finish()
        return True

    def finish(self) -> None:
        """Nothing more will come from the peer: say so, and close when we have ended, too."""
        assert self.peer is not None
        if self._has_ended:
            self.transport.close()
            self.peer.transport.close()
        elif not self.transport.is_closing():
            self.transport.write_eof()

    def pause_writing(self) -> None:
        if self.peer is not None and not self.peer.transport.is_closing():
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None and not self.peer.transport.is_closing():
            self.peer.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True
        if self.peer is None:
            return
        if error is not None:
            self.peer.reset()
        else:
            self.peer.transport.close()

    def reset(self) -> None:
        """Break the connection off, so that the other end knows it was not finished."""
        if not self.is_lost:
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.transport.abort()
