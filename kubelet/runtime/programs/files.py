"""Core: the few files of a fake container; nobody can write them.

Every folder above a file exists, and so do those that every Linux has.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from types import MappingProxyType

FOLDERS = (
    "/bin", "/dev", "/etc", "/home", "/lib", "/proc", "/root", "/run", "/sbin", "/sys", "/tmp", "/usr/bin",
    "/usr/local/bin", "/usr/sbin", "/usr/share", "/var/log",
)  # fmt: skip
PAGE_PATH = "/usr/share/nginx/html/index.html"
NULL = "/dev/null"


class FileProblem(Exception):
    """A file cannot be used; the text is what Linux says of it."""


class Files:
    """Contents by path."""

    def __init__(self, contents: Mapping[str, bytes], folders: Sequence[str] = ()) -> None:
        self._contents = {NULL: b"", **contents}
        paths = [*(f"{each}/x" for each in (*FOLDERS, *folders)), *self._contents]
        self._folders = {"/"} | {folder for path in paths for folder in _above(path)}

    def path(self, folder: str, name: str) -> str:
        return posixpath.normpath(posixpath.join(folder, name))

    def is_folder(self, path: str) -> bool:
        return path in self._folders

    def exists(self, path: str) -> bool:
        return path in self._contents or path in self._folders

    def read(self, path: str) -> bytes:
        """The content; FileProblem where there is none."""
        if path in self._folders:
            raise FileProblem("Is a directory")
        if path not in self._contents:
            raise FileProblem("No such file or directory")
        return self._contents[path]

    def entries(self, path: str) -> list[str]:
        """The names in a folder, in order."""
        prefix = path.rstrip("/") + "/"
        everything = [*self._contents, *self._folders]
        below = {each[len(prefix) :].split("/")[0] for each in everything if each.startswith(prefix)}
        return sorted(below - {""})


def pod_files(
    hostname: str,
    ip: str,
    namespace: str,
    page: str | None,
    mounted: Mapping[str, bytes] = MappingProxyType({}),
    folders: Sequence[str] = (),
) -> Files:
    """What the kubelet writes for a pod, the page of a web server, and over it what is mounted."""
    domains = f"{namespace}.svc.cluster.local svc.cluster.local cluster.local"
    contents = {
        "/etc/hostname": f"{hostname}\n",
        "/etc/hosts": f"# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n{ip}\t{hostname}\n",
        "/etc/resolv.conf": f"search {domains}\noptions ndots:5\n",
        "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
        "/etc/os-release": 'PRETTY_NAME="a simulated container"\nNAME="kubelite"\nID=kubelite\n',
    }
    if page is not None:
        contents[PAGE_PATH] = page
    return Files({path: text.encode() for path, text in contents.items()} | dict(mounted), folders)


def _above(path: str) -> list[str]:
    parts = path.split("/")[1:-1]
    return ["/" + "/".join(parts[: count + 1]) for count in range(len(parts))]
