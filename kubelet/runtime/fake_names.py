"""Shell: asks the name servers of a pretended container, as a resolver in it would.

After: resolver(3).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

from dnslib import QTYPE, RCODE, DNSError, DNSRecord

from kube.base import low_ports

PORT = 53
SECONDS = 2.0


async def resolve(servers: Sequence[str], names: Sequence[str]) -> tuple[str, list[str]] | None:
    """The first of the names that has addresses, and those; None if none has, or no server answers."""
    for name in names:
        for server in servers:
            try:
                async with asyncio.timeout(SECONDS):
                    answer = await _ask(server, name)
            except (OSError, TimeoutError, DNSError):
                continue
            addresses = [str(each.rdata) for each in answer.rr if each.rtype == QTYPE.A]
            if addresses:
                return name, addresses
            if answer.header.rcode in (RCODE.NOERROR, RCODE.NXDOMAIN):
                break
    return None


class _Asking(asyncio.DatagramProtocol):
    def __init__(self, query: bytes) -> None:
        self._query = query
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.DatagramTransport", transport).sendto(self._query)

    def datagram_received(self, data: bytes, _: object) -> None:
        if data[:2] == self._query[:2] and not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


async def _ask(server: str, name: str) -> DNSRecord:
    query = bytes(DNSRecord.question(name).pack())
    where = (server, low_ports.bindable(PORT))
    transport, asking = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Asking(query), remote_addr=where
    )
    try:
        return DNSRecord.parse(await asking.answer)
    finally:
        transport.close()
