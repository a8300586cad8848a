"""The userspace backend on real sockets: who gets a connection, and what becomes of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import resource
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from ipaddress import IPv4Network
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from proxy.backends import userspace
from proxy.backends.relay import BUFFER_BYTES
from proxy.backends.userspace import Userspace
from proxy.endpoints import Backend
from proxy.metrics import Metrics
from proxy.rules import HealthCheck, Listener, Rule, Rules
from tests.support.wait import until_async

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LOCAL = "127.0.0.1"


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((LOCAL, 0))
        return int(probe.getsockname()[1])


class Backends(Userspace):
    """One that is told all rules at once."""

    @property
    def metrics(self) -> Metrics:
        return self._metrics

    async def sync(self, rules: Rules) -> None:
        known = {*self._open, *self.failures}
        await self.apply({**dict.fromkeys(known), **rules})


@pytest.fixture
async def backend() -> AsyncIterator[Backends]:
    made = Backends(Metrics(CollectorRegistry()), random.Random(1), lambda client: "")
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


async def ask(listener: Listener, sent: bytes = b"", came_from: str = LOCAL) -> str:
    """What is answered; the connection may be refused, or broken off, before or after it stands."""
    whence = (came_from, 0)
    reader, writer = await asyncio.open_connection(listener.address, listener.port, local_addr=whence)
    writer.write(sent)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.decode()


async def test_connections_go_round(backend: Backends) -> None:
    listener = Listener(LOCAL, free_port())
    async with pod(says("a")) as a, pod(says("b")) as b:
        await backend.sync(rules(listener, a, b))
        assert sorted([await ask(listener) for _ in range(4)]) == ["a", "a", "b", "b"]


async def test_a_client_with_affinity_comes_back(backend: Backends) -> None:
    listener = Listener(LOCAL, free_port())
    async with pod(says("a")) as a, pod(says("b")) as b:
        await backend.sync(rules(listener, a, b, affinity=60))
        assert len({await ask(listener) for _ in range(4)}) == 1


async def test_nobody_is_refused_while_one_backend_is_left(backend: Backends) -> None:
    listener = Listener(LOCAL, free_port())
    async with pod(says("a")) as a:
        await backend.sync(rules(listener, Backend(LOCAL, free_port()), a, Backend(LOCAL, free_port())))
        assert [await ask(listener) for _ in range(3)] == ["a", "a", "a"]


async def test_without_backends_clients_are_refused_and_with_new_ones_served(backend: Backends) -> None:
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


async def test_when_no_backend_answers_the_connection_is_broken_off(backend: Backends) -> None:
    listener = Listener(LOCAL, free_port())
    await backend.sync(rules(listener, Backend(LOCAL, free_port())))
    with pytest.raises(ConnectionResetError):
        await ask(listener)


async def test_a_pod_that_hangs_holds_up_one_client(
    backend: Backends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its queue is full, so that the kernel takes nobody more: a connection to it is never answered."""
    monkeypatch.setattr(userspace, "CONNECT_SECONDS", 0.2)
    listener = Listener(LOCAL, free_port())
    with socket.socket() as hangs, contextlib.ExitStack() as queue:
        hangs.bind((LOCAL, 0))
        hangs.listen(0)
        hung = Backend(*hangs.getsockname())
        for _ in range(2):
            waiting = queue.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect((hung.address, hung.port))
        async with pod(says("a")) as a:
            await backend.sync(rules(listener, hung, a))
            assert [await ask(listener) for _ in range(6)] == ["a"] * 6
            assert backend.metrics.failed_connects.collect()[0].samples[0].value == 1


async def test_nobody_is_taken_round_for_ever(backend: Backends) -> None:
    """Two Services whose slices name one another's address, and a third that also has a pod."""
    one, other, third = (Listener(LOCAL, free_port()) for _ in range(3))
    back, forth = (Backend(each.address, each.port) for each in (one, other))
    async with pod(says("a")) as a:
        await backend.sync(rules(one, forth) | rules(other, back) | rules(third, back, a))
        for listener in (one, other):
            with pytest.raises(ConnectionResetError):
                await ask(listener)
        assert [await ask(third) for _ in range(3)] == ["a", "a", "a"]


async def test_half_closed_both_ways(backend: Backends) -> None:
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


async def test_a_connection_outlives_its_rule(backend: Backends) -> None:
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


async def test_a_reset_arrives_as_a_reset(backend: Backends) -> None:
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


async def test_who_does_not_read_is_not_buffered_for_without_end(backend: Backends) -> None:
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
    backend: Backends, caplog: pytest.LogCaptureFixture
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
        await backend.retry()
        assert backend.failures == {}
        assert await ask(listener) == "a"


