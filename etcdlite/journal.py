"""Shell: what this member must remember for Raft: the WAL on disk, and in memory the part still asked for.

Both grow with every Ready and are cut together, never beyond what the backend has on disk. One worker thread
waits for the disk, so that the event loop does not.
"""

from __future__ import annotations

from etcdlite.limits import Limits
from etcdlite.log import logger
from etcdlite.raft.messages import ConfState, SnapshotMetadata
from etcdlite.raft.raw_node import Ready
from etcdlite.raft.storage import MemoryStorage
from etcdlite.wal import Wal
from etcdlite.worker import Worker

log = logger("journal")


class Journal:
    """WAL and storage of one member."""

    def __init__(
        self, wal: Wal, storage: MemoryStorage, limits: Limits, worker: Worker | None = None
    ) -> None:
        self.storage = storage
        self.wal = wal
        self._limits = limits
        self._worker = worker or Worker("wal")

    async def save(self, ready: Ready) -> None:
        """Save what a Ready holds, then show it to Raft.

        Where only the commit index has moved nothing is saved: Figure 2 keeps it in memory, too.
        """
        metadata = ready.snapshot.metadata if ready.snapshot else None
        if ready.must_sync or metadata is not None:
            await self._worker.do(self.wal.save, ready.hard_state, ready.entries, metadata)
        if ready.snapshot is not None:
            self.storage.apply_snapshot(ready.snapshot)
        if ready.hard_state is not None:
            self.storage.set_hard_state(ready.hard_state)
        self.storage.append(ready.entries)

    async def save_commit(self) -> None:
        """Have the commit index on disk, too.

        A member that counts by a new membership must not fall back to the old one by a crash: with the votes
        of the old one alone it would commit what the new one never saw.
        """
        hard_state, _ = self.storage.initial_state()
        await self._worker.do(self.wal.save, hard_state, ())

    def is_long(self, applied: int) -> bool:
        """Whether it is time to cut."""
        since = applied - self.storage.snapshot().metadata.index
        return since >= self._limits.snapshot_count or self.storage.size_bytes > self._limits.log_bytes

    def cut(self, durable: tuple[int, int], conf_state: ConfState, *, is_disk_full: bool = False) -> None:
        """Forget all but a tail of what the backend has on disk, which ends at `durable` (index, term).

        On a full disk the tail goes, too: who needs it gets a snapshot.
        """
        index, term = durable
        if index <= self.storage.snapshot().metadata.index:
            return
        self.storage.create_snapshot(index, conf_state)
        self.wal.save(None, (), SnapshotMetadata(index, term, conf_state), sync=False)
        large = self.storage.tail_within(self._limits.log_bytes // 2)
        keep_from = min(index, max(index - self._limits.catch_up_entries, large, 0))
        if is_disk_full:
            self.wal.roll()
            keep_from = index
        self.storage.compact(keep_from)
        self.wal.release(keep_from)
        log.info("compacted the log", snapshot=index, kept_from=keep_from)

    def close(self) -> None:
        """Let go of the file; what was saved stays saved."""
        self._worker.stop()
        self.wal.close()
