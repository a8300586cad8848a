"""Shell: what is mounted in a fake container, on the node's disk, as its programs read and write it now.

Files longer than BYTES_MAX are not read: a hostPath may be a whole disk.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from kubelet.runtime.interface import Mount
from kubelet.runtime.programs.files import FileProblem

T = TypeVar("T")

BYTES_MAX = 16 << 20
READ_ONLY = "Read-only file system"


class Mounts:
    """Implements kubelet.runtime.programs.files.Mounted."""

    def __init__(self, mounts: Sequence[Mount]) -> None:
        # The innermost mount of a path is the one that counts.
        self._mounts = sorted(mounts, key=lambda each: len(each.container_path), reverse=True)

    def roots(self) -> list[str]:
        return [each.container_path.rstrip("/") for each in self._mounts]

    def covers(self, path: str) -> bool:
        return self._find(path) is not None

    def is_folder(self, path: str) -> bool:
        return self._place(path).is_dir()

    def exists(self, path: str) -> bool:
        return self._place(path).exists()

    def read(self, path: str) -> bytes:
        place = self._place(path)
        if place.is_file() and place.stat().st_size > BYTES_MAX:
            raise FileProblem("File too large")
        return _tried(place.read_bytes)

    def entries(self, path: str) -> list[str]:
        return sorted(_tried(lambda: os.listdir(self._place(path))))

    def write(self, path: str, data: bytes) -> None:
        place = self._writable(path)
        _tried(lambda: place.write_bytes(data))

    def make_folder(self, path: str) -> None:
        _tried(self._writable(path).mkdir)

    def remove(self, path: str) -> None:
        place = self._writable(path)
        if path in self.roots():
            raise FileProblem("Device or resource busy")
        _tried(place.rmdir if place.is_dir() and not place.is_symlink() else place.unlink)

    def _find(self, path: str) -> Mount | None:
        for mount in self._mounts:
            root = mount.container_path.rstrip("/")
            if path == root or path.startswith(f"{root}/"):
                return mount
        return None

    def _place(self, path: str) -> Path:
        mount = self._find(path)
        assert mount is not None, f"nothing is mounted at {path}"
        below = posixpath.relpath(path, mount.container_path)
        return Path(mount.host_path) if below == "." else Path(mount.host_path, below)

    def _writable(self, path: str) -> Path:
        mount = self._find(path)
        if mount is not None and mount.read_only:
            raise FileProblem(READ_ONLY)
        return self._place(path)


def _tried(do: Callable[[], T]) -> T:
    """What it gives; FileProblem in the system's words where that is not possible."""
    try:
        return do()
    except OSError as error:
        raise FileProblem(error.strerror or str(error)) from error
