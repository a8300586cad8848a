"""Shell: the system calls that Python 3.11 has no function for, by ctypes.

Each raises OSError as Python's own do. Numbers that differ between machines stand in one table.
"""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC = 0x20, 0x1000, 0x4000
MS_NOATIME, MS_NODIRATIME, MS_RELATIME = 1 << 10, 1 << 11, 1 << 21
MS_PRIVATE, MS_SLAVE = 1 << 18, 1 << 19
MNT_DETACH = 2

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
_CAP_SYS_ADMIN = 21

# By machine: seccomp, pivot_root, pidfd_getfd; bind, connect; the architecture as seccomp names it.
_NUMBERS = {
    "x86_64": (317, 155, 438, 49, 42, 0xC000003E),
    "aarch64": (277, 41, 438, 200, 203, 0xC00000B7),
}
_MACHINE = os.uname().machine
IS_KNOWN_MACHINE = _MACHINE in _NUMBERS
SYS_SECCOMP, SYS_PIVOT_ROOT, SYS_PIDFD_GETFD, SYS_BIND, SYS_CONNECT, AUDIT_ARCH = _NUMBERS.get(
    _MACHINE, _NUMBERS["x86_64"]
)

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]
_libc.syscall.restype = ctypes.c_long


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def is_admin() -> bool:
    """Whether this process has CAP_SYS_ADMIN where it is: root has it, but not always in a container."""
    with open("/proc/self/status") as status:
        effective = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff:"))
    return bool(effective >> _CAP_SYS_ADMIN & 1)


def unshare(flags: int) -> None:
    """Leave namespaces for new ones; that of processes only takes in children."""
    _checked(_libc.unshare(flags), "unshare")


def setns(descriptor: int, kind: int) -> None:
    """Enter a namespace; that of processes only takes in children."""
    _checked(_libc.setns(descriptor, kind), "setns")


def mount(source: str | None, target: str, kind: str | None, flags: int = 0, options: str = "") -> None:
    """Show a file system, or a file or folder of one, at another place."""
    words = [each.encode() if each else None for each in (source, target, kind, options)]
    _checked(_libc.mount(words[0], words[1], words[2], flags, words[3]), target)


def umount(target: str) -> None:
    """Take a mount away, at once even where somebody is in it."""
    _checked(_libc.umount2(target.encode(), MNT_DETACH), target)


def pivot_root(root: str) -> None:
    """Make a mounted folder the root, and let the old one go."""
    os.chdir(root)
    _syscall(SYS_PIVOT_ROOT, b".", b".")
    umount(".")
    os.chdir("/")


def prctl(option: int, value: int = 0) -> None:
    """An option of this process, of those with one number."""
    zero = ctypes.c_ulong(0)
    _checked(_libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero), "prctl")


def set_name(name: str) -> None:
    """The name of this process as `ps` and `top` show it; the kernel keeps 15 bytes."""
    _checked(_libc.prctl(PR_SET_NAME, name.encode()), "prctl")


def pidfd_getfd(pidfd: int, descriptor: int) -> int:
    """Another process's open file, as ours."""
    return _syscall(SYS_PIDFD_GETFD, pidfd, descriptor, 0)


def seccomp_filter(program: bytes, flags: int) -> int:
    """Install a filter of system calls; with a listener among the flags, its descriptor."""
    buffer = ctypes.create_string_buffer(program, len(program))
    filters = _Program(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    return _syscall(SYS_SECCOMP, 1, flags, ctypes.byref(filters))


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def _syscall(number: int, *words: object) -> int:
    passed = [ctypes.c_long(each) if isinstance(each, int) else each for each in words]
    return _checked(_libc.syscall(ctypes.c_long(number), *passed), f"system call {number}")
