"""Shell: asks the machine's own name servers about names that are not the cluster's.

Each question goes from a port and under a number of its own, so that nobody can answer it by guessing, and is
believed only with that number, from that server. The servers are asked in turn until one answers.

After: RFC 5452, CoreDNS plugin/forward.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import cast

from kube.base.logs import logger

log = logger(__name__)

RESOLV_CONF = Path("/etc/resolv.conf")
PORT = 53
SECONDS = 2.0
IN_FLIGHT_MAX = 1000

Server = tuple[str, int]


class Busy(Exception):
    """Too much is asked already."""


class Upstream:
    """The servers of resolv.conf, or those given; `own`: addresses that are ours, never asked."""

    def __init__(self, servers: Sequence[Server], chance: Random) -> None:
        self._servers, self._chance = tuple(servers), chance
        self._in_flight = 0

    async def ask(self, query: bytes, *, by_tcp: bool) -> bytes | None:
        """The first server's answer to the query, under its number; None if none answers. Raises Busy."""
        if self._in_flight >= IN_FLIGHT_MAX:
            raise Busy
        self._in_flight += 1
        try:
            number = self._chance.randrange(1 << 16).to_bytes(2, "big")
            for server in self._servers:
                with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                    async with asyncio.timeout(SECONDS):
                        once = _by_tcp if by_tcp else _by_udp
                        answer = await once(server, number + query[2:])
                    return query[:2] + answer[2:]
            return None
        finally:
            self._in_flight -= 1


def servers_of(text: str, own: Sequence[str]) -> list[Server]:
    """The name servers that a resolv.conf names, but for ourselves."""
    lines = (line.split() for line in text.splitlines())
    named = [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]
    return [(each, PORT) for each in named if each not in own]


class _Once(asyncio.DatagramProtocol):
    """Waits for the answer to one question."""

    def __init__(self, query: bytes) -> None:
        self._query = query
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.DatagramTransport", transport).sendto(self._query)

    def datagram_received(self, data: bytes, _: object) -> None:
        is_ours = data[:2] == self._query[:2] and len(data) >= 12 and data[2] & 0x80
        if is_ours and not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


async def _by_udp(server: Server, query: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    transport, once = await loop.create_datagram_endpoint(lambda: _Once(query), remote_addr=server)
    try:
        return await once.answer
    finally:
        transport.close()


async def _by_tcp(server: Server, query: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*server)
    try:
        writer.write(len(query).to_bytes(2, "big") + query)
        while True:
            answer = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
            if answer[:2] == query[:2]:
                return answer
    finally:
        writer.close()
