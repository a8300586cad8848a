"""Shell: protobuf messages over a TCP or TLS connection between members, each behind its length.

    frame = length (4 bytes, big end first) | peer_pb2.Frame

gRPC would do the same with flow control, metadata and threads of its own; Raft needs none of it, and sends
eight small messages for one write (docs/adr/0008-members-speak-in-frames.md).

Invariants: frames arrive whole and in order, or the connection has ended.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from typing import Any
from urllib.parse import urlsplit

from google.protobuf.message import DecodeError

from etcdlite.pb import peer_pb2

HEAD = struct.Struct(">I")
FRAME_BYTES_MAX = 64 << 20  # appends are cut at 1 MiB; more is no frame of ours
READ_AHEAD_BYTES = 1 << 20
CONNECT_SECONDS = 2.0
# When the other machine is gone without a word: probes of the kernel, and the end of its patience.
KEEP_ALIVE_OPTIONS = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 3, "TCP_KEEPCNT": 1, "TCP_USER_TIMEOUT": 8_000}


class ConnectionEnded(Exception):
    """The other side is gone, or does not speak in frames."""


class Frames:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.sent_bytes = self.received_bytes = 0
        _keep_alive(writer.get_extra_info("socket"))

    async def receive(self) -> Any:
        """The next frame; ConnectionEnded if there is none."""
        try:
            (size,) = HEAD.unpack(await self._reader.readexactly(HEAD.size))
            if size > FRAME_BYTES_MAX:
                raise ConnectionEnded(f"a frame of {size} bytes")
            self.received_bytes += size
            return peer_pb2.Frame.FromString(await self._reader.readexactly(size))
        except (OSError, asyncio.IncompleteReadError, DecodeError) as error:
            raise ConnectionEnded(str(error)) from error

    def send(self, frame: Any) -> None:
        """Send a frame as soon as the kernel takes it; at the end of the connection it is lost."""
        if not self._writer.is_closing():
            data = frame.SerializeToString()
            self.sent_bytes += len(data)
            self._writer.write(HEAD.pack(len(data)) + data)

    async def drain(self) -> None:
        """Return when there is room for more; ConnectionEnded if nobody takes it."""
        try:
            await self._writer.drain()
        except OSError as error:
            raise ConnectionEnded(str(error)) from error

    @property
    def unsent_bytes(self) -> int:
        """What the kernel has not taken yet."""
        return self._writer.transport.get_write_buffer_size()

    def close(self) -> None:
        """Send what waits, then end the connection."""
        self._writer.close()

    def abort(self) -> None:
        """End the connection at once."""
        self._writer.transport.abort()


async def connect(url: str, tls: ssl.SSLContext | None) -> Frames:
    """Call another member; ConnectionEnded if nobody answers."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return Frames(
                *await asyncio.open_connection(parts.hostname, parts.port, ssl=tls, limit=READ_AHEAD_BYTES)
            )
    except OSError as error:  # TimeoutError and ssl's errors, too
        raise ConnectionEnded(str(error)) from error


def _keep_alive(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEP_ALIVE_OPTIONS.items():
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
