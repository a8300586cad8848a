"""Core: where a request to the `proxy` of a pod, a Service or a node goes, and which headers go along.

    nodes/[scheme:]NAME[:PORT]/proxy/PATH       the kubelet, unless another port is named
    pods/[scheme:]NAME[:PORT]/proxy/PATH        the pod's address; the first port of its containers
    services/[scheme:]NAME[:PORT]/proxy/PATH    an address behind the Service; PORT is a name or a number

Absent: rewriting the links of HTML pages. Real API servers refuse loopback addresses; ours are such.
After: k8s pkg/registry/core/{node,pod}/strategy.go and core/service/storage/storage.go (ResourceLocation),
staging/src/k8s.io/apimachinery/pkg/util/net/port_split.go, util/proxy/upgradeaware.go
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

from kube.api import errors, meta
from kube.api.meta import Object

T = TypeVar("T")
Pick = Callable[[Sequence[T]], T]
Headers = Iterable[tuple[bytes, bytes]]

PORT = re.compile("[1-9][0-9]{0,4}")
SCHEMES = ("", "http", "https")
# Those that are for one connection, and those that this server has had its use of.
HOP_BY_HOP = {
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
}
SPENT = {b"host", b"authorization", b"expect"}


@dataclass(frozen=True, slots=True)
class Reference:
    """What stands in the place of a name: `https:web:8443`."""

    scheme: str
    name: str
    port: str

    @classmethod
    def parse(cls, kind: str, text: str) -> Reference:
        """StatusError 400 for what is none; `kind` is the word for it there."""
        parts = text.split(":")
        if len(parts) == 1:
            parts = ["", *parts, ""]
        elif len(parts) == 2:
            parts = ["", *parts]
        scheme, name, port = parts if len(parts) == 3 else ("", "", "")
        if not name or scheme not in SCHEMES:
            raise errors.bad_request(f'invalid {kind} request "{text}"')
        return cls(scheme, name, port)


def pod_address(pod: Object, reference: Reference) -> tuple[str, int]:
    """The pod's address and port; StatusError 400 where it has none yet."""
    ip = meta.get(pod, "status", "podIP", default="")
    if not ip:
        raise errors.bad_request("address not allowed")
    ports = [port for each in pod["spec"]["containers"] for port in each.get("ports") or ()]
    default = ports[0]["containerPort"] if ports else 443 if reference.scheme == "https" else 80
    return ip, port_number(reference.port) if reference.port else default


def port_name(service: Object, reference: Reference) -> str:
    """The name of the Service's port that is meant."""
    if not reference.port.isdecimal():
        return reference.port
    wanted = port_number(reference.port)
    for port in meta.get(service, "spec", "ports", default=None) or ():
        if port["port"] == wanted:
            return str(port.get("name", ""))
    who = f'no service port {reference.port} found for service "{reference.name}"'
    raise errors.service_unavailable(who)


def service_address(endpoints: Object, name: str, port: str, asked: str, pick: Pick[str]) -> tuple[str, int]:
    """One of the addresses behind a Service; 503 where there is none. asked: as the URL has it."""
    subsets = endpoints.get("subsets") or ()
    if not subsets:
        raise errors.service_unavailable(f'no endpoints available for service "{name}"')
    for subset in subsets:
        ips = [each["ip"] for each in subset.get("addresses") or ()]
        numbers = [each["port"] for each in subset.get("ports") or () if each.get("name", "") == port]
        if ips and numbers:
            return pick(ips), numbers[0]
    raise errors.service_unavailable(f'no endpoints available for service "{asked}"')


def port_number(port: str) -> int:
    """A port that is named by its number; StatusError 400 for what is none."""
    if not PORT.fullmatch(port) or int(port) >= 1 << 16:
        raise errors.bad_request(f'invalid port "{port}"')
    return int(port)


def split_path(path: str) -> tuple[str, str]:
    """A path at its `proxy`: what is ours, and what goes on, with its slash, if it is there."""
    parts = path.split("/")
    ours = 8 if len(parts) > 3 and parts[3] == "namespaces" else 6
    rest = parts[ours:]
    return "/".join(parts[:ours]), "/" + "/".join(rest) if rest else ""


def forwarded(headers: Headers, client: str, uri: str, host: str) -> list[tuple[str, str]]:
    """The headers for the other side."""
    kept = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in headers
        if name not in HOP_BY_HOP and name not in SPENT and not name.startswith(b"sec-websocket-")
    ]
    before = [value for name, value in kept if name == "x-forwarded-for"]
    kept = [(name, value) for name, value in kept if not name.startswith("x-forwarded-")]
    return [
        *kept,
        ("X-Forwarded-For", ", ".join([*before, client])),
        ("X-Forwarded-Host", host),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Uri", uri),
    ]


def returned(headers: Headers, prefix: str, host: str) -> list[tuple[bytes, bytes]]:
    """The headers of an answer for the client; where it is sent elsewhere on that side, it comes by here."""
    kept = [(name.lower(), value) for name, value in headers if name.lower() not in HOP_BY_HOP]
    return [(name, _moved(value, prefix, host) if name == b"location" else value) for name, value in kept]


def _moved(location: bytes, prefix: str, host: str) -> bytes:
    parts = urlsplit(location.decode("latin-1"))
    if (parts.netloc and parts.netloc != host) or not parts.path.startswith("/"):
        return location
    return urlunsplit(("", "", prefix + parts.path, parts.query, parts.fragment)).encode("latin-1")
