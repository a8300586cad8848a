"""Core: the files of a fake container: those that every Linux has, what the kubelet writes for a pod, what
programs have written, and over them what is mounted.

Every folder above a file exists. What programs write is kept in memory, BYTES_MAX of it, and is gone when the
container is, as in a real one, or when its kubelet is.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Protocol

FOLDERS = (
    "/bin", "/dev", "/etc", "/home", "/lib", "/proc", "/root", "/run", "/sbin", "/sys", "/tmp", "/usr/bin",
    "/usr/local/bin", "/usr/sbin", "/usr/share", "/var/log", "/var/run",
)  # fmt: skip
PAGE_PATH = "/usr/share/nginx/html/index.html"
NULL = "/dev/null"
BYTES_MAX = 32 << 20

NOT_THERE = "No such file or directory"
IS_FOLDER = "Is a directory"
IS_THERE = "File exists"
IS_FULL = "No space left on device"
NOT_EMPTY = "Directory not empty"


class FileProblem(Exception):
    """A file cannot be used; the text is what Linux says of it."""


class Mounted(Protocol):
    """What is mounted in a container, by paths there; each may raise FileProblem."""

    def roots(self) -> list[str]: ...

    def covers(self, path: str) -> bool: ...

    def is_folder(self, path: str) -> bool: ...

    def exists(self, path: str) -> bool: ...

    def read(self, path: str) -> bytes: ...

    def entries(self, path: str) -> list[str]: ...

    def write(self, path: str, data: bytes) -> None: ...

    def make_folder(self, path: str) -> None: ...

    def remove(self, path: str) -> None:
        """A file, or a folder with nothing in it."""
        ...


class Files:
    """Contents by path; paths are whole and have no dots in them, as `path` makes them."""

    def __init__(self, contents: Mapping[str, bytes], mounted: Mounted | None = None) -> None:
        self._contents = {NULL: b"", **contents}
        self._mounted = mounted
        roots = mounted.roots() if mounted else []
        paths = [*(f"{each}/x" for each in FOLDERS), *self._contents, *roots]
        self._folders = {"/"} | {folder for path in paths for folder in _above(path)}

    def path(self, folder: str, name: str) -> str:
        return posixpath.normpath(posixpath.join(folder, name))

    def is_folder(self, path: str) -> bool:
        mounted = self._mounted_at(path)
        return mounted.is_folder(path) if mounted else path in self._folders

    def exists(self, path: str) -> bool:
        mounted = self._mounted_at(path)
        return mounted.exists(path) if mounted else path in self._contents or path in self._folders

    def read(self, path: str) -> bytes:
        """The content; FileProblem where there is none."""
        if self.is_folder(path):
            raise FileProblem(IS_FOLDER)
        if mounted := self._mounted_at(path):
            return mounted.read(path)
        if path not in self._contents:
            raise FileProblem(NOT_THERE)
        return self._contents[path]

    def entries(self, path: str) -> list[str]:
        """The names in a folder, in order."""
        if mounted := self._mounted_at(path):
            return mounted.entries(path)
        prefix = path.rstrip("/") + "/"
        everything = [*self._contents, *self._folders, *(self._mounted.roots() if self._mounted else ())]
        below = {each[len(prefix) :].split("/")[0] for each in everything if each.startswith(prefix)}
        return sorted(below - {""})

    def write(self, path: str, data: bytes, *, appends: bool = False) -> None:
        """Make a file what was written; its folder must exist."""
        if path == NULL:
            return
        if self.is_folder(path):
            raise FileProblem(IS_FOLDER)
        self._ensure_folder_of(path)
        if appends and self.exists(path):
            data = self.read(path) + data
        if mounted := self._mounted_at(path):
            mounted.write(path, data)
            return
        kept = sum(len(content) for other, content in self._contents.items() if other != path)
        if kept + len(data) > BYTES_MAX:
            raise FileProblem(IS_FULL)
        self._contents[path] = data

    def make_folder(self, path: str) -> None:
        if self.exists(path):
            raise FileProblem(IS_THERE)
        self._ensure_folder_of(path)
        if mounted := self._mounted_at(path):
            mounted.make_folder(path)
        else:
            self._folders.add(path)

    def make_folders(self, path: str) -> None:
        """The folder and what is missing above it."""
        for each in [*_above(path), path]:
            if not self.is_folder(each):
                self.make_folder(each)

    def remove(self, path: str, *, tree: bool = False) -> None:
        """Remove a file, or a folder; with `tree` what is in it as well."""
        if not self.exists(path):
            raise FileProblem(NOT_THERE)
        if self.is_folder(path) and (names := self.entries(path)):
            if not tree:
                raise FileProblem(NOT_EMPTY)
            for name in names:
                self.remove(self.path(path, name), tree=True)
        if mounted := self._mounted_at(path):
            mounted.remove(path)
        else:
            self._contents.pop(path, None)
            self._folders.discard(path)

    def _ensure_folder_of(self, path: str) -> None:
        if not self.is_folder(posixpath.dirname(path)):
            raise FileProblem(NOT_THERE)

    def _mounted_at(self, path: str) -> Mounted | None:
        return self._mounted if self._mounted and self._mounted.covers(path) else None


def pod_files(
    hostname: str, ip: str, resolv_conf: str, page: str | None, mounted: Mounted | None = None
) -> Files:
    """What the kubelet writes for a pod, the page of a web server, and over it what is mounted."""
    contents = {
        "/etc/hostname": f"{hostname}\n",
        "/etc/hosts": f"# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n{ip}\t{hostname}\n",
        "/etc/resolv.conf": resolv_conf,
        "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
        "/etc/os-release": 'PRETTY_NAME="a simulated container"\nNAME="kubelite"\nID=kubelite\n',
    }
    if page is not None:
        contents[PAGE_PATH] = page
    return Files({path: text.encode() for path, text in contents.items()}, mounted)


def _above(path: str) -> list[str]:
    parts = path.split("/")[1:-1]
    return ["/" + "/".join(parts[: count + 1]) for count in range(len(parts))]
