"""Shell: listens for DNS queries, by UDP and by TCP.

    TCP: each message has its length before it; a connection may ask many times, and is closed when it is idle

After: RFC 7766.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import cast

from proxy.dns.resolver import Resolver

IDLE_SECONDS = 10.0
CONNECTIONS_MAX = 1000


class DnsServer:
    """On one address."""

    def __init__(self, resolver: Resolver, host: str, port: int) -> None:
        self._resolver, self._host, self._port = resolver, host, port
        self._transport: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._connections = 0

    async def start(self) -> None:
        """Bind both; raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await asyncio.start_server(self._serve, self._host, self._port)
        port = self._server.sockets[0].getsockname()[1]
        try:
            self._transport, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self._resolver), local_addr=(self._host, port)
            )
        except OSError:
            self.close()
            raise
        self.port = port

    def close(self) -> None:
        """Listen no more."""
        if self._transport is not None:
            self._transport.close()
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            while self._connections <= CONNECTIONS_MAX:
                async with asyncio.timeout(IDLE_SECONDS):
                    size = int.from_bytes(await reader.readexactly(2), "big")
                    query = await reader.readexactly(size)
                answer = self._resolver.answer(query, is_udp=False)
                if answer is None:
                    break
                data = answer if isinstance(answer, bytes) else await answer
                async with asyncio.timeout(IDLE_SECONDS):
                    writer.write(len(data).to_bytes(2, "big") + data)
                    await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self._connections -= 1
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    """Answers at once what it can; the rest in tasks, of which other servers bound the number."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._waiting: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, client: tuple[str, int]) -> None:
        answer = self._resolver.answer(data, is_udp=True)
        if isinstance(answer, bytes):
            self._transport.sendto(answer, client)
        elif answer is not None:
            task = asyncio.ensure_future(self._later(answer, client))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    async def _later(self, answer: Awaitable[bytes], client: tuple[str, int]) -> None:
        data = await answer
        if not self._transport.is_closing():
            self._transport.sendto(data, client)
