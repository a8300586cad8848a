"""The SPDY codec: read whole, byte by byte and with something behind; and forwarding through it."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import Iterable

import pytest

from kube.base.spdy import (
    DICTIONARY,
    FIN,
    Connection,
    DataReceived,
    Event,
    GoneAway,
    PingReceived,
    SpdyError,
    StreamOpened,
    StreamReset,
)
from kubelet.streaming.port_forward import PortForward


class Client:
    """The client's half: frames out, and what the server sent by stream."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)
        self.received: dict[int, bytes] = {}
        self.finished: set[int] = set()
        self.replied: list[int] = []
        self.changed = asyncio.Event()
        self._buffer = b""

    def open(self, stream_id: int, headers: dict[str, str], *, fin: bool = False) -> bytes:
        texts = [text for pair in headers.items() for text in pair]
        block = struct.pack(">I", len(headers)) + b"".join(
            struct.pack(">I", len(text)) + text.encode() for text in texts
        )
        block = self._deflate.compress(block) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return control(1, struct.pack(">IIH", stream_id, 0, 0) + block, FIN if fin else 0)

    async def take(self, data: bytes) -> None:
        """What PortForward sends arrives here."""
        self._buffer += data
        while len(self._buffer) >= 8:
            word, rest = struct.unpack_from(">II", self._buffer)
            length = rest & 0xFFFFFF
            payload, self._buffer = self._buffer[8 : 8 + length], self._buffer[8 + length :]
            if word >> 31:
                self.replied.append(struct.unpack_from(">I", payload)[0])
            else:
                self.received[word] = self.received.get(word, b"") + payload
                if rest >> 24 & FIN:
                    self.finished.add(word)
        self.changed.set()

    async def wait_finished(self, *stream_ids: int) -> None:
        while not self.finished.issuperset(stream_ids):
            self.changed.clear()
            await self.changed.wait()


def control(kind: int, payload: bytes, flags: int = 0) -> bytes:
    return struct.pack(">HHI", 0x8003, kind, flags << 24 | len(payload)) + payload


def data(stream_id: int, text: bytes, *, fin: bool = False) -> bytes:
    return struct.pack(">II", stream_id, (FIN if fin else 0) << 24 | len(text)) + text


def conversation() -> tuple[bytes, list[Event]]:
    client = Client()
    wire = b"".join(
        [
            client.open(1, {"streamtype": "error", "port": "80", "requestid": "0"}, fin=True),
            client.open(3, {"streamtype": "data", "port": "80", "requestid": "0"}),
            control(4, struct.pack(">I", 0)),  # SETTINGS: needs no answer
            data(3, b"hello"),
            control(9, struct.pack(">II", 3, 1)),  # WINDOW_UPDATE
            data(3, b"", fin=True),
            control(6, struct.pack(">I", 7)),
            control(3, struct.pack(">II", 3, 5)),
            control(7, struct.pack(">II", 3, 0)),
        ]
    )
    return wire, [
        StreamOpened(1, {"streamtype": "error", "port": "80", "requestid": "0"}, True),
        StreamOpened(3, {"streamtype": "data", "port": "80", "requestid": "0"}, False),
        DataReceived(3, b"hello", False),
        DataReceived(3, b"", True),
        PingReceived(7),
        StreamReset(3),
        GoneAway(),
    ]


def read(pieces: Iterable[bytes]) -> list[Event]:
    connection = Connection()
    return [event for piece in pieces for event in connection.receive(piece)]


def test_the_dictionary_is_the_one_all_peers_have() -> None:
    # The checksum stands in every first header block of the world.
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


def test_whole() -> None:
    wire, events = conversation()
    assert read([wire]) == events


def test_byte_by_byte() -> None:
    wire, events = conversation()
    assert read(wire[i : i + 1] for i in range(len(wire))) == events


def test_with_half_a_frame_behind() -> None:
    wire, events = conversation()
    assert read([wire + data(3, b"more")[:9]]) == events


@pytest.mark.parametrize(
    "wire",
    [
        b"\x80\x02\x00\x06\x00\x00\x00\x04\x00\x00\x00\x01",  # SPDY/2
        control(1, b"\x00" * 10 + b"no zlib"),
        control(6, b"\x00"),
        data(1, b"")[:4] + b"\x00\xff\xff\xff",
    ],
)
def test_nonsense_is_refused(wire: bytes) -> None:
    with pytest.raises(SpdyError):
        read([wire])


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers in capitals once the client has said everything."""
    writer.write((await reader.read()).upper())
    writer.close()


async def test_a_connection_is_forwarded_both_ways() -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = str(server.sockets[0].getsockname()[1])
    client = Client()
    forward = PortForward("default/p", lambda port: ("127.0.0.1", port), client.take)
    assert await forward.receive(client.open(1, {"streamtype": "error", "port": port, "requestid": "0"}))
    assert await forward.receive(client.open(3, {"streamtype": "data", "port": port, "requestid": "0"}))
    assert await forward.receive(data(3, b"hel") + data(3, b"lo") + data(3, b"", fin=True))
    await client.wait_finished(1, 3)
    assert client.received == {1: b"", 3: b"HELLO"}
    assert client.replied == [1, 3]
    assert not await forward.receive(control(7, struct.pack(">II", 3, 0)))
    await forward.close()
    server.close()
    await server.wait_closed()


async def test_a_closed_port_is_told_on_the_error_stream() -> None:
    client = Client()
    forward = PortForward("default/p", lambda port: ("127.239.99.99", port), client.take)
    await forward.receive(client.open(1, {"streamtype": "error", "port": "9", "requestid": "0"}))
    await forward.receive(client.open(3, {"streamtype": "data", "port": "9", "requestid": "0"}))
    await client.wait_finished(1, 3)
    told = client.received[1].decode()
    assert told.startswith("error forwarding port 9 to pod default/p: failed to connect to 127.239.99.99:9")
    await forward.close()


def test_headers_that_unpack_to_much_end_the_connection() -> None:
    opening = Client().open(1, {"streamtype": "x" * (10 << 20)})
    assert len(opening) < 1 << 16
    with pytest.raises(SpdyError, match="headers of more than"):
        list(Connection().receive(opening))
