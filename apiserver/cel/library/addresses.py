"""Core: ip() and cidr(), and what one may ask them.

After: k8s staging/src/k8s.io/apiserver/pkg/cel/library/{ip,cidr}.go
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_interface

from apiserver.cel.library.function import Function

IP, CIDR = "net.IP", "net.CIDR"
BROADCAST = ip_address("255.255.255.255")
Address = IPv4Address | IPv6Address


def _address(text: str) -> Address:
    address = ip_address(text)
    if isinstance(address, IPv6Address) and (address.ipv4_mapped or address.scope_id):
        raise ValueError("IPv4-mapped IPv6 address is not allowed" if address.ipv4_mapped else "zones")
    return address


def _parse_ip(text: str) -> str:
    try:
        return str(_address(text))
    except ValueError:
        why = f'ParseAddr("{text}"): unable to parse IP'
        raise ValueError(f'IP Address "{text}" parse error during conversion from string: {why}') from None


def _parse_cidr(text: str) -> str:
    try:
        address, slash, _ = text.partition("/")
        if not slash:
            raise ValueError("no '/'")
        return f"{_address(address)}/{ip_interface(text).network.prefixlen}"
    except ValueError:
        why = f'netip.ParsePrefix("{text}"): bad address or prefix length'
        raise ValueError(f"network address parse error during conversion from string: {why}") from None


def _can(parse: Callable[[str], str]) -> Callable[[str], bool]:
    def test(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return test


def _is_global_unicast(text: str) -> bool:
    address = _address(text)
    return not (
        address == BROADCAST
        or address.is_unspecified
        or address.is_loopback
        or address.is_multicast
        or address.is_link_local
    )


def _is_link_local_multicast(text: str) -> bool:
    address = _address(text)
    if isinstance(address, IPv4Address):
        return str(address).startswith("224.0.0.")
    return address in IPv6Network("ff02::/16")


def _contains_ip(cidr: str, ip: str) -> bool:
    return _address(_parse_ip(ip)) in ip_interface(cidr).network


def _contains_cidr(cidr: str, other: str) -> bool:
    outer, inner = ip_interface(cidr).network, ip_interface(_parse_cidr(other)).network
    return outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type]  # one version


FUNCTIONS = (
    Function("ip", "string_to_ip", ("string",), IP, _parse_ip, is_member=False),
    Function("isIP", "is_ip", ("string",), "bool", _can(_parse_ip), is_member=False),
    Function(
        "ip.isCanonical",
        "ip_is_canonical",
        ("string",),
        "bool",
        lambda text: _parse_ip(text) == text,
        is_member=False,
    ),
    Function("family", "family", (IP,), "int", lambda ip: _address(ip).version),
    Function("isUnspecified", "is_unspecified", (IP,), "bool", lambda ip: _address(ip).is_unspecified),
    Function("isLoopback", "is_loopback", (IP,), "bool", lambda ip: _address(ip).is_loopback),
    Function("isLinkLocalMulticast", "is_link_local_multicast", (IP,), "bool", _is_link_local_multicast),
    Function(
        "isLinkLocalUnicast", "is_link_local_unicast", (IP,), "bool", lambda ip: _address(ip).is_link_local
    ),
    Function("isGlobalUnicast", "is_global_unicast", (IP,), "bool", _is_global_unicast),
    Function("cidr", "string_to_cidr", ("string",), CIDR, _parse_cidr, is_member=False),
    Function("isCIDR", "is_cidr", ("string",), "bool", _can(_parse_cidr), is_member=False),
    Function("containsIP", "cidr_contains_ip_string", (CIDR, "string"), "bool", _contains_ip),
    Function("containsIP", "cidr_contains_ip_ip", (CIDR, IP), "bool", _contains_ip),
    Function("containsCIDR", "cidr_contains_cidr_string", (CIDR, "string"), "bool", _contains_cidr),
    Function("containsCIDR", "cidr_contains_cidr", (CIDR, CIDR), "bool", _contains_cidr),
    Function("ip", "cidr_ip", (CIDR,), IP, lambda cidr: cidr.partition("/")[0]),
    Function("masked", "masked", (CIDR,), CIDR, lambda cidr: str(ip_interface(cidr).network)),
    Function(
        "prefixLength", "prefix_length", (CIDR,), "int", lambda cidr: ip_interface(cidr).network.prefixlen
    ),
)
