"""Handshakes and frames of WebSockets that nobody should send."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from ssl import SSLSocket

import pytest

from apiserver.http_protocol import MESSAGE_BYTES_MAX
from tests.support.hostile import Target, code_of, read_all
from tests.support.wait import until

pytestmark = pytest.mark.slow

WATCH = b"/api/v1/namespaces/default/configmaps?watch=1&labelSelector=nobody"
KEY = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
UPGRADE = b"Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
CONT, TEXT, BINARY, CLOSE, PING = 0, 1, 2, 8, 9
MEMORY_BYTES = 64 << 20


def shake(headers: bytes = KEY, path: bytes = WATCH, method: bytes = b"GET") -> bytes:
    return b"%b %b HTTP/1.1\r\n%b%b\r\n" % (method, path, UPGRADE, headers)


HANDSHAKES: dict[str, tuple[bytes, int]] = {
    "no key": (shake(b""), 400),
    "a key that is none": (shake(b"Sec-WebSocket-Key: a\r\n"), 400),
    "two keys": (shake(KEY + KEY), 400),
    "another version": (shake().replace(b": 13", b": 99"), 400),
    "a method that changes": (shake(method=b"POST", path=WATCH.partition(b"?")[0]), 405),
    "more headers than its library takes": (shake(b"X: a\r\n" * 500 + KEY), 431),
    "longer headers than its library takes": (shake(b"X: " + b"a" * 20_000 + b"\r\n" + KEY), 431),
    "a longer path than its library takes": (shake(path=WATCH + b"&a=" + b"a" * 20_000), 431),
    "more headers than anybody takes": (shake(b"X: a\r\n" * 2000 + KEY), 431),
    "a command for a pod that is not there": (
        shake(
            KEY + b"Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n", b"/api/v1/namespaces/default/pods/a/exec"
        ),
        404,
    ),
    "a token that is none": (
        shake(KEY + b"Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.!!!!\r\n"),
        401,
    ),
    "a token of nobody": (
        shake(KEY + b"Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.YS5iLmM\r\n"),
        401,
    ),
}


@pytest.mark.parametrize("name", HANDSHAKES)
def test_a_handshake_that_is_none_is_refused(target: Target, name: str) -> None:
    request, expected = HANDSHAKES[name]
    if expected == 400:
        request = request.replace(b"Connection: Upgrade", b"Connection: Upgrade, close")
    assert code_of(target.said(request)) == expected


@contextmanager
def watching(target: Target, headers: bytes = b"") -> Iterator[SSLSocket]:
    with target.connected() as connection:
        connection.sendall(shake(KEY + headers))
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(1)
        assert code_of(head) == 101
        yield connection


def frame(
    opcode: int, data: bytes, *, fin: bool = True, deflated: bool = False, masked: bool = True
) -> bytes:
    first = (0x80 if fin else 0) | (0x40 if deflated else 0) | opcode
    return bytes([first]) + length(len(data), masked) + (b"\0\0\0\0" if masked else b"") + data


def length(size: int, masked: bool = True) -> bytes:
    bit = 0x80 if masked else 0
    if size < 126:
        return bytes([bit | size])
    return (
        bytes([bit | 126]) + struct.pack(">H", size)
        if size < 1 << 16
        else bytes([bit | 127]) + struct.pack(">Q", size)
    )


def bomb(size: int) -> bytes:
    """As many zeros as that, as permessage-deflate has them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -12)
    # After a full flush a block needs nothing of those before it: the same again gives the same zeros again.
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return (block * (size >> 20))[:-4]


DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
# What is sent -> with which code the server closes.
FRAMES: dict[str, tuple[bytes, int]] = {
    "no mask": (frame(TEXT, b"a", masked=False), 1002),
    "an opcode nobody knows": (frame(3, b"a"), 1002),
    "bits of no extension": (b"\xf1" + length(1) + b"\0\0\0\0a", 1002),
    "noise": (b"\xff" * 1000, 1002),
    "more than there is memory": (bytes([0x80 | BINARY, 0x80 | 127]) + struct.pack(">Q", 1 << 62), 1009),
    "a size beyond 63 bits": (bytes([0x80 | BINARY, 0x80 | 127]) + struct.pack(">Q", (1 << 64) - 1), 1009),
    "a long ping": (bytes([0x80 | PING]) + length(126) + b"\0\0\0\0" + b"a" * 126, 1002),
    "a ping in two": (frame(PING, b"a", fin=False), 1002),
    "a part of nothing": (frame(CONT, b"a"), 1002),
    "a part, then another message": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"a"), 1002),
    "parts without end": (
        frame(BINARY, b"a", fin=False)
        + frame(CONT, b"a" * (1 << 20), fin=False) * ((MESSAGE_BYTES_MAX >> 20) + 1),
        1009,
    ),
    "a bomb": (frame(BINARY, bomb(1 << 30), deflated=True), 1009),
    "no UTF-8": (frame(TEXT, b"\xff\xfe"), 1007),
    "a close that says nothing right": (frame(CLOSE, b"a"), 1002),
    "a close of no code": (frame(CLOSE, struct.pack(">H", 5)), 1002),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames_that_are_none_close_the_connection(target: Target, name: str) -> None:
    sent, expected = FRAMES[name]
    before = target.rss_bytes()
    with watching(target, DEFLATE if name == "a bomb" else b"") as connection:
        try:
            connection.sendall(sent)
        except OSError:
            pass  # it has been told already
        said = read_all(connection)
    assert said[:1] == bytes([0x80 | CLOSE])
    assert struct.unpack(">H", said[2:4]) == (expected,)
    assert target.rss_bytes() - before < MEMORY_BYTES


def test_pings_of_a_client_that_reads_nothing_are_not_answered(target: Target) -> None:
    before = target.rss_bytes()
    with watching(target) as connection:
        for _ in range(100):
            connection.sendall(frame(PING, os.urandom(125)) * 2000)
        assert target.rss_bytes() - before < 16 << 20


def test_messages_nobody_waits_for_do_not_pile_up(target: Target) -> None:
    before = target.rss_bytes()
    with watching(target) as connection:
        for _ in range(64):
            connection.sendall(frame(BINARY, bytes(1 << 20)))
        target.goes_on()
        assert target.rss_bytes() - before < MEMORY_BYTES
    until("the watch has ended", target.is_alone)
