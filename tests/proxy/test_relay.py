"""Two connections joined: what one end says and how it ends arrives at the other, whatever the pace."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from random import Random

import pytest

from proxy.backends import relay
from proxy.backends.relay import BUFFER_BYTES
from tests.support.wait import until_async

MANY_BYTES = 8 * BUFFER_BYTES


class Ends:
    """A client and a backend, with the relay between them."""

    def __init__(self) -> None:
        self.client, self._one = _connected()
        self.backend, self._other = _connected()
        relay.join(asyncio.get_running_loop(), self._one, self._other)

    @property
    def is_joined(self) -> bool:
        """Whether the relay holds its connections still."""
        return self._one.fileno() >= 0 or self._other.fileno() >= 0

    def __iter__(self) -> Iterator[socket.socket]:
        yield self.client
        yield self.backend

    def close(self) -> None:
        for each in self:
            each.close()


def _connected() -> tuple[socket.socket, socket.socket]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        here = socket.create_connection(listening.getsockname())
        there, _ = listening.accept()
    for each in (here, there):
        each.setblocking(False)
        # Little room in the kernel, so that much is left to the relay.
        each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    return here, there


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    made = Ends()
    yield made
    made.close()
    await until_async("the relay has closed them", lambda: not made.is_joined)


async def say(connection: socket.socket, data: bytes, chance: Random) -> None:
    """In pieces, with pauses, and then the end."""
    loop = asyncio.get_running_loop()
    while data:
        count = chance.choice((1, 1000, 100_000))
        await loop.sock_sendall(connection, data[:count])
        data = data[count:]
        if chance.random() < 0.1:
            await asyncio.sleep(0)
    connection.shutdown(socket.SHUT_WR)


async def hear(connection: socket.socket, chance: Random) -> bytes:
    """Until the end."""
    loop, heard = asyncio.get_running_loop(), bytearray()
    while data := await loop.sock_recv(connection, chance.choice((100, 5000, 200_000))):
        heard += data
    return bytes(heard)


@pytest.mark.parametrize("seed", range(10))
async def test_all_that_is_said_arrives_and_then_nothing_is_left(ends: Ends, seed: int) -> None:
    chance = Random(seed)
    one, other = (chance.randbytes(chance.choice((0, 1, 10_000, 1_000_000))) for _ in ends)
    _, _, at_client, at_backend = await asyncio.gather(
        say(ends.client, one, chance),
        say(ends.backend, other, chance),
        hear(ends.client, chance),
        hear(ends.backend, chance),
    )
    assert (at_client, at_backend) == (other, one)
    await until_async("the relay has closed them", lambda: not ends.is_joined)


async def test_an_answer_may_come_long_after_the_clients_end(ends: Ends) -> None:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(ends.client, b"all")
    ends.client.shutdown(socket.SHUT_WR)
    assert await hear(ends.backend, Random(1)) == b"all"
    assert ends.is_joined
    await loop.sock_sendall(ends.backend, b"answer")
    assert await loop.sock_recv(ends.client, 100) == b"answer"
    ends.backend.close()
    assert await loop.sock_recv(ends.client, 100) == b""
    await until_async("the relay has closed them", lambda: not ends.is_joined)


async def test_the_end_waits_for_what_was_said_before(ends: Ends) -> None:
    """The backend says much and leaves while the client does not read yet."""
    loop, said = asyncio.get_running_loop(), Random(1).randbytes(MANY_BYTES)
    saying = asyncio.create_task(say(ends.backend, said, Random(2)))
    await until_async("something is there", lambda: len(_peek(ends.client)) > 0)
    assert not saying.done()
    assert await hear(ends.client, Random(3)) == said
    await saying
    await loop.sock_sendall(ends.client, b"thanks")
    assert await loop.sock_recv(ends.backend, 100) == b"thanks"


async def test_a_reset_is_passed_on_also_to_who_is_behind(ends: Ends) -> None:
    """The client breaks off while much is on its way to it."""
    loop = asyncio.get_running_loop()
    sending = asyncio.create_task(loop.sock_sendall(ends.backend, bytes(MANY_BYTES)))
    await until_async("something is there", lambda: len(_peek(ends.client)) > 0)
    ends.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    ends.client.close()
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        await sending
    await until_async("the relay has closed them", lambda: not ends.is_joined)


def _peek(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return b""
