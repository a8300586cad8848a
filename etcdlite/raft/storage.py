"""Core: what Raft reads of what its owner has saved, and a twin of it in memory.

`Storage` only reads. The owner writes: it saves what a Ready holds and then makes it visible here. The node
uses MemoryStorage as well: its write-ahead log holds the truth, this the part of it Raft still asks for.

Invariants: the entries are contiguous; index and term of the one before the first are remembered.
After: etcd-io/raft storage.go; Raft section 7 for compaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from etcdlite.raft.messages import (
    NONE,
    ConfState,
    Entry,
    HardState,
    Snapshot,
    SnapshotMetadata,
    limit_bytes,
    size_bytes,
)


class StorageError(Exception):
    """What storage may say instead of an answer; each is expected, none is a bug.

    StorageError
    |- Compacted                       the entries were dropped after a snapshot
    |- LogDoesNotFit                   after a restart: log and state machine on disk do not belong together
    |- Unavailable                     the entries are not there yet
    '- SnapshotTemporarilyUnavailable  ask again later
    """


class Compacted(StorageError):
    """The requested entries were dropped after a snapshot."""


class Unavailable(StorageError):
    """The requested entries are beyond the end."""


class LogDoesNotFit(StorageError):
    """Log and state machine on disk do not belong together; the text says where they part."""


class SnapshotTemporarilyUnavailable(StorageError):
    """A snapshot is being made; ask again later."""


class Storage(Protocol):
    """The saved log as Raft reads it."""

    def initial_state(self) -> tuple[HardState, ConfState]: ...

    def entries(self, low: int, high: int, max_bytes: int) -> list[Entry]:
        """Entries [low, high), cut off at max_bytes but at least one."""
        ...

    def term(self, index: int) -> int:
        """The term of an entry in [first_index - 1, last_index]."""
        ...

    def first_index(self) -> int: ...

    def last_index(self) -> int: ...

    def snapshot(self) -> Snapshot: ...


FOUNDING_INDEX = 1


class MemoryStorage:
    """Entries in a list. `_start` is (index, term) of the entry just before the first one kept, `size_bytes`
    what those kept are worth.

    A founding member is given the membership, and its log starts after index 1, which stands for the
    founding. A member that joins later starts with nothing: as index 1 cannot be sent as an entry, the leader
    sends it a snapshot, and with it the membership.
    """

    def __init__(self, founders: ConfState | None = None) -> None:
        metadata = SnapshotMetadata(FOUNDING_INDEX, 0, founders) if founders else SnapshotMetadata()
        self._hard_state = HardState()
        self._start = (metadata.index, metadata.term)
        self._entries: list[Entry] = []
        self._snapshot = Snapshot(metadata)
        self.size_bytes = 0

    def initial_state(self) -> tuple[HardState, ConfState]:
        return self._hard_state, self._snapshot.metadata.conf_state

    def entries(self, low: int, high: int, max_bytes: int) -> list[Entry]:
        if low < self.first_index():
            raise Compacted
        if high > self.last_index() + 1:
            raise Unavailable
        start = self.first_index()
        return limit_bytes(self._entries[low - start : high - start], max_bytes)

    def term(self, index: int) -> int:
        before, term_before = self._start
        if index < before:
            raise Compacted
        if index > self.last_index():
            raise Unavailable
        return term_before if index == before else self._entries[index - before - 1].term

    def first_index(self) -> int:
        return self._start[0] + 1

    def last_index(self) -> int:
        return self._start[0] + len(self._entries)

    def snapshot(self) -> Snapshot:
        return self._snapshot

    def set_hard_state(self, hard_state: HardState) -> None:
        assert hard_state.term >= self._hard_state.term, "a saved term never goes back"
        self._hard_state = hard_state

    def append(self, entries: Sequence[Entry]) -> None:
        """Put the entries at their indexes; what stood there, and all after it, is replaced."""
        entries = [entry for entry in entries if entry.index >= self.first_index()]
        if not entries:
            return
        assert entries[0].index <= self.last_index() + 1, f"a gap before entry {entries[0].index}"
        assert [e.index for e in entries] == list(range(entries[0].index, entries[-1].index + 1))
        replaced = self._entries[entries[0].index - self.first_index() :]
        del self._entries[entries[0].index - self.first_index() :]
        self._entries.extend(entries)
        self.size_bytes += size_bytes(entries) - size_bytes(replaced)

    def create_snapshot(self, index: int, conf_state: ConfState, data: bytes = b"") -> Snapshot:
        """Say that the state machine, saved elsewhere, contains all up to `index`; drops nothing."""
        assert self._snapshot.metadata.index <= index <= self.last_index(), index
        self._snapshot = Snapshot(SnapshotMetadata(index, self.term(index), conf_state), data)
        return self._snapshot

    def apply_snapshot(self, snapshot: Snapshot) -> None:
        """Start over from a snapshot received from the leader."""
        metadata = snapshot.metadata
        assert metadata.index >= self._snapshot.metadata.index, "a snapshot never goes back"
        self._snapshot = snapshot
        self._start = (metadata.index, metadata.term)
        self._entries = []
        self.size_bytes = 0

    def tail_within(self, size_bytes_max: int) -> int:
        """The index after which the entries together are no larger than that."""
        kept_bytes, index = self.size_bytes, self._start[0]
        for entry in self._entries:
            if kept_bytes <= size_bytes_max:
                break
            kept_bytes -= size_bytes((entry,))
            index = entry.index
        return index

    def compact(self, index: int) -> None:
        """Drop the entries up to and including `index`, which a snapshot must contain."""
        assert index <= self._snapshot.metadata.index, "only what a snapshot contains may go"
        if index < self.first_index():
            return
        term = self.term(index)
        dropped = self._entries[: index - self._start[0]]
        del self._entries[: index - self._start[0]]
        self.size_bytes -= size_bytes(dropped)
        self._start = (index, term)


def recover(hard_state: HardState, entries: Sequence[Entry], applied: SnapshotMetadata) -> MemoryStorage:
    """What Raft reads, from what a restart finds: the log, and how far the state machine on disk has come.

    A crash may have come between two writes that belong together:
    - A snapshot of the leader was put in place, but the log does not say so yet. The state machine is ahead
      of the log, or contradicts it, and the log has nothing to add.
    - Entries were written, but not the hard state after them. No answer had left, so no vote had been given
      in their term: taking that term over is safe, and no log may hold a term above the current one.
    """
    storage = MemoryStorage()
    storage._snapshot = Snapshot(applied)
    storage._start = (applied.index, applied.term)
    by_index = {entry.index: entry for entry in entries}
    at = by_index.get(applied.index)
    if at is not None and at.term == applied.term:
        first, *rest = entries  # the oldest says what precedes the others
        storage._start, storage._entries = (first.index, first.term), rest
    elif entries and entries[0].index > applied.index:
        if entries[0].index > applied.index + 1:
            raise LogDoesNotFit(
                f"the state ends at entry {applied.index}, the log begins at {entries[0].index}"
            )
        storage._entries = list(entries)
    storage.size_bytes = size_bytes(storage._entries)
    term = max(hard_state.term, storage.term(storage.last_index()))
    vote = hard_state.vote if term == hard_state.term else NONE
    commit = max(hard_state.commit, applied.index)
    if commit > storage.last_index():
        raise LogDoesNotFit(f"entry {commit} was committed, the log ends at {storage.last_index()}")
    storage._hard_state = HardState(term, vote, commit)
    return storage
