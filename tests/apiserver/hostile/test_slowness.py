"""Who sends a byte at a time, or reads nothing of what he asked for."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.hostile import Target, code_of, read_all
from tests.support.wait import until

pytestmark = pytest.mark.slow

MAPS = "/api/v1/namespaces/slow/configmaps"
COUNT, SIZE = 16, 900_000
SECONDS = 3.0
LIMITS = {
    f"apiserver.http_protocol.{name}_SECONDS": SECONDS for name in ("HANDSHAKE", "HEADER", "BODY", "WRITE")
}
MEMORY_BYTES = 128 << 20


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A server that waits for nobody long; it has many large objects."""
    target = Target(tmp_path_factory.mktemp("hurried"), LIMITS)
    assert target.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "slow"}})[0] == 201
    for i in range(COUNT):
        o = {"metadata": {"name": f"a{i}"}, "data": {"a": "x" * SIZE}}
        assert target.ask("POST", MAPS, o)[0] == 201
    yield target
    target.end()


def drip(connection: ssl.SSLSocket, data: bytes) -> None:
    """Send a byte every now and then, until nobody wants any more."""
    pause = threading.Event()
    try:
        for at in range(len(data)):
            connection.sendall(data[at : at + 1])
            pause.wait(0.02)
    except OSError:
        return


def test_who_takes_his_time_is_cut_off(hurried: Target) -> None:
    """All of them at once, and meanwhile others are served."""
    with ExitStack() as stack:
        # One says nothing at all, one half of what begins a handshake.
        for said in (b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
            stack.enter_context(socket.create_connection(hurried.address)).sendall(said)
        idle, headers, body, list_reader = (stack.enter_context(hurried.connected()) for _ in range(4))
        head = f"POST {MAPS} HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n".encode()
        body.sendall(head)
        list_reader.sendall(f"GET {MAPS} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        drips = [
            threading.Thread(target=drip, args=(headers, b"GET / HTTP/1.1\r\n" + b"x" * 100_000)),
            threading.Thread(target=drip, args=(body, b" " * 100_000)),
        ]
        for each in drips:
            each.start()
        hurried.goes_on()
        until("all are cut off", hurried.is_alone)
        for each in drips:
            each.join()
        assert read_all(idle) == b""
        assert len(read_all(list_reader)) < COUNT * SIZE
    hurried.goes_on()


def test_who_reads_nothing_of_a_watch_waits_and_costs_little(hurried: Target) -> None:
    """A stream has no deadline; but what is not taken is not even encoded."""
    before = hurried.rss_bytes()
    with ExitStack() as stack:
        watches = [stack.enter_context(hurried.connected()) for _ in range(24)]
        for each in watches:
            each.sendall(f"GET {MAPS}?watch=1&timeoutSeconds=300 HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert code_of(each.recv(12)) == 200
        hurried.goes_on()
        assert hurried.rss_bytes() - before < MEMORY_BYTES
        assert added(watches[0]) == COUNT
    hurried.goes_on()


def added(connection: ssl.SSLSocket) -> int:
    """How many objects come, until all have."""
    found, rest = 0, b""
    while found < COUNT:
        data = connection.recv(1 << 16)
        assert data, f"{found} objects have come"
        rest = rest[-32:] + data
        found += rest.count(b'{"type":"ADDED"')
        rest = rest[rest.rfind(b'{"type":"ADDED"') + 1 :]
    return found


def test_who_asks_and_never_reads_is_not_served_on(hurried: Target) -> None:
    """Many requests on a connection, and none of the answers taken."""
    before = hurried.rss_bytes()
    with hurried.connected() as connection:
        request = f"GET {MAPS}/a1 HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        connection.sendall(request * 15)
        hurried.goes_on()
        assert hurried.rss_bytes() - before < MEMORY_BYTES
