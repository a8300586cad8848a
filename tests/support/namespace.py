"""A network namespace without a way out, and what runs in it.

Traffic in it stays in it: it has a loopback of its own and whatever bridges its inhabitants make.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.debian import program
from tests.support.wait import until

CLONE_NEWNET = 0x40000000


class Namespace:
    """It lasts from `open` to `close`; `prefix` runs a command in it."""

    def __init__(self, folder: Path) -> None:
        self._handle = folder / "netns"

    @property
    def prefix(self) -> tuple[str, ...]:
        return ("nsenter", f"--net={self._handle}")

    def open(self) -> None:
        assert os.geteuid() == 0, "containers need root: run these tests as root"
        self._handle.touch()
        subprocess.run(["unshare", f"--net={self._handle}", "true"], check=True)
        subprocess.run([*self.prefix, program("busybox"), "ip", "link", "set", "lo", "up"], check=True)

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
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(handle, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None
