"""Core: where a socket of a pod really goes: what means "any" or "this machine" means the pod's address.

After: bind(2), connect(2), ip(7), ipv6(7).
"""

from __future__ import annotations

import struct

_INTERNET, _INTERNET_6 = 2, 10
_ANY, _ANY_6 = bytes(4), bytes(16)
_LOCAL, _LOCAL_6 = bytes((127, 0, 0, 1)), bytes(15) + b"\x01"
_MAPPED = bytes(10) + b"\xff\xff"
# Below it, root's.
LOW_PORTS_END = 1024

Target = tuple[str, int]


def bind_target(address: bytes, ip: str) -> Target | None:
    """Where to listen instead; None: as asked. Port 0 is a client's, whose address the kernel chooses."""
    target = connect_target(address, ip)
    return target if target and target[1] else None


def connect_target(address: bytes, ip: str) -> Target | None:
    """Where to connect to instead; None: as asked."""
    if len(address) < 8:
        return None
    family, port = struct.unpack_from("=H", address)[0], struct.unpack_from(">H", address, 2)[0]
    if family == _INTERNET:
        return (ip, port) if address[4:8] in (_ANY, _LOCAL) else None
    if family != _INTERNET_6 or len(address) < 24:
        return None
    host = address[8:24]
    is_own = host in (_ANY_6, _LOCAL_6, _MAPPED + _ANY, _MAPPED + _LOCAL)
    return (f"::ffff:{ip}", port) if is_own else None
