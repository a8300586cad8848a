"""Shell: one question to one name server, and the answer that belongs to it.

Each question goes from a port of its own, and is believed only with its own number, from that server.

After: RFC 5452; RFC 7766.
"""

from __future__ import annotations

import asyncio
from typing import cast

PORT = 53
HEADER_BYTES, IS_ANSWER = 12, 0x80

Server = tuple[str, int]


async def by_udp(server: Server, query: bytes) -> bytes:
    """The answer; OSError where nobody listens. Waits for ever: the caller has a limit."""
    loop = asyncio.get_running_loop()
    transport, asked = await loop.create_datagram_endpoint(lambda: _Asked(query), remote_addr=server)
    try:
        return await asked.answer
    finally:
        transport.close()


async def by_tcp(server: Server, query: bytes) -> bytes:
    """The same; asyncio.IncompleteReadError, too, where the server hangs up."""
    reader, writer = await asyncio.open_connection(*server)
    try:
        writer.write(len(query).to_bytes(2, "big") + query)
        while True:
            answer = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
            if _answers(answer, query):
                return answer
    finally:
        writer.close()


def _answers(data: bytes, query: bytes) -> bool:
    return data[:2] == query[:2] and len(data) >= HEADER_BYTES and bool(data[2] & IS_ANSWER)


class _Asked(asyncio.DatagramProtocol):
    def __init__(self, query: bytes) -> None:
        self._query = query
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.DatagramTransport", transport).sendto(self._query)

    def datagram_received(self, data: bytes, _: object) -> None:
        if _answers(data, self._query) and not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
