"""Shell: wakes those who wait for a file to change, by inotify: nobody reads where nothing happens.

One inotify for the process, one watch for each folder with a file somebody waits for.

Absent: systems without inotify; there a waiter looks again after LOOK_SECONDS, and where the user has no
inotify left as well.
After: fsnotify, which the kubelet uses for the same
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kube.base.logs import logger

log = logger(__name__)

# How long a waiter sleeps at most: then it sees for itself, also whether its container still runs.
LOOK_SECONDS = 0.5
EVENT_BYTES_MAX = 64 * 1024
MODIFY, MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x2, 0x40, 0x80, 0x100, 0x200
MASK = MODIFY | MOVED_FROM | MOVED_TO | CREATE | DELETE
# wd, mask, cookie, length of the name; the name follows.
HEADER = struct.Struct("iIII")


@dataclass(slots=True)
class _Folder:
    """A watched folder: who waits for which of its files."""

    descriptor: int
    waiters: dict[bytes, set[asyncio.Event]] = field(default_factory=dict)


class Changes:
    """The files of one process that somebody waits for."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = -1
        self._folders: dict[Path, _Folder] = {}
        self._by_descriptor: dict[int, _Folder] = {}

    def close(self) -> None:
        """Wait for nothing any more."""
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    @contextmanager
    def of(self, path: Path) -> Iterator[asyncio.Event]:
        """An event that is set at each change of the file, also when another takes its place."""
        event, name = asyncio.Event(), os.fsencode(path.name)
        folder = self._folder(path.parent)
        if folder is None:
            yield event
            return
        folder.waiters.setdefault(name, set()).add(event)
        try:
            yield event
        finally:
            self._leave(path.parent, folder, name, event)

    def _leave(self, path: Path, folder: _Folder, name: bytes, event: asyncio.Event) -> None:
        folder.waiters[name].discard(event)
        if not folder.waiters[name]:
            del folder.waiters[name]
        if not folder.waiters and self._fd >= 0 and self._folders.get(path) is folder:
            del self._folders[path], self._by_descriptor[folder.descriptor]
            self._libc.inotify_rm_watch(self._fd, folder.descriptor)

    def _folder(self, path: Path) -> _Folder | None:
        folder = self._folders.get(path)
        if folder is None and self._is_open():
            descriptor = self._libc.inotify_add_watch(self._fd, os.fsencode(path), MASK)
            if descriptor < 0:
                log.debug("a folder cannot be watched", path=path, why=os.strerror(ctypes.get_errno()))
                return None
            folder = self._folders[path] = self._by_descriptor[descriptor] = _Folder(descriptor)
        return folder

    def _is_open(self) -> bool:
        if self._fd < 0 and hasattr(self._libc, "inotify_init1"):
            self._fd = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
            if self._fd < 0:
                log.warning("no file can be watched", why=os.strerror(ctypes.get_errno()))
            else:
                asyncio.get_running_loop().add_reader(self._fd, self._read)
        return self._fd >= 0

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._fd, EVENT_BYTES_MAX)
            position = 0
            while position < len(data):
                descriptor, _, _, length = HEADER.unpack_from(data, position)
                position += HEADER.size + length
                name = data[position - length : position].rstrip(b"\0")
                self._wake(descriptor, name)

    def _wake(self, descriptor: int, name: bytes) -> None:
        """Events that were lost come without a folder: then everybody is woken."""
        folder = self._by_descriptor.get(descriptor)
        if folder is not None:
            for event in folder.waiters.get(name, ()):
                event.set()
        elif descriptor < 0:
            for each in self._folders.values():
                for event in set().union(*each.waiters.values()):
                    event.set()


async def wait(event: asyncio.Event) -> None:
    """Until the next change, LOOK_SECONDS at most."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LOOK_SECONDS):
            await event.wait()
    event.clear()
