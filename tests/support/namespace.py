"""Network namespaces without a way out, and what runs in them.

Traffic in one stays in it: it has a loopback of its own and whatever bridges its inhabitants make. Each
process of a run in several has one (`leave_the_machines_network`), so that clusters of two processes share no
number, port or address; engines and their containers have further ones (`Namespace`).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.debian import program
from tests.support.wait import until

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS = 0x8914
IFF_UP = 1
_libc = ctypes.CDLL(None, use_errno=True)


def may_be_made() -> bool:
    """Root makes them."""
    return os.geteuid() == 0


def leave_the_machines_network() -> None:
    """From here on this thread, and threads and processes it starts, have a network of their own."""
    _checked(_libc.unshare(CLONE_NEWNET), "unshare")
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", IFF_UP))


class Namespace:
    """It lasts from `open` to `close`; `prefix` runs a command in it."""

    def __init__(self, folder: Path) -> None:
        self._handle = folder / "netns"

    @property
    def prefix(self) -> tuple[str, ...]:
        return ("nsenter", f"--net={self._handle}")

    def open(self) -> None:
        assert may_be_made(), "network namespaces need root: run these tests as root"
        busybox = program("busybox")  # before there is a namespace: one without an owner stays mounted
        self._handle.touch()
        subprocess.run(["unshare", f"--net={self._handle}", "true"], check=True)
        subprocess.run([*self.prefix, busybox, "ip", "link", "set", "lo", "up"], check=True)

    def close(self) -> None:
        """End whatever is left in it, then the namespace itself."""
        for pid in self.inhabitants():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until("nobody is left in the namespace", lambda: not self.inhabitants())
        subprocess.run(["umount", str(self._handle)], check=True)
        self._handle.unlink()

    def inhabitants(self) -> list[int]:
        """The processes in it; containers with a network of their own are not among them."""
        own = self._handle.stat().st_ino
        return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _inode(entry / "ns/net") == own]

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """In the block, sockets that this thread makes and processes it starts belong to the namespace."""
        with open("/proc/thread-self/ns/net") as outside, self._handle.open() as inside:
            _enter(inside.fileno())
            try:
                yield
            finally:
                _enter(outside.fileno())


def _enter(handle: int) -> None:
    _checked(_libc.setns(handle, CLONE_NEWNET), "setns")


def _checked(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None
