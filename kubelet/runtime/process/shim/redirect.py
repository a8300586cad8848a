"""Core: where a socket of a pod really goes: what means "any" or "this machine" means the pod's address.

After: bind(2), connect(2), ip(7), ipv6(7).
"""

from __future__ import annotations

import struct

_INTERNET, _INTERNET_6 = 2, 10
_ANY, _ANY_6 = bytes(4), bytes(16)
_LOCAL, _LOCAL_6 = bytes((127, 0, 0, 1)), bytes(15) + b"\x01"
_LOOPBACK = 127
_MAPPED = bytes(10) + b"\xff\xff"
# Below it, root's.
LOW_PORTS_END = 1024

Target = tuple[str, int]


def bind_target(address: bytes, ip: str) -> Target | None:
    """Where to listen instead; None: as asked. Port 0 is a client's, whose address the kernel chooses."""
    host, port, prefix = _parse(address)
    return (prefix + ip, port) if port and host in (_ANY, _LOCAL) else None


def connect_target(address: bytes, ip: str) -> Target | None:
    """Where to connect to, from the pod's address, on the loopback; None: as asked, as it leads elsewhere.

    127.0.0.0/16 is the machine's own, its resolver's for instance; nodes, pods and Services are behind it.
    """
    host, port, prefix = _parse(address)
    if host in (_ANY, _LOCAL):
        return prefix + ip, port
    is_of_clusters = host[:1] == bytes((_LOOPBACK,)) and host[1]
    return (prefix + ".".join(map(str, host)), port) if is_of_clusters else None


def _parse(address: bytes) -> tuple[bytes, int, str]:
    """The host in four bytes, the port, and how addresses of the family begin; b"" for other hosts."""
    if len(address) < 8:
        return b"", 0, ""
    family, port = struct.unpack_from("=H", address)[0], struct.unpack_from(">H", address, 2)[0]
    if family == _INTERNET:
        return address[4:8], port, ""
    if family != _INTERNET_6 or len(address) < 24:
        return b"", 0, ""
    host = address[8:24]
    if host in (_ANY_6, _LOCAL_6):
        return _LOCAL, port, "::ffff:"
    return (host[12:], port, "::ffff:") if host.startswith(_MAPPED) else (b"", 0, "")
