"""Shell: exec and attach for a client that speaks SPDY, joined with the kubelet's WebSocket.

    client's stream, by its `streamtype`:   error   stdin   stdout   stderr   resize
    channel of the kubelet's messages:        3       0       1        2        4

The streams have come when there is one for each that the query asked for. The command's end is told on the
error stream, as JSON since v4 and as text before; then all streams end.

After: k8s staging/src/k8s.io/kubelet/pkg/cri/streaming/remotecommand/httpstream.go
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import aiohttp

from apiserver.handlers.dialects import STATUS, plain_end
from apiserver.handlers.relay import CLOSE_SECONDS, Upstream
from kube.base.logs import logger
from kube.base.spdy import (
    Connection,
    DataReceived,
    Event,
    GoneAway,
    PingReceived,
    SpdyError,
    StreamOpened,
    StreamReset,
)

log = logger(__name__)

V4, V3, V2, V1 = "v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"
# As the client names them, the best first.
VERSIONS = (V4, V3, V2, V1)
CHANNELS = {"stdin": 0, "stdout": 1, "stderr": 2, "error": STATUS, "resize": 4}
STDIN, CLOSE = 0, 255
CHUNK_BYTES = 32 * 1024
NORMAL_CLOSURE = 1000
# How long a client may take to open its streams.
OPEN_SECONDS = 30.0


def expected_streams(wanted: Sequence[str], version: str) -> set[str]:
    """Which streams a client opens that wants these of stdin, stdout, stderr and tty."""
    is_terminal = "tty" in wanted
    streams = {"error", *(each for each in wanted if each != "tty")}
    if is_terminal:
        streams.discard("stderr")
    return streams | {"resize"} if is_terminal and version in (V4, V3) else streams


class SpdyCommand:
    """One client's command. `last_words`: the Status for one whose kubelet breaks off."""

    def __init__(self, upstream: Upstream, version: str, expected: set[str], last_words: bytes) -> None:
        self._upstream, self._version, self._expected = upstream, version, expected
        self._last_words = last_words
        self._connection = Connection()
        self._streams: dict[str, int] = {}
        self._types: dict[int, str] = {}
        self._are_open = asyncio.Event()

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Copy both ways until the command ends or the client leaves."""
        up = asyncio.ensure_future(self._up(reader, writer))
        down = asyncio.ensure_future(self._down(writer))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            # It is read on, so that it hears the end.
            await asyncio.wait({up}, timeout=CLOSE_SECONDS)
        finally:
            for each in (up, down):
                each.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            await self._upstream.close()

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(CHUNK_BYTES):
                for event in self._connection.receive(data):
                    if not await self._take(event, writer):
                        return
        except (SpdyError, OSError) as error:
            log.info("a client of exec or attach broke off", error=error)

    async def _take(self, event: Event, writer: asyncio.StreamWriter) -> bool:
        """Do what the client says; False when it leaves."""
        match event:
            case StreamOpened(stream_id, headers):
                self._open(stream_id, headers.get("streamtype", ""), writer)
                await writer.drain()
            case DataReceived(stream_id, data, fin):
                await self._pass_on(self._types.get(stream_id, ""), data, fin)
            case PingReceived(ping_id):
                writer.write(self._connection.pong(ping_id))
                await writer.drain()
            case GoneAway():
                return False
            case StreamReset():
                pass
        return True

    def _open(self, stream_id: int, kind: str, writer: asyncio.StreamWriter) -> None:
        if kind not in self._expected or kind in self._streams:
            writer.write(self._connection.reset(stream_id))
            return
        writer.write(self._connection.reply(stream_id))
        self._streams[kind], self._types[stream_id] = stream_id, kind
        if self._streams.keys() == self._expected:
            self._are_open.set()

    async def _pass_on(self, kind: str, data: bytes, fin: bool) -> None:
        with suppress(ConnectionError):
            if kind in ("stdin", "resize") and data:
                await self._upstream.send_bytes(bytes([CHANNELS[kind]]) + data)
            if kind == "stdin" and fin:
                await self._upstream.send_bytes(bytes([CLOSE, STDIN]))

    async def _down(self, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await self._are_open.wait()
        except TimeoutError:
            log.info("a client of exec or attach opened no streams")
            return
        kinds = {channel: kind for kind, channel in CHANNELS.items()}
        async for message in self._upstream:
            if message.type is aiohttp.WSMsgType.BINARY and message.data:
                self._write(writer, kinds.get(message.data[0], ""), message.data[1:])
                await writer.drain()
        if self._upstream.close_code != NORMAL_CLOSURE:
            self._write(writer, "error", self._last_words)
        for stream_id in self._streams.values():
            writer.write(self._connection.send(stream_id, b"", fin=True))
        await writer.drain()

    def _write(self, writer: asyncio.StreamWriter, kind: str, data: bytes) -> None:
        if kind == "error" and self._version != V4:
            data = plain_end(data)
        if kind in self._streams and data:
            writer.write(self._connection.send(self._streams[kind], data))
