"""Shell: asks the name servers of a pretended container, as a resolver in it would.

After: resolver(3).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dnslib import QTYPE, RCODE, DNSError, DNSRecord

from kube.base import low_ports
from kube.base.dns_question import PORT, by_udp

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


async def _ask(server: str, name: str) -> DNSRecord:
    query = bytes(DNSRecord.question(name).pack())
    return DNSRecord.parse(await by_udp((server, low_ports.bindable(PORT)), query))
