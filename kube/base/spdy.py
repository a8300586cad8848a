"""Core: the server's half of a SPDY/3.1 connection: bytes in, events out; answers in, bytes out.

    control frame   1|version:15|type:16  flags:8|length:24  payload
    data frame      0|stream id:31        flags:8|length:24  payload

kubectl speaks SPDY to forward ports, long after browsers ceased to. Header blocks are compressed with one
zlib stream a direction, primed with a dictionary that the protocol fixes.

Absent: flow control (kubectl's library, moby/spdystream, has none either), priorities, server push.
After: the SPDY protocol, draft 3.1 (sections 2.2 to 2.6).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

VERSION = 3
FIN = 1
FRAME_HEADER_BYTES = 8
# Larger frames are no SPDY of kubectl's: its library sends at most 64 KiB of data at once.
FRAME_BYTES_MAX = 1 << 22
# What the headers of one stream may become when they are unpacked.
HEADERS_BYTES_MAX = 1 << 16

SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY = 1, 2, 3, 6, 7
RST_CANCEL = 5

_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges "
    "age allow authorization cache-control connection content-base content-encoding content-language "
    "content-length content-location content-md5 content-range content-type date etag expect expires from "
    "host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location "
    "max-forwards pragma proxy-authenticate proxy-authorization range referer retry-after server te trailer "
    "transfer-encoding upgrade user-agent vary via warning www-authenticate method get status"
)
_MORE_WORDS = ("200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin")
_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _counted(text: str) -> bytes:
    return struct.pack(">I", len(text)) + text.encode("latin-1")


DICTIONARY = b"".join(map(_counted, (*_WORDS.split(), *_MORE_WORDS))) + _TAIL.encode()


class SpdyError(Exception):
    """The peer does not speak SPDY/3.1; the connection is of no more use."""


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """The client opened a stream; it waits for `reply`."""

    stream_id: int
    headers: Mapping[str, str]
    fin: bool


@dataclass(frozen=True, slots=True)
class DataReceived:
    """Bytes on a stream; `fin`: the client sends no more there."""

    stream_id: int
    data: bytes
    fin: bool


@dataclass(frozen=True, slots=True)
class StreamReset:
    """The client gave the stream up, in both directions."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class PingReceived:
    """The client wants the same frame back."""

    ping_id: int


@dataclass(frozen=True, slots=True)
class GoneAway:
    """The client is done with the whole connection."""


Event = StreamOpened | DataReceived | StreamReset | PingReceived | GoneAway


class Connection:
    """One connection, whatever carries its bytes."""

    def __init__(self) -> None:
        self._buffer = b""
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def receive(self, data: bytes) -> Iterator[Event]:
        """The events in the bytes so far; what is cut off waits for the rest."""
        self._buffer += data
        while len(self._buffer) >= FRAME_HEADER_BYTES:
            word, flags_and_length = struct.unpack_from(">II", self._buffer)
            length = flags_and_length & 0xFFFFFF
            if length > FRAME_BYTES_MAX:
                raise SpdyError(f"a frame of {length} bytes")
            if len(self._buffer) < FRAME_HEADER_BYTES + length:
                return
            payload = self._buffer[FRAME_HEADER_BYTES : FRAME_HEADER_BYTES + length]
            self._buffer = self._buffer[FRAME_HEADER_BYTES + length :]
            event = self._event(word, flags_and_length >> 24, payload)
            if event is not None:
                yield event

    def reply(self, stream_id: int) -> bytes:
        """Accept a stream."""
        block = self._deflate.compress(struct.pack(">I", 0)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return _control(SYN_REPLY, struct.pack(">I", stream_id) + block)

    def send(self, stream_id: int, data: bytes, *, fin: bool = False) -> bytes:
        """Send bytes on a stream; with `fin` they are the last."""
        assert len(data) <= FRAME_BYTES_MAX, "data comes in pieces"
        return struct.pack(">II", stream_id, (FIN if fin else 0) << 24 | len(data)) + data

    def reset(self, stream_id: int) -> bytes:
        """Give a stream up, in both directions."""
        return _control(RST_STREAM, struct.pack(">II", stream_id, RST_CANCEL))

    def pong(self, ping_id: int) -> bytes:
        """Answer a ping."""
        return _control(PING, struct.pack(">I", ping_id))

    def _event(self, word: int, flags: int, payload: bytes) -> Event | None:
        if word >> 31 == 0:
            return DataReceived(word, payload, bool(flags & FIN))
        if word >> 16 & 0x7FFF != VERSION:
            raise SpdyError(f"version {word >> 16 & 0x7FFF} of SPDY")
        return self._control_event(word & 0xFFFF, flags, payload)

    def _control_event(self, kind: int, flags: int, payload: bytes) -> Event | None:
        """What a control frame says; None where no answer is needed (SETTINGS, WINDOW_UPDATE, HEADERS)."""
        try:
            match kind:
                case 1:  # SYN_STREAM
                    headers = self._headers(payload[10:])
                    return StreamOpened(_uint32(payload), headers, bool(flags & FIN))
                case 3:  # RST_STREAM
                    return StreamReset(_uint32(payload))
                case 6:  # PING
                    return PingReceived(_uint32(payload))
                case 7:  # GOAWAY
                    return GoneAway()
        except (struct.error, zlib.error) as error:
            raise SpdyError(f"a broken frame of type {kind}: {error}") from error
        return None

    def _headers(self, block: bytes) -> dict[str, str]:
        data = self._inflate.decompress(block, HEADERS_BYTES_MAX)
        if self._inflate.unconsumed_tail:
            raise SpdyError(f"headers of more than {HEADERS_BYTES_MAX} bytes")
        texts = []
        position = 4
        for _ in range(2 * _uint32(data)):
            (length,) = struct.unpack_from(">I", data, position)
            texts.append(data[position + 4 : position + 4 + length].decode("latin-1"))
            position += 4 + length
        return dict(zip(texts[::2], texts[1::2]))


def _control(kind: int, payload: bytes) -> bytes:
    return struct.pack(">HHI", 0x8000 | VERSION, kind, len(payload)) + payload


def _uint32(data: bytes) -> int:
    return int(struct.unpack_from(">I", data)[0]) & 0x7FFFFFFF
