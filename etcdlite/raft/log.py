"""Core: the log of one member: what storage holds (stable) and what is still to be saved (unstable).

    first_index                offset             last_index
    |------- stable (storage) ---|---- unstable ------|
               ^ applied     ^ committed (may lie on either side of offset)

An append may replace a tail that is already stable: the unstable part then starts earlier and covers it, and
the next Ready has storage overwritten.

Invariants: applied <= committed <= last_index; committed and applied never go back; a committed entry is
never replaced.
After: etcd-io/raft log.go and log_unstable.go; Raft 5.3 and 5.4.1.
"""

from __future__ import annotations

from collections.abc import Sequence

from etcdlite.raft.messages import Entry, Snapshot, SnapshotMetadata, limit_bytes
from etcdlite.raft.storage import Compacted, Storage, Unavailable


class RaftLog:
    """Reads as one log, whichever part an entry stands in."""

    def __init__(self, storage: Storage, applied: int = 0) -> None:
        self._storage = storage
        self._unstable: list[Entry] = []
        self._offset = storage.last_index() + 1
        self.pending_snapshot: Snapshot | None = None
        self.committed = storage.first_index() - 1
        self.applied = storage.first_index() - 1
        if applied:
            self.committed = max(self.committed, applied)
            self.applied_to(applied)

    # Reading

    def first_index(self) -> int:
        if self.pending_snapshot:
            return self.pending_snapshot.metadata.index + 1
        return self._storage.first_index()

    def last_index(self) -> int:
        return self._offset + len(self._unstable) - 1

    def last_term(self) -> int:
        return self.term(self.last_index())

    def term(self, index: int) -> int:
        """The term of the entry at index; raises Compacted or Unavailable outside the log."""
        if index > self.last_index():
            raise Unavailable
        if index < self.first_index() - 1:
            raise Compacted
        if index >= self._offset:
            return self._unstable[index - self._offset].term
        if self.pending_snapshot and index == self.pending_snapshot.metadata.index:
            return self.pending_snapshot.metadata.term
        return self._storage.term(index)

    def matches(self, index: int, term: int) -> bool:
        """Whether this log holds that entry (or a snapshot ends with it)."""
        return self.first_index() - 1 <= index <= self.last_index() and self.term(index) == term

    def entries(self, low: int, high: int, max_bytes: int) -> list[Entry]:
        """Entries [low, high) as far as max_bytes reaches, at least one unless the range is empty."""
        assert low <= high <= self.last_index() + 1, (low, high, self.last_index())
        if low < self.first_index():
            raise Compacted
        if low >= high:
            return []
        stable_high = min(high, self._offset)
        stable = self._storage.entries(low, stable_high, max_bytes) if low < stable_high else []
        if low + len(stable) < stable_high:
            return stable
        offset = self._offset
        unstable = self._unstable[max(low, offset) - offset : max(high, offset) - offset]
        return limit_bytes(stable + unstable, max_bytes)

    def is_up_to_date(self, last_index: int, last_term: int) -> bool:
        """Raft 5.4.1: whether a candidate whose log ends so is at least as up to date as this one."""
        return (last_term, last_index) >= (self.last_term(), self.last_index())

    def last_index_at_most(self, index: int, term: int) -> tuple[int, int]:
        """The last entry at or before `index` whose term is at most `term`: (index, its term).

        Two logs cannot agree beyond it, so a probe may skip there (Raft 5.3, end: "the number of rejected
        AppendEntries"). Where the log was compacted the term is unknown and given as 0.
        """
        index = min(index, self.last_index())
        while index >= self.first_index() - 1:
            if self.term(index) <= term:
                return index, self.term(index)
            index -= 1
        return index, 0

    # Appending

    def append(self, entries: Sequence[Entry]) -> int:
        """Put entries at their indexes, replacing what conflicts; the new last index."""
        if not entries:
            return self.last_index()
        first = entries[0].index
        assert first > self.committed, f"entry {first} would replace a committed one ({self.committed})"
        assert first <= self.last_index() + 1, f"a gap before entry {first}"
        if first <= self._offset:
            self._offset = first
            self._unstable = list(entries)
        else:
            del self._unstable[first - self._offset :]
            self._unstable.extend(entries)
        assert self._unstable[-1].index == self.last_index()
        return self.last_index()

    def append_after(self, index: int, term: int, entries: Sequence[Entry]) -> int | None:
        """AppendEntries receiver: the last matching index, or None when (index, term) is missing."""
        if not self.matches(index, term):
            return None
        last = index + len(entries)
        conflict = self.first_conflict(entries)
        if conflict:
            assert conflict > self.committed, f"entry {conflict} conflicts with a committed one"
            self.append(entries[conflict - index - 1 :])
        return last

    def first_conflict(self, entries: Sequence[Entry]) -> int:
        """The index of the first entry this log lacks or holds with another term; 0 when it holds all."""
        for entry in entries:
            if not self.matches(entry.index, entry.term):
                return entry.index
        return 0

    # Committing and applying

    def commit_to(self, index: int) -> None:
        if index > self.committed:
            assert index <= self.last_index(), (
                f"commit {index} beyond the end ({self.last_index()}): lost data?"
            )
            self.committed = index

    def applied_to(self, index: int) -> None:
        assert self.applied <= index <= self.committed, (self.applied, index, self.committed)
        self.applied = index

    def has_next_committed(self) -> bool:
        return self.committed > self.applied and self.pending_snapshot is None

    def next_committed(self, max_bytes: int) -> list[Entry]:
        """Committed entries still to be applied; none while a snapshot waits, as it comes before them."""
        if not self.has_next_committed():
            return []
        return self.entries(self.applied + 1, self.committed + 1, max_bytes)

    # Saving

    def unstable_entries(self) -> list[Entry]:
        return list(self._unstable)

    def stable_index(self) -> int:
        """The last index that storage holds as this log does."""
        return self._offset - 1

    def stable_to(self, index: int, term: int) -> None:
        """The owner saved entries ending so; if they were replaced meanwhile, the replacement stays unstable.

        An entry is known by (index, term): where they still match, all before them matches as well.
        """
        if index < self._offset or not self.matches(index, term):
            return
        del self._unstable[: index - self._offset + 1]
        self._offset = index + 1

    def stable_snapshot_to(self, index: int) -> None:
        if self.pending_snapshot and self.pending_snapshot.metadata.index == index:
            self.pending_snapshot = None

    def snapshot(self) -> Snapshot:
        """The newest snapshot there is to send."""
        return self.pending_snapshot or self._storage.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Replace the whole log by a snapshot (Raft 7)."""
        metadata: SnapshotMetadata = snapshot.metadata
        assert metadata.index > self.committed, "a snapshot never takes back what is committed"
        self.committed = metadata.index
        self._offset = metadata.index + 1
        self._unstable = []
        self.pending_snapshot = snapshot
