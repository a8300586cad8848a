"""Core: DNS messages: what a client asks, and the answer in bytes.

    bytes -> Question;   Question + Answer -> bytes, cut to what the client can take

After: RFC 1035, RFC 2308 (negative answers carry the SOA), RFC 6891 (EDNS: how much a client takes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dnslib import (
    AAAA,
    CNAME,
    EDNS0,
    NS,
    PTR,
    QTYPE,
    RCODE,
    RR,
    SOA,
    SRV,
    TXT,
    A,
    DNSBuffer,
    DNSError,
    DNSHeader,
    DNSLabel,
    DNSQuestion,
    DNSRecord,
)

from proxy.dns.zone import Answer, Name, Record

UDP_BYTES = 512
# What fits into one packet of a network, whatever a client says.
UDP_BYTES_MAX = 1232
TCP_BYTES = 65535
QUERY, INTERNET = 0, 1
REFRESH_SECONDS, RETRY_SECONDS, EXPIRE_SECONDS = 7200, 1800, 86400


class Malformed(Exception):
    """Nothing that could be answered: not even a header."""


@dataclass(frozen=True, slots=True)
class Question:
    """asked: as the client wrote it; name: its labels in lower case; limit: bytes that a client takes;
    problem: the code of a refusal, if it cannot be answered.
    """

    id: int
    asked: DNSQuestion | None
    name: Name
    type: str
    limit: int
    has_edns: bool = False
    recursion: bool = False
    problem: str = ""


def read(data: bytes, *, is_udp: bool) -> Question:
    """What is asked; Malformed for what deserves no answer."""
    try:
        header = DNSHeader.parse(DNSBuffer(data))
    except (DNSError, ValueError) as error:
        raise Malformed from error
    if header.qr:
        raise Malformed
    limit = UDP_BYTES if is_udp else TCP_BYTES
    try:
        message = DNSRecord.parse(data)
    except (DNSError, ValueError, IndexError, KeyError):
        return Question(header.id, None, (), "", limit, problem="FORMERR")
    if header.opcode != QUERY:
        return Question(header.id, None, (), "", limit, problem="NOTIMP")
    if len(message.questions) != 1:
        return Question(header.id, None, (), "", limit, problem="FORMERR")
    asked = message.questions[0]
    option = next((each for each in message.ar if each.rtype == QTYPE.OPT), None)
    if option is not None and is_udp:
        limit = min(max(option.rclass, UDP_BYTES), UDP_BYTES_MAX)
    kind = str(QTYPE.get(asked.qtype))
    name = tuple(label.decode("latin-1").lower() for label in asked.qname.label)
    problem = "" if asked.qclass == INTERNET else "REFUSED"
    return Question(header.id, asked, name, kind, limit, option is not None, bool(header.rd), problem)


def refusal(question: Question, code: str) -> bytes:
    """An answer that says only that there is none."""
    return _packed(_begun(question, code, is_own=False), question)


class Writer:
    """Writes answers for one zone; ttl in seconds."""

    def __init__(self, domain: Name, ttl: int) -> None:
        self._domain, self._ttl = domain, ttl

    def write(self, question: Question, answer: Answer, serial: int) -> bytes:
        """What the zone has to say."""
        reply = _begun(question, "NOERROR" if answer.exists else "NXDOMAIN", is_own=True)
        for each in answer.records:
            reply.add_answer(self._resource(each, question))
        for each in answer.more:
            reply.add_ar(self._resource(each, question))
        wants_soa = question.name == self._domain and question.type == "SOA"
        if wants_soa:
            reply.add_answer(self._soa(serial))
        elif not answer.records:
            reply.add_auth(self._soa(serial))
        return _packed(reply, question)

    def with_elsewhere(self, question: Question, answer: Answer, found: bytes) -> bytes:
        """An alias, and what another server says of the name it leads to."""
        reply = _begun(question, "NOERROR", is_own=True)
        for each in answer.records:
            reply.add_answer(self._resource(each, question))
        try:
            other = DNSRecord.parse(found)
        except (DNSError, ValueError, IndexError, KeyError):
            other = DNSRecord()
        for each in other.rr:
            reply.add_answer(each)
        return _packed(reply, question)

    def _resource(self, record: Record, question: Question) -> RR:
        """With the name as the client wrote it, where it is that one."""
        assert question.asked is not None, "what has an answer was a question"
        name = question.asked.qname if record.name == question.name else _label(record.name)
        return RR(name, getattr(QTYPE, record.type), INTERNET, self._ttl, _data(record))

    def _soa(self, serial: int) -> RR:
        times = (serial, REFRESH_SECONDS, RETRY_SECONDS, EXPIRE_SECONDS, self._ttl)
        server, people = ("ns", "dns", *self._domain), ("hostmaster", *self._domain)
        soa = SOA(_label(server), _label(people), times)
        return RR(_label(self._domain), QTYPE.SOA, INTERNET, self._ttl, soa)


def ask(name: Name, kind: str, number: int) -> bytes:
    """A question of our own."""
    asked = DNSQuestion(_label(name), getattr(QTYPE, kind))
    return bytes(DNSRecord(DNSHeader(id=number, rd=1), q=asked).pack())


def _begun(question: Question, code: str, *, is_own: bool) -> DNSRecord:
    header = DNSHeader(
        id=question.id, qr=1, aa=int(is_own), ra=1, rd=int(question.recursion), rcode=getattr(RCODE, code)
    )
    reply = DNSRecord(header)
    if question.asked is not None:
        reply.add_question(question.asked)
    return reply


def _packed(reply: DNSRecord, question: Question) -> bytes:
    """The bytes; where they are too many, the client is told to ask by TCP."""
    if question.has_edns:
        reply.add_ar(EDNS0(udp_len=UDP_BYTES_MAX))
    packed = bytes(reply.pack())
    if len(packed) <= question.limit:
        return packed
    reply.rr, reply.auth = [], []
    reply.ar = [each for each in reply.ar if each.rtype == QTYPE.OPT]
    reply.header.tc = 1
    return bytes(reply.pack())


def _label(name: Name) -> DNSLabel:
    return DNSLabel([label.encode("latin-1") for label in name])


def _data(record: Record) -> Any:
    data: Any = record.data
    match record.type:
        case "A":
            return A(data)
        case "AAAA":
            return AAAA(data)
        case "TXT":
            return TXT(data)
        case "SRV":
            priority, weight, port, target = data
            return SRV(priority, weight, port, _label(target))
        case "CNAME":
            return CNAME(_label(data))
        case "NS":
            return NS(_label(data))
    return PTR(_label(data))
