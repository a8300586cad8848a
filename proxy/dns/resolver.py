"""Shell: answers one query: as it was answered since the last change, from the zone, or from elsewhere.

    query -> written before? -> the same bytes, the next in turn
          -> the cluster's name -> Zone.lookup -> Writer
          -> another name, or an alias that leads to one -> Upstream

A client takes the first address of several, so the same question is answered in as many orders as it has
records, up to ORDERS_MAX.
After: CoreDNS plugin/kubernetes, plugin/loadbalance.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, replace

from prometheus_client import Counter

from proxy.dns.message import Malformed, Question, Writer, ask, read, refusal
from proxy.dns.upstream import Busy, Upstream
from proxy.dns.zone import ARPA, Answer, Zone

KNOWN_MAX = 10_000
ORDERS_MAX = 8
ALIASES_MAX = 8


@dataclass(slots=True)
class Known:
    """Answers without their number, in several orders."""

    orders: list[bytes]
    next: int = 0


class Resolver:
    """For all clients; asked: counts what was asked, and answered, and how."""

    def __init__(self, zone: Zone, writer: Writer, upstream: Upstream, asked: Counter) -> None:
        self._zone, self._writer, self._upstream = zone, writer, upstream
        self._from_memory, self._from_zone, self._from_upstream = (
            asked.labels(source) for source in ("memory", "zone", "upstream")
        )
        self._known: dict[tuple[bytes, bool], Known] = {}
        self._version = 0

    def answer(self, query: bytes, *, is_udp: bool) -> bytes | Awaitable[bytes] | None:
        """The answer, or one to wait for; None for what is no query."""
        if self._version != self._zone.version:
            self._known.clear()
            self._version = self._zone.version
        known = self._known.get((query[2:], is_udp))
        if known is not None:
            self._from_memory.inc()
            known.next = (known.next + 1) % len(known.orders)
            return query[:2] + known.orders[known.next]
        try:
            question = read(query, is_udp=is_udp)
        except Malformed:
            return None
        if question.problem:
            return refusal(question, question.problem)
        found = self._zone.lookup(question.name, question.type)
        if found.alias or not (found.exists or self._zone.owns(question.name)):
            self._from_upstream.inc()
            return self._elsewhere(query, question, found, is_udp=is_udp)
        self._from_zone.inc()
        return query[:2] + self._remember((query[2:], is_udp), question, found)

    def _remember(self, key: tuple[bytes, bool], question: Question, found: Answer) -> bytes:
        serial = self._zone.version
        orders = []
        for start in range(min(max(len(found.records), 1), ORDERS_MAX)):
            turned = replace(found, records=found.records[start:] + found.records[:start])
            orders.append(self._writer.write(question, turned, serial)[2:])
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[key] = Known(orders)
        return orders[0]

    async def _elsewhere(self, query: bytes, question: Question, found: Answer, *, is_udp: bool) -> bytes:
        """What others know of it; of an alias that leads to a name of ours, we do ourselves."""
        for _ in range(ALIASES_MAX):
            if not found.alias or not self._zone.owns(found.alias):
                break
            following = self._zone.lookup(found.alias, question.type)
            records = found.records + following.records
            if not following.alias:
                return self._writer.write(question, Answer(True, records), self._zone.version)
            found = Answer(True, records, alias=following.alias)
        else:
            return refusal(question, "SERVFAIL")
        wanted = ask(found.alias, question.type, question.id) if found.alias else query
        try:
            answer = await self._upstream.ask(wanted, is_udp=is_udp)
        except Busy:
            answer = None
        if found.alias:
            return self._writer.with_elsewhere(question, found, answer or b"")
        if answer is not None:
            return answer
        # Nobody else knows the names of the cluster's addresses.
        return refusal(question, "NXDOMAIN" if question.name[-2:] in ARPA else "SERVFAIL")
