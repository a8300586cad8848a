"""One machine's disk: the real WAL in a folder, the rows of the last checkpoint, and what a crash leaves.

A crash keeps all that was synced. What was only written may be whole, cut anywhere, or of full size with
zeros where data should be: the three tails a file system leaves. A disk may also say that it failed, once or
until it is repaired; then what was written is as unsure as after a crash, and the member must not go on.
"""

from __future__ import annotations

import asyncio
import errno
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from etcdlite.mvcc.backend import BucketRow, MemoryBackend, Prepared, Snapshot
from etcdlite.raft.messages import Entry, HardState, SnapshotMetadata
from etcdlite.wal import SECTOR_BYTES, Contents, Identity, Wal, exists, open_wal
from tests.sim import rows

SEGMENT_BYTES = 4096
SHARED_MEMORY = Path("/dev/shm")


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """In memory where the machine has such a place: a simulated sync need not wait for a real one."""
    parent = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    return tempfile.TemporaryDirectory(prefix="kubelite-sim-", dir=parent)


class Disk:
    """What the journal takes for its WAL. `rows` are those of the last checkpoint.

    `errors_left` is how often it will fail from now on; `sync_seconds` and `copy_seconds` say how long the
    next sync takes, and the next change of all rows.
    """

    def __init__(
        self,
        folder: Path,
        member_id: int,
        random: Random,
        sync_seconds: Callable[[], float],
        copy_seconds: Callable[[], float],
    ) -> None:
        self.folder = folder / str(member_id)
        self.sync_seconds = sync_seconds
        self.copy_seconds = copy_seconds
        self.errors_left = 0
        self.rows: list[BucketRow] = []
        self._identity = Identity(1, member_id)
        self._random = random
        self._wal: Wal | None = None
        self._synced: tuple[Path, int] = (self.folder, 0)
        self._given_up: list[tuple[Path, int, int]] = []  # what a failed sync left: file, start, end

    def open(self, first: SnapshotMetadata) -> Contents:
        """The log, which begins after `first` if there is none yet."""
        if exists(self.folder):
            self._wal, contents = open_wal(self.folder, SEGMENT_BYTES)
        else:
            hard_state = HardState(term=first.term, commit=first.index)
            self._wal = Wal.create(self.folder, self._identity, hard_state, first, SEGMENT_BYTES)
            contents = Contents(self._identity, hard_state, first)
        self._synced = self._end()
        return contents

    @property
    def is_on(self) -> bool:
        return self._wal is not None

    # ---- the WAL, as the journal uses it

    def save(
        self,
        hard_state: HardState | None,
        entries: Sequence[Entry],
        snapshot: SnapshotMetadata | None = None,
        *,
        sync: bool = True,
    ) -> None:
        if not self.is_on:
            return
        assert self._wal is not None
        self._wal.save(hard_state, entries, snapshot, sync=False)
        if self._end()[0] != self._synced[0]:
            self._synced = self._end()  # a new segment begins with all before it on disk
        if sync:
            self.sync()

    def sync(self) -> None:
        """What was written is safe from now on, unless the disk says that it failed."""
        if not self.is_on:
            return
        if self.errors_left:
            self.errors_left -= 1
            self._given_up.append((*self._synced, self._end()[1]))
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._synced = self._end()

    def release(self, index: int) -> None:
        assert self._wal is not None
        self._wal.release(index)

    def close(self) -> None:
        if self._wal is not None:
            self._wal.close()
            self._wal = None

    # ---- what becomes of it

    def crash(self) -> None:
        """Lose what was not synced, in one of the ways it can be lost."""
        self.close()
        self._lose_what_failed()
        path, size = self._end()
        synced = self._synced[1]
        if size == synced:
            return
        data = path.read_bytes()
        match self._random.choice(("whole", "cut", "zeros")):
            case "cut":
                data = data[: self._random.randint(synced, size)]
            case "zeros":
                first_sector = -(-synced // SECTOR_BYTES)
                kept = min(size, SECTOR_BYTES * self._random.randint(first_sector, size // SECTOR_BYTES + 1))
                data = data[:kept] + bytes(size - kept)
        path.write_bytes(data)

    def _lose_what_failed(self) -> None:
        """The kernel forgets what it could not write; a later sync that succeeds does not bring it back."""
        for path, start, end in self._given_up:
            if path.exists() and (path != self._synced[0] or end <= self._synced[1]):
                data = path.read_bytes()
                path.write_bytes(data[:start] + bytes(end - start) + data[end:])
        self._given_up.clear()

    def _end(self) -> tuple[Path, int]:
        last = self.folder / max(name for name in os.listdir(self.folder) if name.endswith(".wal"))
        return last, last.stat().st_size


class DiskWorker:
    """Stands for the thread that waits for the disk: first the write, then some time, then the sync."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    async def do(self, save: Callable[..., None], *arguments: Any) -> None:
        save(*arguments, sync=False)
        await asyncio.sleep(self._disk.sync_seconds())
        self._disk.sync()

    def stop(self) -> None:
        """There is no thread."""


class DiskBackend(MemoryBackend):
    """Rows in memory; durable are those of the last checkpoint, whenever the world takes one."""

    def __init__(self, disk: Disk) -> None:
        super().__init__()
        self._disk = disk
        rows.fill(self, disk.rows)
        self._durable = MemoryBackend()
        rows.fill(self._durable, disk.rows)

    def durable(self, bucket: str, key: bytes) -> bytes | None:
        return self._durable.get(bucket, key)

    def snapshot(self) -> Snapshot:
        return self._durable.snapshot()

    def checkpoint(self) -> None:
        """The batch reaches the disk, unless the machine is off."""
        if not self._disk.is_on:
            return
        found = list(super().snapshot().rows())
        self._disk.rows = found
        self._durable = MemoryBackend()
        rows.fill(self._durable, found)

    async def adopt(self, prepared: Prepared) -> None:
        """Another state in this one's place, on disk when this returns; it may crash before or after."""
        await asyncio.sleep(self._disk.copy_seconds())
        await super().adopt(prepared)
        self.checkpoint()
        await asyncio.sleep(self._disk.copy_seconds())


class Room:
    """There is always enough left on a simulated disk."""

    is_low = False

    def look(self) -> bool:
        return False
