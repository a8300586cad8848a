"""DNS over UDP and TCP: what clients get from the zone, from memory and from other servers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
from dnslib import EDNS0, QTYPE, RCODE, RR, A, DNSHeader, DNSQuestion, DNSRecord
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from proxy.dns import upstream
from proxy.dns.message import Writer
from proxy.dns.resolver import Resolver
from proxy.dns.server import DnsServer
from proxy.dns.upstream import ResolvConf, Upstream, servers_of
from proxy.dns.zone import Zone
from proxy.metrics import Metrics

HOST = "127.0.0.1"
WEB = "web.default.svc.cluster.local"
DB = "db.default.svc.cluster.local"
MANY = "many.default.svc.cluster.local"


def service(name: str, **spec: Any) -> Any:
    return {"metadata": {"namespace": "default", "name": name}, "spec": spec}


def endpoints(name: str, count: int) -> Any:
    """A slice of `name`; endpoints from 127.224.0.1 on."""
    labels = {"kubernetes.io/service-name": name}
    return {
        "metadata": {"namespace": "default", "name": f"{name}-1", "labels": labels},
        "addressType": "IPv4",
        "ports": [],
        "endpoints": [{"addresses": [f"127.224.0.{number}"]} for number in range(1, count + 1)],
    }


def zone() -> Zone:
    made = Zone("cluster.local", "127.96.0.10")
    made.put_service(service("web", clusterIP="127.96.0.20", ports=[{"port": 80}]))
    made.put_service(service("db", clusterIP="None"))
    made.put_slice(endpoints("db", 3))
    made.put_service(service("many", clusterIP="None"))
    made.put_slice(endpoints("many", 200))
    made.put_service(service("far", type="ExternalName", externalName="far.example.com"))
    made.put_service(service("near", type="ExternalName", externalName=WEB))
    made.put_service(service("self", type="ExternalName", externalName="self.default.svc.cluster.local"))
    return made


@dataclass
class Elsewhere(asyncio.DatagramProtocol):
    """Another name server; `answers`: what it makes of a question, nothing: it is silent."""

    answers: Callable[[DNSRecord], list[DNSRecord]] = lambda _: []
    asked: list[DNSRecord] = field(default_factory=list)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, client: Any) -> None:
        self.asked.append(DNSRecord.parse(data))
        for answer in self.answers(self.asked[-1]):
            self.transport.sendto(bytes(answer.pack()), client)


def address(question: DNSRecord, ip: str) -> DNSRecord:
    reply = question.reply()
    reply.add_answer(RR(question.q.qname, QTYPE.A, ttl=60, rdata=A(ip)))
    return reply


@dataclass
class Dns:
    """The server, and another one that it may ask."""

    zone: Zone
    resolver: Resolver
    server: DnsServer
    elsewhere: Elsewhere
    metrics: Metrics

    async def udp(self, query: DNSRecord | bytes) -> DNSRecord:
        loop = asyncio.get_running_loop()
        got: asyncio.Future[bytes] = loop.create_future()

        class Client(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, _: Any) -> None:
                got.set_result(data)

        where = (HOST, self.server.port)
        transport, _ = await loop.create_datagram_endpoint(Client, remote_addr=where)
        try:
            transport.sendto(query if isinstance(query, bytes) else bytes(query.pack()))
            return DNSRecord.parse(await got)
        finally:
            transport.close()

    async def tcp(self, *queries: DNSRecord) -> list[DNSRecord]:
        """All on one connection, sent together."""
        reader, writer = await asyncio.open_connection(HOST, self.server.port)
        for query in queries:
            data = bytes(query.pack())
            writer.write(len(data).to_bytes(2, "big") + data)
        answers = []
        for _ in queries:
            size = int.from_bytes(await reader.readexactly(2), "big")
            answers.append(DNSRecord.parse(await reader.readexactly(size)))
        writer.close()
        return answers

    async def ask(self, name: str, kind: str = "A") -> tuple[str, list[str]]:
        answer = await self.udp(DNSRecord.question(name, kind))
        return RCODE.get(answer.header.rcode), [str(each.rdata) for each in answer.rr]


def resolver_of(of: Zone, servers: list[tuple[str, int]], metrics: Metrics) -> Resolver:
    return Resolver(of, Writer(of.domain, 5), Upstream(lambda: servers, Random(1)), metrics.dns_answers)


@pytest.fixture
async def dns() -> AsyncIterator[Dns]:
    metrics, made = Metrics(CollectorRegistry()), zone()
    loop = asyncio.get_running_loop()
    transport, elsewhere = await loop.create_datagram_endpoint(Elsewhere, local_addr=(HOST, 0))
    resolver = resolver_of(made, [transport.get_extra_info("sockname")], metrics)
    server = DnsServer(resolver, HOST, 0)
    await server.start()
    yield Dns(made, resolver, server, elsewhere, metrics)
    server.close()
    transport.close()


async def test_both_transports_answer_alike(dns: Dns) -> None:
    query = DNSRecord.question(WEB)
    by_udp = await dns.udp(query)
    first, second = await dns.tcp(query, DNSRecord.question(WEB, "AAAA"))
    assert by_udp.header.aa
    assert str(by_udp.a.rdata) == str(first.a.rdata) == "127.96.0.20"
    assert (second.header.rcode, second.rr, str(second.auth[0].rname)) == (0, [], "cluster.local.")


async def test_a_name_comes_back_as_it_was_written(dns: Dns) -> None:
    """Clients mix cases so that nobody can guess their questions."""
    answer = await dns.udp(DNSRecord.question("wEb.DeFault.svc.cluster.LOCAL"))
    assert answer.q.qname.label == answer.a.rname.label == tuple(b"wEb.DeFault.svc.cluster.LOCAL".split(b"."))


async def test_the_same_question_is_answered_in_turn(dns: Dns) -> None:
    firsts = [(await dns.ask(DB))[1] for _ in range(6)]
    assert {each[0] for each in firsts} == {"127.224.0.1", "127.224.0.2", "127.224.0.3"}
    assert all(sorted(each) == sorted(firsts[0]) for each in firsts)


async def test_a_change_is_answered_at_once(dns: Dns) -> None:
    assert (await dns.ask(DB))[1] != []
    dns.zone.put_slice(endpoints("db", 1))
    assert await dns.ask(DB) == ("NOERROR", ["127.224.0.1"])
    dns.zone.drop_service(service("db"))
    assert await dns.ask(DB) == ("NXDOMAIN", [])


async def test_what_is_too_long_for_udp_is_asked_again_by_tcp(dns: Dns) -> None:
    cut = await dns.udp(DNSRecord.question(MANY))
    assert (cut.header.tc, cut.rr, len(cut.questions)) == (1, [], 1)
    (whole,) = await dns.tcp(DNSRecord.question(MANY))
    assert (whole.header.tc, len(whole.rr)) == (0, 200)


async def test_a_client_says_how_much_it_takes(dns: Dns) -> None:
    dns.zone.put_slice(endpoints("many", 40))
    query = DNSRecord.question(MANY)
    assert (await dns.udp(query)).header.tc
    query.add_ar(EDNS0(udp_len=4096))
    answer = await dns.udp(query)
    assert (answer.header.tc, len(answer.rr), answer.ar[0].rtype) == (0, 40, QTYPE.OPT)


async def test_other_names_are_asked_elsewhere(dns: Dns) -> None:
    dns.elsewhere.answers = lambda question: [address(question, "192.0.2.1")]
    query = DNSRecord.question("example.com")
    answer = await dns.udp(query)
    assert (answer.header.id, str(answer.a.rdata)) == (query.header.id, "192.0.2.1")
    assert str(dns.elsewhere.asked[0].q.qname) == "example.com."
    assert dns.metrics.dns_answers.labels("upstream")._value.get() == 1


async def test_an_answer_under_another_number_is_none(dns: Dns) -> None:
    def answers(question: DNSRecord) -> list[DNSRecord]:
        forged = address(question, "192.0.2.66")
        forged.header.id ^= 1
        return [forged, address(question, "192.0.2.1")]

    dns.elsewhere.answers = answers
    assert await dns.ask("example.com") == ("NOERROR", ["192.0.2.1"])


async def test_a_silent_server_is_told_of(dns: Dns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "SECONDS", 0.05)
    assert await dns.ask("example.com") == ("SERVFAIL", [])
    assert await dns.ask("4.3.2.1.in-addr.arpa", "PTR") == ("NXDOMAIN", [])


async def test_too_many_questions_elsewhere_are_refused(dns: Dns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "IN_FLIGHT_MAX", 0)
    assert await dns.ask("example.com") == ("SERVFAIL", [])
    assert await dns.ask(WEB) == ("NOERROR", ["127.96.0.20"])


async def test_an_alias_is_followed(dns: Dns) -> None:
    dns.elsewhere.answers = lambda question: [address(question, "192.0.2.7")]
    far = await dns.ask("far.default.svc.cluster.local")
    assert far == ("NOERROR", ["far.example.com.", "192.0.2.7"])
    near = await dns.ask("near.default.svc.cluster.local")
    assert near == ("NOERROR", [f"{WEB}.", "127.96.0.20"])
    assert (await dns.ask("self.default.svc.cluster.local"))[0] == "SERVFAIL"
    assert [str(each.q.qname) for each in dns.elsewhere.asked] == ["far.example.com."]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (DNSRecord(DNSHeader(id=7, opcode=5), q=DNSQuestion(WEB)), "NOTIMP"),
        (DNSRecord(DNSHeader(id=7), q=DNSQuestion(WEB, QTYPE.TXT, 3)), "REFUSED"),
        (DNSRecord(DNSHeader(id=7)), "FORMERR"),
        (DNSRecord(DNSHeader(id=7), questions=[DNSQuestion(WEB), DNSQuestion(DB)]), "FORMERR"),
        (bytes(DNSRecord.question(WEB).pack())[:-3], "FORMERR"),
    ],
    ids=["update", "chaos", "nothing", "twice", "cut off"],
)
async def test_what_cannot_be_answered_is_refused(dns: Dns, query: DNSRecord | bytes, code: str) -> None:
    answer = await dns.udp(query)
    assert (RCODE.get(answer.header.rcode), answer.header.qr) == (code, 1)


async def test_what_is_no_question_ends_a_connection(dns: Dns) -> None:
    for data in (
        b"\0\3abc",
        b"\0\0",
        len(answer := bytes(DNSRecord.question(WEB).reply().pack())).to_bytes(2, "big") + answer,
    ):
        reader, writer = await asyncio.open_connection(HOST, dns.server.port)
        writer.write(data)
        assert await reader.read() == b""
        writer.close()
    assert await dns.ask(WEB) == ("NOERROR", ["127.96.0.20"])


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.one_of(st.binary(max_size=80), st.tuples(st.integers(0, 60), st.integers(0, 255))))
def test_no_bytes_break_it(noise: bytes | tuple[int, int]) -> None:
    """Nor does a question with one byte changed."""
    data = noise if isinstance(noise, bytes) else bytes(DNSRecord.question(DB, "SRV").pack())
    if isinstance(noise, tuple):
        at, value = noise[0] % len(data), noise[1]
        data = data[:at] + bytes([value]) + data[at + 1 :]
    resolver = resolver_of(zone(), [], Metrics(CollectorRegistry()))
    for is_udp in (True, False):
        answer = resolver.answer(data, is_udp=is_udp)
        if isinstance(answer, Awaitable):
            answer = asyncio.run(cast("Any", answer))
        assert answer is None or answer[:2] == data[:2]


def test_the_servers_of_a_machine() -> None:
    text = "# by hand\nsearch a b\nnameserver 10.0.0.1\nnameserver 127.96.0.10\nnameserver\noptions x\n"
    assert servers_of(text, ("127.96.0.10",)) == [("10.0.0.1", 53)]


def test_a_machine_that_moves_has_other_servers(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver 10.0.0.1\n")
    conf = ResolvConf(file, ())
    assert conf.servers() == [("10.0.0.1", 53)]
    for text, at, expected in (
        ("nameserver 10.0.0.2\nnameserver 10.0.0.3\n", 1, [("10.0.0.2", 53), ("10.0.0.3", 53)]),
        ("", 2, []),
        ("nameserver 10.0.0.4\n", 3, [("10.0.0.4", 53)]),
    ):
        file.write_text(text)
        os.utime(file, (at, at))
        assert conf.servers() == expected
    file.unlink()
    assert conf.servers() == [("10.0.0.4", 53)], "written anew at this moment"
