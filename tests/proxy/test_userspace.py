"""The userspace backend on real sockets: who gets a connection, and what becomes of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from proxy.backends.relay import BUFFER_BYTES
from proxy.backends.userspace import Userspace
from proxy.metrics import Metrics
from proxy.rules import Backend, Listener, Rule, Rules
from tests.support.wait import until_async

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LOCAL = "127.0.0.1"


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((LOCAL, 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def backend() -> AsyncIterator[Userspace]:
    made = Userspace(Metrics(CollectorRegistry()), random.Random(1))
    yield made
    made.close()
    await asyncio.sleep(0)


@asynccontextmanager
async def pod(handle: Handler) -> AsyncIterator[Backend]:
    """Somebody who listens."""

    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(closing, LOCAL, 0)
    try:
        yield Backend(LOCAL, server.sockets[0].getsockname()[1])
    finally:
        server.close()


def says(text: str) -> Handler:
    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text.encode())

    return handle


async def echo_at_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers only once the client has said that it is done."""
    writer.write(b"got " + await reader.read())


def rules(listener: Listener, *backends: Backend, affinity: int | None = None) -> Rules:
    return {listener: Rule("default/web:80", backends, affinity)}


async def ask(listener: Listener, sent: bytes = b"") -> str:
    reader, writer = await asyncio.open_connection(listener.address, listener.port)
    writer.write(sent)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.decode()


async def test_connections_go_round(backend: Userspace) -> None:
    listener = Listener(LOCAL, free_port())
    async with pod(says("a")) as a, pod(says("b")) as b:
        await backend.sync(rules(listener, a, b))
        assert sorted([await ask(listener) for _ in range(4)]) == ["a", "a", "b", "b"]


async def test_a_client_with_affinity_comes_back(backend: Userspace) -> None:
    listener = Listener(LOCAL, free_port())
    async with pod(says("a")) as a, pod(says("b")) as b:
        await backend.sync(rules(listener, a, b, affinity=60))
        assert len({await ask(listener) for _ in range(4)}) == 1


async def test_nobody_is_refused_while_one_backend_is_left(backend: Userspace) -> None:
    listener = Listener(LOCAL, free_port())
    async with pod(says("a")) as a:
        await backend.sync(rules(listener, Backend(LOCAL, free_port()), a, Backend(LOCAL, free_port())))
        assert [await ask(listener) for _ in range(3)] == ["a", "a", "a"]


async def test_without_backends_clients_are_refused_and_with_new_ones_served(backend: Userspace) -> None:
    listener = Listener(LOCAL, free_port())
    async with pod(says("a")) as a:
        await backend.sync(rules(listener))
        with pytest.raises(ConnectionRefusedError):
            await ask(listener)
        await backend.sync(rules(listener, a))
        assert await ask(listener) == "a"
        await backend.sync({})
        with pytest.raises(ConnectionRefusedError):
            await ask(listener)


async def test_when_no_backend_answers_the_connection_is_broken_off(backend: Userspace) -> None:
    listener = Listener(LOCAL, free_port())
    await backend.sync(rules(listener, Backend(LOCAL, free_port())))
    reader, writer = await asyncio.open_connection(listener.address, listener.port)
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_half_closed_both_ways(backend: Userspace) -> None:
    listener = Listener(LOCAL, free_port())
    ended = asyncio.Event()

    async def ends_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.write_eof()
        assert await reader.read() == b"still listening?"
        ended.set()

    async with pod(echo_at_the_end) as a:
        await backend.sync(rules(listener, a))
        assert await ask(listener, b"x" * 100_000) == "got " + "x" * 100_000
    async with pod(ends_first) as b:
        await backend.sync(rules(listener, b))
        reader, writer = await asyncio.open_connection(listener.address, listener.port)
        assert await reader.read() == b"hello"
        writer.write(b"still listening?")
        writer.write_eof()
        await ended.wait()
        writer.close()