@contextmanager
def descriptors(limit: int) -> Iterator[None]:
    """So many may this process have, until the block ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_without_descriptors_clients_wait(
    backend: Backends, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(userspace, "REST_SECONDS", 0.01)
    loop, listener = asyncio.get_running_loop(), Listener(LOCAL, free_port())
    async with pod(says("a")) as a:
        await backend.sync(rules(listener, a))
        with socket.socket() as client:
            client.setblocking(False)
            with descriptors(0):
                await loop.sock_connect(client, (LOCAL, listener.port))
                await until_async("it is told", lambda: "cannot take connections" in caplog.text)
            assert await loop.sock_recv(client, 1) == b"a"


async def test_a_shortage_is_not_a_backends_fault(
    backend: Backends, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One descriptor is left, for the client."""
    monkeypatch.setattr(userspace, "REST_SECONDS", 0.01)
    loop, listener = asyncio.get_running_loop(), Listener(LOCAL, free_port())
    async with pod(says("a")) as a:
        await backend.sync(rules(listener, a))
        with socket.socket() as client:
            client.setblocking(False)
            with socket.socket() as next_one:
                limit = next_one.fileno() + 1

            async def heard(client: socket.socket = client) -> bytes:
                await loop.sock_connect(client, (LOCAL, listener.port))
                return await loop.sock_recv(client, 1)

            with descriptors(limit), pytest.raises(ConnectionResetError):
                await heard()
        assert "cannot take connections" in caplog.text
        assert backend.metrics.failed_connects.collect()[0].samples[0].value == 0
        assert await ask(listener) == "a"


async def test_what_is_not_spoken_here_is_said(backend: Backends) -> None:
    listener = Listener(LOCAL, 9, "SCTP")
    await backend.sync(rules(listener, Backend(LOCAL, 9)))
    assert backend.failures == {listener: "SCTP is not supported"}


class Answering(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.transport.sendto(b"got " + data, address)  # type: ignore[attr-defined]


class Naming(asyncio.DatagramProtocol):
    def __init__(self, name: bytes) -> None:
        self._name = name

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, _: bytes, address: tuple[str, int]) -> None:
        self.transport.sendto(self._name, address)  # type: ignore[attr-defined]


async def test_datagrams_find_their_way_back(backend: Backends) -> None:
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


async def test_a_client_of_datagrams_moves_on_when_its_backend_leaves(backend: Backends) -> None:
    loop = asyncio.get_running_loop()
    listener = Listener(LOCAL, free_port(socket.SOCK_DGRAM), "UDP")
    serving = [
        (await loop.create_datagram_endpoint(lambda name=name: Naming(name), local_addr=(LOCAL, 0)))[0]
        for name in (b"a", b"b")
    ]
    a, b = (Backend(LOCAL, each.get_extra_info("sockname")[1]) for each in serving)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect((LOCAL, listener.port))

        async def asked() -> bytes:
            await loop.sock_sendall(client, b"who?")
            return await loop.sock_recv(client, 100)

        await backend.sync(rules(listener, a, affinity=60))
        assert [await asked(), await asked()] == [b"a", b"a"]
        await backend.sync(rules(listener, a, b, affinity=60))
        assert await asked() == b"a", "it stays while it can"
        await backend.sync(rules(listener, b, affinity=60))
        assert await asked() == b"b"
    for each in serving:
        each.close()


async def test_who_is_outside_of_the_source_ranges_is_refused(backend: Backends) -> None:
    loop = asyncio.get_running_loop()
    mine = (IPv4Network("127.1.0.0/16"),)
    tcp = Listener(LOCAL, free_port())
    udp = Listener(LOCAL, free_port(socket.SOCK_DGRAM), "UDP")
    serving, _ = await loop.create_datagram_endpoint(lambda: Naming(b"a"), local_addr=(LOCAL, 0))
    answering = Backend(LOCAL, serving.get_extra_info("sockname")[1])
    async with pod(says("a")) as a:
        await backend.sync(
            {
                tcp: Rule("default/web:80", (a,), sources=mine),
                udp: Rule("default/web:53", (answering,), sources=mine),
            }
        )
        assert await ask(tcp, came_from="127.1.0.9") == "a"
        with pytest.raises(ConnectionResetError):
            await ask(tcp, came_from="127.2.0.9")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
    ):
        for client, address in ((one, "127.2.0.9"), (two, "127.1.0.9")):
            client.setblocking(False)
            client.bind((address, 0))
            client.connect((LOCAL, udp.port))
            await loop.sock_sendall(client, b"who?")
        assert await loop.sock_recv(two, 100) == b"a"
        with pytest.raises(BlockingIOError):
            one.recv(100)
    serving.close()


async def test_health_checks_say_what_is_on_their_node(backend: Backends) -> None:
    listener = Listener(LOCAL, free_port())
    async with aiohttp.ClientSession() as session:

        async def asked() -> tuple[int, Any]:
            async with session.get(f"http://{LOCAL}:{listener.port}/any/path") as answer:
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                return answer.status, await answer.json()

        for count, healthy, code in ((2, True, 200), (0, True, 503), (1, False, 503), (1, True, 200)):
            await backend.sync({listener: HealthCheck("default/web", count, healthy)})
            of_service = {"namespace": "default", "name": "web"}
            said = {"service": of_service, "localEndpoints": count, "serviceProxyHealthy": healthy}
            assert await asked() == (code, said)
        async with pod(says("a")) as a:
            await backend.sync(rules(listener, a))
            assert await ask(listener) == "a", "the port is another Service's"
        await backend.sync({listener: HealthCheck("default/web", 1, True)})
        assert (await asked())[0] == 200
        await backend.sync({})
        with pytest.raises(aiohttp.ClientConnectorError):
            await asked()


async def test_many_connections_leave_nothing_behind(backend: Backends) -> None:
    listener = Listener(LOCAL, free_port())
    async with pod(echo_at_the_end) as a:
        await backend.sync(rules(listener, a))
        answers = await asyncio.gather(*(ask(listener, b"x") for _ in range(200)))
        assert set(answers) == {"got x"}
        await until_async("all tasks have ended", lambda: len(asyncio.all_tasks()) == 1)
