"""Core: rules for single values that many kinds share: ports, addresses, paths, percentages, choices.

Each takes the value and where it stands, and returns what is wrong with it. Names have rules of their own in
`names.py`; here are the same rules with their paths.

After: k8s staging/src/k8s.io/apimachinery/pkg/util/validation/{validation,ip}.go;
pkg/apis/core/validation/validation.go
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from apiserver.registry import names
from apiserver.registry.strategy import Errors
from kube.api import quantity
from kube.api.errors import FieldError

PORT_MAX = 65535
INT32_MAX = 2**31 - 1
# A cluster writes the same few names over and over.
NAMES_MAX = 4096
# No name may be longer; what is, is not remembered.
NAME_CHARS_MAX = 400
PROTOCOLS = ("SCTP", "TCP", "UDP")
PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' "
    "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
)
HEADER = (
    "a valid HTTP header must consist of alphanumeric characters or '-' "
    "(e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')"
)
VARIABLE = "a valid environment variable name must consist only of printable ASCII characters other than '='"
ADDRESS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
NETWORK = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
LEADING_ZEROS = re.compile(r"\b0+(?=\d)")


def named(rule: Callable[[str], list[str]], value: str, path: str) -> Errors:
    """A rule of names.py, with its path."""
    texts = _texts(rule, value) if len(value) <= NAME_CHARS_MAX else rule(value)
    return [FieldError.invalid(path, value, text) for text in texts]


@lru_cache(NAMES_MAX)
def _texts(rule: Callable[[str], list[str]], value: str) -> tuple[str, ...]:
    return tuple(rule(value))


def dns_label(value: str, path: str) -> Errors:
    """Names of containers and volumes, host names."""
    return named(names.dns_label, value, path)


def dns_subdomain(value: str, path: str) -> Errors:
    """Names of most objects."""
    return named(names.dns_subdomain, value, path)


def qualified_name(value: str, path: str) -> Errors:
    """Names with an optional domain before a slash."""
    return named(names.qualified_name, value, path)


def choice(value: str | None, path: str, choices: Sequence[str]) -> Errors:
    """One of a few words, and not none of them."""
    if value in choices:
        return []
    return [FieldError.not_supported(path, value, choices) if value else FieldError.required(path)]


def optional_choice(value: str | None, path: str, choices: Sequence[str]) -> Errors:
    """One of a few words, or nothing."""
    return [] if value is None or value in choices else [FieldError.not_supported(path, value, choices)]


def non_negative(value: int | None, path: str) -> Errors:
    """A count, or nothing."""
    if value is None or value >= 0:
        return []
    return [FieldError.invalid(path, value, "must be greater than or equal to 0")]


def inside(value: int, path: str, low: int, high: int) -> Errors:
    """A number with two bounds."""
    if low <= value <= high:
        return []
    return [FieldError.invalid(path, value, f"must be between {low} and {high}, inclusive")]


def user_id(value: int | None, path: str) -> Errors:
    """The id of a user or a group, or nothing."""
    return [] if value is None else inside(value, path, 0, INT32_MAX)


def port_number(value: int, path: str) -> Errors:
    """A port of TCP, UDP or SCTP."""
    return inside(value, path, 1, PORT_MAX)


def port(value: int | str, path: str) -> Errors:
    """A port by its number or by its name."""
    if isinstance(value, int):
        return port_number(value, path)
    # An empty name breaks several rules at once, and each is said.
    return named(names.port_name, value, path)


def is_address(value: str) -> bool:
    """True for an address as Go reads it: zeros may lead, scopes may not follow."""
    try:
        ipaddress.ip_address(LEADING_ZEROS.sub("", value) if "." in value else value)
    except ValueError:
        return False
    return "%" not in value


def address(value: str, path: str) -> Errors:
    """An IPv4 or IPv6 address."""
    return [] if is_address(value) else [FieldError.invalid(path, value, ADDRESS)]


def network(value: str, path: str) -> Errors:
    """An address range with its prefix length."""
    host, slash, length = value.partition("/")
    bits = 32 if "." in host else 128
    if slash and is_address(host) and length.isascii() and length.isdigit() and int(length) <= bits:
        return []
    return [FieldError.invalid(path, value, NETWORK)]


def public_address(value: str, path: str) -> Errors:
    """An address that names one machine for everybody; `value` is an address."""
    ip = ipaddress.ip_address(LEADING_ZEROS.sub("", value) if "." in value else value)
    checks = (
        (ip.is_unspecified, f"may not be unspecified ({value})"),
        (ip.is_loopback, "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        (ip.is_link_local, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
        (
            _is_link_local_multicast(ip),
            "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)",
        ),
    )
    return [FieldError.invalid(path, value, text) for wrong, text in checks if wrong]


def _is_link_local_multicast(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if ip.version == 4:
        return ip.packed[:3] == b"\xe0\x00\x00"
    return ip.packed[0] == 0xFF and ip.packed[1] & 0x0F == 2


def is_percent(value: Any) -> bool:
    """True for texts such as 25%."""
    return isinstance(value, str) and re.fullmatch("[0-9]+%", value) is not None


def number_or_percent(value: int | str, path: str) -> Errors:
    """A count, or a share of some count."""
    if isinstance(value, int):
        return non_negative(value, path)
    return [] if is_percent(value) else [FieldError.invalid(path, value, PERCENT)]


def at_most_all(value: int | str, path: str) -> Errors:
    """A share is not more than the whole."""
    if isinstance(value, str) and is_percent(value) and int(value[:-1]) > 100:
        return [FieldError.invalid(path, value, "must not be greater than 100%")]
    return []


def amount_of(value: int | str | None) -> int:
    """The number in it, be it a percentage or not; other texts say nothing."""
    if isinstance(value, str):
        return int(value[:-1]) if is_percent(value) else 0
    return value or 0


def variable_name(value: str, path: str) -> Errors:
    """The name of an environment variable."""
    good = value.isascii() and value.isprintable() and "=" not in value
    return [] if good else [FieldError.invalid(path, value, VARIABLE)]


def header_name(value: str, path: str) -> Errors:
    """The name of an HTTP header."""
    return [] if re.fullmatch("[-A-Za-z0-9]+", value) else [FieldError.invalid(path, value, HEADER)]


def no_backsteps(value: str, path: str) -> Errors:
    """A path that never goes up."""
    if ".." in value and ".." in value.split("/"):
        return [FieldError.invalid(path, value, "must not contain '..'")]
    return []


def relative_path(value: str, path: str) -> Errors:
    """A path below some folder."""
    errors = no_backsteps(value, path)
    if value.startswith("/"):
        errors.insert(0, FieldError.invalid(path, value, "must be a relative path"))
    return errors


def file_path(value: str, path: str) -> Errors:
    """A path below a volume's root, whose names beginning with two dots are the kubelet's own."""
    errors = relative_path(value, path)
    if value.startswith("..") and value != ".." and not value.startswith("../"):
        errors.append(FieldError.invalid(path, value, "must not start with '..'"))
    return errors


def file_mode(value: int | None, path: str) -> Errors:
    """Permission bits, or nothing."""
    if value is None or 0 <= value <= 0o777:
        return []
    return [FieldError.invalid(path, value, "must be a number between 0 and 0777 (octal), both inclusive")]


def positive_quantity(value: Any, path: str) -> Errors:
    """An amount above zero, or nothing."""
    if value is None or quantity.parse(value) > quantity.ZERO:
        return []
    return [FieldError.invalid(path, value, "must be positive")]
