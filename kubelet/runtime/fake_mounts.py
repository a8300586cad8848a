"""Shell: what the mounts of a fake container hold now, for the programs in it.

Files longer than BYTES_MAX, and more than FILES_MAX of them, are not seen: a hostPath may be a whole disk.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Sequence

from kubelet.runtime.interface import Mount

BYTES_MAX = 1 << 20
FILES_MAX = 1000


def mounted(mounts: Sequence[Mount]) -> tuple[dict[str, bytes], list[str]]:
    """Contents by path in the container, and the folders."""
    contents: dict[str, bytes] = {}
    folders: list[str] = []
    for mount in mounts:
        if os.path.isdir(mount.host_path):
            folders.append(mount.container_path.rstrip("/"))
        for inside, path in _files(mount):
            if len(contents) >= FILES_MAX:
                break
            if (data := _read(path)) is not None:
                contents[inside] = data
    return contents, folders


def _files(mount: Mount) -> Iterator[tuple[str, str]]:
    """Each file's path in the container, and on the node; not the folders that updates leave behind links."""
    if not os.path.isdir(mount.host_path):
        yield mount.container_path, mount.host_path
    for place, folders, names in os.walk(mount.host_path, followlinks=True):
        folders[:] = sorted(each for each in folders if not each.startswith(".."))
        below = os.path.relpath(place, mount.host_path)
        for name in sorted(names):
            yield posixpath.normpath(posixpath.join(mount.container_path, below, name)), f"{place}/{name}"


def _read(path: str) -> bytes | None:
    """None for what is no plain file, too long, or gone meanwhile."""
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > BYTES_MAX:
            return None
        with open(path, "rb") as file:
            return file.read(BYTES_MAX)
    except OSError:
        return None
