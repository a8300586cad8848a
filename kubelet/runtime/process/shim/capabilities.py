"""Core: the rights of root that a container has: the usual ones, and those its pod adds and drops.

After: Linux capabilities(7); containerd's oci.defaultUnixCaps.
"""

from __future__ import annotations

from collections.abc import Sequence

# In the order of their numbers.
_IN_ORDER = """
CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT
SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ
PERFMON BPF CHECKPOINT_RESTORE
"""
_USUAL = """
CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT
KILL AUDIT_WRITE
"""
NAMES = tuple(_IN_ORDER.split())
USUAL = frozenset(_USUAL.split())
ALL = "ALL"


class UnknownCapability(Exception):
    """No capability has that name."""


def dropped(added: Sequence[str], removed: Sequence[str]) -> list[int]:
    """The numbers of those that a container must not have."""
    plus, minus = _plain(added), _plain(removed)
    if ALL in minus:
        kept = plus
    elif ALL in plus:
        kept = set(NAMES) - minus
    else:
        kept = (plus | USUAL) - minus
    return [number for number, name in enumerate(NAMES) if name not in kept]


def _plain(names: Sequence[str]) -> set[str]:
    plain = {name.upper().removeprefix("CAP_") for name in names}
    if unknown := sorted(plain - {*NAMES, ALL}):
        raise UnknownCapability(f"unknown capability: CAP_{unknown[0]}")
    return plain
