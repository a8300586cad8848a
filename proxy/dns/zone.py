"""Core: which records a name of the cluster has.

    web.default.svc.cluster.local                A      the Service's address, or those of ready endpoints
    web-0.web.default.svc.cluster.local          A      one endpoint of a headless Service
    _http._tcp.web.default.svc.cluster.local     SRV    a named port
    far.default.svc.cluster.local                CNAME  an external name
    127-224-1-5.default.pod.cluster.local        A      the address the name is made of
    5.1.224.127.in-addr.arpa                     PTR    the name of a Service, or of a headless one's endpoint
    dns-version.cluster.local                    TXT    1.1.0

Names are tuples of labels in lower case. Objects come one by one, as informers tell of them; nothing is
worked out before it is asked for, so that a change costs the same with ten thousand Services as with ten.

Invariants: the records follow from the objects alone; `version` changes with every change of them.
After: the Kubernetes DNS specification 1.1; where it is silent, CoreDNS, plugin/kubernetes.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kube.api import meta
from kube.api.endpoint_slices import service_name
from kube.api.meta import Object
from proxy.dns.objects import Endpoint, Port, Service, endpoints_of, service_of

SPECIFICATION = "1.1.0"
ARPA = (("in-addr", "arpa"), ("ip6", "arpa"))

Name = tuple[str, ...]
Target = tuple[int, int, int, Name]


@dataclass(frozen=True, slots=True)
class Record:
    """data: an address, a text, a name, or (priority, weight, port, name)."""

    name: Name
    type: str
    data: str | Name | Target


@dataclass(frozen=True, slots=True)
class Answer:
    """What a name has of one type.

    exists: whether the name has anything at all, or names below it.
    more: what a client asks for next, as the addresses of targets.
    alias: where an external name leads; its records are to be found elsewhere.
    """

    exists: bool
    records: tuple[Record, ...] = ()
    more: tuple[Record, ...] = ()
    alias: Name = ()


@dataclass(frozen=True, slots=True)
class Host:
    """A name behind a Service, with its ports and addresses."""

    name: Name
    ports: tuple[Port, ...]
    addresses: tuple[Record, ...]


UNKNOWN, NOTHING = Answer(False), Answer(True)


class Zone:
    """The names below `domain`, and those of addresses; own_address: where its name server answers."""

    def __init__(self, domain: str, own_address: str = "") -> None:
        self.domain: Name = labels_of(domain)
        self.own_address = own_address
        self.version = 0
        self._namespaces: set[str] = set()
        self._services: dict[tuple[str, str], Service] = {}
        # By Service, then by slice.
        self._endpoints: defaultdict[tuple[str, str], dict[str, tuple[Endpoint, ...]]] = defaultdict(dict)
        self._services_at: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
        self._endpoints_at: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)

    def put_namespace(self, o: Object) -> None:
        self.version += meta.name(o) not in self._namespaces
        self._namespaces.add(meta.name(o))

    def drop_namespace(self, o: Object) -> None:
        self._namespaces.discard(meta.name(o))
        self.version += 1

    def put_service(self, o: Object) -> None:
        service, key = service_of(o), (meta.namespace(o), meta.name(o))
        if self._services.get(key) != service:
            self.drop_service(o)
            self._services[key] = service
            for each in service.addresses:
                self._services_at[each].add(key)

    def drop_service(self, o: Object) -> None:
        key = (meta.namespace(o), meta.name(o))
        former = self._services.pop(key, None)
        for each in former.addresses if former is not None else ():
            _forget(self._services_at, each, key)
        self.version += 1

    def put_slice(self, o: Object) -> None:
        endpoints = endpoints_of(o)
        if self._slices(o).get(meta.name(o)) != endpoints:
            self.drop_slice(o)
            self._slices(o)[meta.name(o)] = endpoints
            for each in endpoints:
                self._endpoints_at[each.address].add(_owner(o))

    def drop_slice(self, o: Object) -> None:
        former = self._slices(o).pop(meta.name(o), ())
        kept = {each.address for each in self._ready(_owner(o))}
        for each in former:
            if each.address not in kept:
                _forget(self._endpoints_at, each.address, _owner(o))
        if not self._slices(o):
            del self._endpoints[_owner(o)]
        self.version += 1

    def _slices(self, o: Object) -> dict[str, tuple[Endpoint, ...]]:
        return self._endpoints[_owner(o)]

    def _ready(self, key: tuple[str, str]) -> list[Endpoint]:
        """The ready endpoints of a Service, each address once, in order."""
        slices = self._endpoints.get(key, {})
        found = {each.address: each for name in sorted(slices) for each in slices[name]}
        return [found[address] for address in sorted(found)]

    def owns(self, name: Name) -> bool:
        """True when no one else can know more of a name."""
        return name[-len(self.domain) :] == self.domain

    def lookup(self, name: Name, kind: str) -> Answer:
        """The records of a name; `kind` is A, AAAA, SRV and so on, or ANY."""
        if name[-2:] in ARPA:
            return self._reverse(name, kind)
        if not self.owns(name):
            return UNKNOWN
        inner = name[: -len(self.domain)]
        match inner:
            case ():
                return self._apex(name, kind)
            case ("dns-version",):
                return _only(kind, [Record(name, "TXT", SPECIFICATION)])
            case ("ns", "dns"):
                return _only(kind, [_address(name, self.own_address)] if self.own_address else [])
            case ("svc",) | ("pod",) | ("dns",):
                return NOTHING
            case (namespace, "svc" | "pod"):
                return NOTHING if namespace in self._namespaces else UNKNOWN
            case (address, namespace, "pod"):
                return self._pod(name, address, namespace, kind)
            case (*below, service, namespace, "svc"):
                return self._service(name, tuple(below), (namespace, service), kind)
        return UNKNOWN

    def _apex(self, name: Name, kind: str) -> Answer:
        server = ("ns", "dns", *self.domain)
        more = (_address(server, self.own_address),) if self.own_address else ()
        return Answer(True, (Record(name, "NS", server),), more) if kind in ("NS", "ANY") else NOTHING

    def _pod(self, name: Name, address: str, namespace: str, kind: str) -> Answer:
        if namespace not in self._namespaces:
            return UNKNOWN
        for text in (address.replace("-", "."), address.replace("-", ":")):
            try:
                return _only(kind, [_address(name, str(ipaddress.ip_address(text)))])
            except ValueError:
                continue
        return UNKNOWN

    def _service(self, name: Name, below: Name, key: tuple[str, str], kind: str) -> Answer:
        service = self._services.get(key)
        if service is None:
            return UNKNOWN
        base = (*key[::-1], "svc", *self.domain)
        if service.external_name:
            return self._external(name, service, below, kind)
        hosts = self._hosts(service, base)
        match below:
            case ():
                own = [Record(name, each.type, each.data) for host in hosts for each in host.addresses]
                if kind == "SRV" and own:
                    return _srv(name, hosts, lambda _: True)
                return _only(kind, own) if own else UNKNOWN
            case (label,) if label.startswith("_"):
                known = any(f"_{port.protocol}" == label for host in hosts for port in host.ports)
                return NOTHING if known else UNKNOWN
            case (label,):
                found = [each for host in hosts if host.name == name for each in host.addresses]
                return _only(kind, found) if found else UNKNOWN
            case (port, protocol):
                answer = _srv(
                    name, hosts, lambda each: (f"_{each.name}", f"_{each.protocol}") == (port, protocol)
                )
                if not answer.records or kind in ("SRV", "ANY"):
                    return answer
                return NOTHING
        return UNKNOWN

    def _hosts(self, service: Service, base: Name) -> list[Host]:
        """Where a Service leads: to its own address, or to each endpoint by a name of its own."""
        if service.addresses:
            return [Host(base, service.ports, tuple(_address(base, each) for each in service.addresses))]
        hosts: dict[tuple[Name, tuple[Port, ...]], list[Record]] = {}
        for each in self._ready((service.namespace, service.name)):
            name = (each.hostname, *base)
            hosts.setdefault((name, each.ports), []).append(_address(name, each.address))
        return [Host(name, ports, tuple(found)) for (name, ports), found in hosts.items()]

    def _external(self, name: Name, service: Service, below: Name, kind: str) -> Answer:
        if below:
            return UNKNOWN
        target = labels_of(service.external_name)
        alias = target if kind in ("A", "AAAA") else ()
        return Answer(True, (Record(name, "CNAME", target),), alias=alias)

    def _reverse(self, name: Name, kind: str) -> Answer:
        address = _address_of(name)
        found: list[Record] = []
        for space, service in sorted(self._services_at.get(address, ())):
            found.append(Record(name, "PTR", (service, space, "svc", *self.domain)))
        for key in sorted(self._endpoints_at.get(address, ())) if not found else ():
            known = self._services.get(key)
            if known is not None and not known.addresses:
                hosts = (each.hostname for each in self._ready(key) if each.address == address)
                found += (Record(name, "PTR", (host, *key[::-1], "svc", *self.domain)) for host in hosts)
        return _only(kind, found) if found else UNKNOWN


def labels_of(name: str) -> Name:
    """The labels of a name, without the root."""
    return tuple(name.lower().rstrip(".").split(".")) if name.rstrip(".") else ()


def _owner(o: Object) -> tuple[str, str]:
    return meta.namespace(o), service_name(o)


def _forget(index: dict[str, set[tuple[str, str]]], address: str, key: tuple[str, str]) -> None:
    index[address].discard(key)
    if not index[address]:
        del index[address]


def _address(name: Name, address: str) -> Record:
    return Record(name, "AAAA" if ":" in address else "A", address)


def _only(kind: str, records: Iterable[Record]) -> Answer:
    """Those of a type; the name has others, too."""
    return Answer(True, tuple(each for each in records if kind in (each.type, "ANY")))


def _srv(name: Name, hosts: Iterable[Host], wanted: Callable[[Port], bool]) -> Answer:
    """Ports and where they are, all equally good, each once; the addresses besides.

    None is without a weight: clients would take it last (CoreDNS, plugin/backend_lookup.go, SRV).
    """
    found = [(host, port) for host in hosts for port in host.ports if wanted(port)]
    if not found:
        return UNKNOWN
    weight = max(100 // len({host.name for host, _ in found}), 1)
    records = dict.fromkeys(Record(name, "SRV", (0, weight, port.number, host.name)) for host, port in found)
    more = dict.fromkeys(each for host, _ in found for each in host.addresses)
    return Answer(True, tuple(records), tuple(more))


def _address_of(name: Name) -> str:
    """The address that a name under in-addr.arpa or ip6.arpa is of; empty if it is of none."""
    reverse, labels = "", name[-3::-1]
    try:
        if name[-2:] == ARPA[0] and len(labels) == 4:
            reverse = str(ipaddress.IPv4Address(".".join(labels)))
        elif name[-2:] == ARPA[1] and len(labels) == 32:
            digits = "".join(labels)
            reverse = str(ipaddress.IPv6Address(":".join(digits[at : at + 4] for at in range(0, 32, 4))))
    except ValueError:
        return ""
    return reverse
