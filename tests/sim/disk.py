"""One machine's disk: the real WAL in a folder, the rows of the last checkpoint, and what a crash leaves.

A crash keeps all that was synced. What was only written may be whole, cut anywhere, or of full size with
zeros where data should be: the three tails a file system leaves.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

from etcdlite.mvcc.backend import BucketRow, MemoryBackend
from etcdlite.raft.messages import Entry, HardState, SnapshotMetadata
from etcdlite.wal import SECTOR_BYTES, Contents, Identity, Wal, exists, open_wal
from tests.sim.rows import restore

SEGMENT_BYTES = 4096
SHARED_MEMORY = Path("/dev/shm")


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """In memory where the machine has such a place: a simulated sync need not wait for a real one."""
    parent = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    return tempfile.TemporaryDirectory(prefix="kubelite-sim-", dir=parent)


class Disk:
    """`rows` are those of the last checkpoint: what the backend finds after a crash."""

    def __init__(self, folder: Path, member_id: int, random: Random) -> None:
        self._folder = folder / str(member_id)
        self._identity = Identity(1, member_id)
        self._random = random
        self._wal: Wal | None = None
        self._synced: tuple[Path, int] = (self._folder, 0)
        self.rows: list[BucketRow] = []

    def open(self, first: SnapshotMetadata) -> Contents:
        """The log, which begins after `first` if there is none yet."""
        if exists(self._folder):
            self._wal, contents = open_wal(self._folder, SEGMENT_BYTES)
        else:
            hard_state = HardState(term=first.term, commit=first.index)
            self._wal = Wal.create(self._folder, self._identity, hard_state, first, SEGMENT_BYTES)
            contents = Contents(self._identity, hard_state, first)
        self._synced = self._end()
        return contents

    def write(
        self, hard_state: HardState | None, entries: Sequence[Entry], snapshot: SnapshotMetadata | None
    ) -> None:
        assert self._wal is not None
        self._wal.save(hard_state, entries, snapshot, sync=False)

    def sync(self) -> None:
        assert self._wal is not None
        self._wal.save(None, (), sync=True)
        self._synced = self._end()

    def checkpoint(self, backend: MemoryBackend) -> None:
        """The backend's batch reaches the disk."""
        self.rows = list(backend.snapshot().rows())

    def backend(self) -> MemoryBackend:
        backend = MemoryBackend()
        restore(backend, self.rows)
        return backend

    def release(self, index: int) -> None:
        assert self._wal is not None
        self._wal.release(index)

    def crash(self) -> None:
        """Lose what was not synced, in one of the ways it can be lost."""
        self.close()
        path, size = self._end()
        synced = self._synced[1] if self._synced[0] == path else size
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

    def close(self) -> None:
        if self._wal is not None:
            self._wal.close()
            self._wal = None

    def _end(self) -> tuple[Path, int]:
        last = self._folder / max(name for name in os.listdir(self._folder) if name.endswith(".wal"))
        return last, last.stat().st_size
