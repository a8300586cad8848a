"""Core: which address of the range a Service may have.

    10.0.0.0/29     10.0.0.1 .. 10.0.0.6: the first address of a range and its last are given to nobody

Who holds an address is in the Services' statuses, and nowhere else. A promise is an address on its way there;
it is repeated until the status has it, or the Service no longer asks for it. Addresses are given out in turn:
one that was just released comes last.

Two Services can come to hold one address only if a manager that is gone had sent a write that arrives after
the next one looked. Then the older of them keeps it.

Invariants: what a status holds, or was promised, is promised to nobody else.
Absent: a Service of two families gets one address, of the range's family.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

from kube.api import meta
from kube.api.meta import Object

Network = IPv4Network | IPv6Network
# Address -> the Services whose status has it.
Holders = Callable[[str], Sequence[Object]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a Service may have: an address or none; problem: why it is not what the Service asks for.

    can_change: another Service that goes can help.
    """

    address: str | None
    problem: str = ""
    can_change: bool = False


class Addresses:
    """The range, and what was promised of it."""

    def __init__(self, network: Network, holders: Holders) -> None:
        assert usable_count(network) > 0, network
        self._network, self._holders = network, holders
        self._count = usable_count(network)
        self._first = network.network_address + 1
        # Address -> the key of the Service it was promised to, and the other way round.
        self._promised: dict[str, str] = {}
        self._promises: dict[str, str] = {}
        self._next = 0

    def answer(self, service: Object) -> Answer:
        """What this Service may have; what it has already stays, where nothing is against it."""
        held = next((each for each in addresses_of(service) if self._may_keep(each, service)), None)
        wanted = meta.get(service, "spec", "loadBalancerIP") or ""
        if wanted:
            return self._as_wanted(service, _canonical(wanted) or wanted, held)
        key = meta.key(service)
        if held is not None:
            self.forget(key)
            return Answer(held)
        promised = self._promises.get(key)
        if promised is None or not self._is_free(promised, key):
            promised = self._next_free(key)
        if promised is None:
            problem = f"all {self._count} addresses of the range {self._network} are in use"
            return Answer(None, problem, can_change=True)
        return self._promise(promised, key)

    def _as_wanted(self, service: Object, wanted: str, held: str | None) -> Answer:
        key = meta.key(service)
        self.forget(key)
        if wanted == held:
            return Answer(held)
        if not self.has(wanted):
            last = self._first + (self._count - 1)
            text = f"spec.loadBalancerIP {wanted} is none of the addresses {self._first} to {last}"
            return Answer(held, f"{text} that are given out here")
        if not self._is_free(wanted, key):
            return Answer(held, f"spec.loadBalancerIP {wanted} is in use by another Service", can_change=True)
        return self._promise(wanted, key)

    def forget(self, key: str) -> None:
        """Take back what was promised to the Service of this key."""
        promised = self._promises.pop(key, None)
        if promised is not None:
            del self._promised[promised]

    def others_of(self, service: Object) -> list[Any]:
        """What the Service's status has that is not from here."""
        return [each for each in entries_of(service) if not self.has(each.get("ip") or "")]

    def has(self, address: str) -> bool:
        """Whether it is one that is given out here."""
        canonical = _canonical(address)
        if canonical is None or ip_address(canonical) not in self._network:
            return False
        return 0 <= int(ip_address(canonical)) - int(self._first) < self._count

    def _promise(self, address: str, key: str) -> Answer:
        self.forget(key)
        self._promised[address], self._promises[key] = key, address
        return Answer(address)

    def _next_free(self, key: str) -> str | None:
        for step in range(self._count):
            index = (self._next + step) % self._count
            address = str(self._first + index)
            if self._is_free(address, key):
                self._next = index + 1
                return address
        return None

    def _is_free(self, address: str, key: str) -> bool:
        others = (each for each in self._holders(address) if meta.key(each) != key)
        return next(others, None) is None and self._promised.get(address, key) == key

    def _may_keep(self, address: str, service: Object) -> bool:
        own = (_rank(service), meta.key(service))
        others = [each for each in self._holders(address) if meta.key(each) != own[1]]
        return self.has(address) and all(own < (_rank(each), meta.key(each)) for each in others)


def usable_count(network: Network) -> int:
    """How many addresses of a range are given out."""
    return network.num_addresses - 2


def is_wanted(service: Object) -> bool:
    """Whether a Service is to have an address from here; one with a class has another to ask."""
    spec: Any = service.get("spec") or {}
    has_type = spec.get("type") == "LoadBalancer" and spec.get("loadBalancerClass") is None
    return has_type and not meta.is_terminating(service)


def entries_of(service: Object) -> list[Any]:
    """Where its status says that load balancers serve it."""
    found: list[Any] = meta.get(service, "status", "loadBalancer", "ingress", default=[])
    return found


def addresses_of(service: Object) -> list[str]:
    """The addresses among them."""
    found = (_canonical(each.get("ip") or "") for each in entries_of(service))
    return [each for each in found if each is not None]


def _rank(service: Object) -> tuple[bool, str]:
    """Who keeps an address that two hold: whose it is not ours to change, then the older one."""
    return is_wanted(service), str(meta.metadata(service).get("creationTimestamp") or "")


def _canonical(text: str) -> str | None:
    """An address as it is usually written; None for what is none."""
    try:
        return str(ip_address(text))
    except ValueError:
        return None