async def test_a_connection_outlives_its_rule(backend: Userspace) -> None:
    listener = Listener(LOCAL, free_port())
    async with pod(echo_at_the_end) as a, pod(says("b")) as b:
        await backend.sync(rules(listener, a))
        reader, writer = await asyncio.open_connection(listener.address, listener.port)
        writer.write(b"before")
        await backend.sync(rules(listener, b))
        assert await ask(listener) == "b"
        await backend.sync({})
        writer.write(b" after")
        writer.write_eof()
        assert await reader.read() == b"got before after"
        writer.close()


async def test_a_reset_arrives_as_a_reset(backend: Userspace) -> None:
    listener = Listener(LOCAL, free_port())

    async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    async with pod(resets) as a:
        await backend.sync(rules(listener, a))
        reader, writer = await asyncio.open_connection(listener.address, listener.port)
        writer.write(b"x")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


async def test_who_does_not_read_is_not_buffered_for_without_end(backend: Userspace) -> None:
    listener = Listener(LOCAL, free_port())
    sent = 0
    stalled = asyncio.Event()

    async def floods(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        chunk = b"x" * 65536
        writer.transport.set_write_buffer_limits(high=0)
        while not stalled.is_set():
            writer.write(chunk)
            sent += len(chunk)
            try:
                async with asyncio.timeout(0.5):
                    await writer.drain()
            except TimeoutError:
                stalled.set()
        await writer.drain()

    async with pod(floods) as a:
        await backend.sync(rules(listener, a))
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            client.setblocking(False)
            await asyncio.get_running_loop().sock_connect(client, (LOCAL, listener.port))
            await stalled.wait()
            # The kernel's buffers take their part on the way; ours are the smaller one.
            assert sent < 64 * BUFFER_BYTES
            got = 0
            while data := await asyncio.get_running_loop().sock_recv(client, 1 << 20):
                got += len(data)
            assert got == sent


async def test_what_cannot_be_bound_is_said_once_and_tried_again(
    backend: Userspace, caplog: pytest.LogCaptureFixture
) -> None:
    listener, good = Listener(LOCAL, free_port()), Listener(LOCAL, free_port())
    async with pod(says("a")) as a:
        with socket.socket() as other, caplog.at_level(logging.WARNING):
            other.bind((LOCAL, listener.port))
            other.listen()
            for _ in range(3):
                await backend.sync(rules(listener, a) | rules(good, a))
            assert await ask(good) == "a"
            assert list(backend.failures.values()) == ["Address already in use"]
            assert len([each for each in caplog.records if "does not answer" in each.getMessage()]) == 1
        await backend.sync(rules(listener, a))
        assert backend.failures == {}
        assert await ask(listener) == "a"


async def test_what_is_not_spoken_here_is_said(backend: Userspace) -> None:
    listener = Listener(LOCAL, 9, "SCTP")
    await backend.sync(rules(listener, Backend(LOCAL, 9)))
    assert backend.failures == {listener: "SCTP is not supported"}


class Answering(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.transport.sendto(b"got " + data, address)  # type: ignore[attr-defined]


async def test_datagrams_find_their_way_back(backend: Userspace) -> None:
    loop = asyncio.get_running_loop()
    listener = Listener(LOCAL, free_port(socket.SOCK_DGRAM), "UDP")
    serving, _ = await loop.create_datagram_endpoint(Answering, local_addr=(LOCAL, 0))
    port = serving.get_extra_info("sockname")[1]
    await backend.sync(rules(listener, Backend(LOCAL, port)))
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
    ):
        for name, client in (("one", one), ("two", two)):
            client.setblocking(False)
            client.connect((LOCAL, listener.port))
            for number in range(3):
                await loop.sock_sendall(client, f"{name} {number}".encode())
        for name, client in (("one", one), ("two", two)):
            answers = [(await loop.sock_recv(client, 100)).decode() for _ in range(3)]
            assert answers == [f"got {name} {number}" for number in range(3)]
    serving.close()


async def test_many_connections_leave_nothing_behind(backend: Userspace) -> None:
    listener = Listener(LOCAL, free_port())
    async with pod(echo_at_the_end) as a:
        await backend.sync(rules(listener, a))
        answers = await asyncio.gather(*(ask(listener, b"x") for _ in range(200)))
        assert set(answers) == {"got x"}
        await until_async("all tasks have ended", lambda: len(asyncio.all_tasks()) == 1)
