"""Core: keys with all their versions, since the last compaction, under one growing revision.

Reads name a revision (or mean now); a write transaction collects changes and ends as one new revision, of
which the listeners (watches) hear. Nothing is rolled back: who writes has checked before.

    key bucket: packed revision -> the key's version written there, or its tombstone

Compaction first moves the mark below which nothing may be read, as part of the applied entry; the rows go
later, in steps small enough not to be felt. Only rows from the last finished compaction on are visited:
each key has at most one row older than that, and it is reached from its successor.

Invariants: compacted <= revision; a revision once given is never given again, whatever is deleted or
compacted.
After: etcd server/storage/mvcc/kvstore.go.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import Protocol

from etcdlite.errors import Refusal
from etcdlite.mvcc import key_value, revision
from etcdlite.mvcc.backend import KEY, META, Backend
from etcdlite.mvcc.key_index import KeyIndex, Newest
from etcdlite.mvcc.key_value import KeyValue

REVISION = b"revision"
COMPACTED = b"compacted"
NEVER = -1  # as the compacted revision, before the first compaction: 0 is still allowed
CLEANED = b"cleaned"  # the last compaction whose rows are all gone
COMPACT_STEP_ROW_COUNT = 500
SLICE_KEY_COUNT = 1000  # keys read in one go, about 10 ms


class Listener(Protocol):
    """Hears of every new revision with its changes in order, and of a whole new state."""

    def committed(self, at_revision: int, changes: list[KeyValue]) -> None: ...
    def restored(self) -> None: ...


class Store:
    """The keys. Reading attributes: `revision` is the newest, `compacted` the oldest that may be read; and
    counts of what was done since the start.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.index = KeyIndex(backend)
        self.listeners: list[Listener] = []
        self.put_count = self.put_bytes = self.delete_count = self.range_count = self.dropped_row_count = 0
        self._compacting_from: bytes | None = None
        self._load()

    def _load(self) -> None:
        self.revision = self._fact(REVISION, 1)
        self.compacted = self._fact(COMPACTED, NEVER)
        self._compacting_from = None
        assert self.compacted <= self.revision, "compacted beyond the present"

    def restored(self) -> None:
        """The backend holds another state now: a snapshot of the leader."""
        self._load()
        for listener in self.listeners:
            listener.restored()

    # ---- reading

    def refuse_revision(self, at_revision: int) -> Refusal | None:
        """Why one may not read at a revision (0: now, always allowed)."""
        if at_revision > self.revision:
            return Refusal.FUTURE_REVISION
        if 0 < at_revision < self.compacted:
            return Refusal.COMPACTED
        return None

    def get(self, key: bytes, at_revision: int = 0) -> KeyValue | None:
        """The one key as seen at the revision."""
        kvs, _ = self.range(key, at_revision=at_revision)
        return kvs[0] if kvs else None

    def range(
        self,
        key: bytes,
        range_end: bytes = b"",
        *,
        at_revision: int = 0,
        limit: int = 0,
        count_only: bool = False,
    ) -> tuple[list[KeyValue], int]:
        """The first `limit` (0: all) keys of the range as seen at the revision, and how many there are."""
        kvs: list[KeyValue] = []
        count = 0
        slices = self.slices(key, range_end, at_revision=at_revision, limit=limit, count_only=count_only)
        for some_kvs, some_count in slices:
            kvs += some_kvs
            count += some_count
        return kvs, count

    def slices(
        self, key: bytes, range_end: bytes, *, at_revision: int, limit: int, count_only: bool
    ) -> Iterator[tuple[list[KeyValue], int]]:
        """The same, some keys at a time; who names a revision may let writes happen between slices."""
        self.range_count += 1
        wanted = 0 if count_only else limit or sys.maxsize
        next_key: bytes | None = key
        while next_key is not None:
            keys = self.index.range(next_key, range_end, at_revision or self.revision + 1)
            found: list[bytes] = []
            count, next_key = 0, None
            for name, at in keys:
                if count == SLICE_KEY_COUNT:
                    next_key = name
                    break
                count += 1
                if len(found) < wanted:
                    found.append(at)
            wanted -= len(found)
            yield [self._written(at) for at in found], count

    def changes_since(self, from_revision: int) -> Iterator[KeyValue]:
        """Every change from that revision on, in order; tombstones are deletions."""
        for at, row in self.backend.scan(KEY, revision.pack(from_revision)):
            yield key_value.decode(row, revision.main_of(at))

    def hash_kv(self, at_revision: int) -> int:
        """A checksum of all history that a reader may see up to the revision: equal on equal members."""
        start: bytes | None = b""
        checksum = 0
        while start is not None:
            checksum, start = self.hash_step(at_revision, start, checksum)
        return checksum

    def hash_step(self, at_revision: int, start: bytes, checksum: int) -> tuple[int, bytes | None]:
        """A part of the checksum: what it is after some rows from `start`, and where the next part starts."""
        while self.is_compacting:  # rows that are about to go must not count
            self.compact_step()
        rows = list(islice(self.backend.scan(KEY, start, revision.pack(at_revision + 1)), SLICE_KEY_COUNT))
        for at, row in rows:
            checksum = zlib.crc32(row, zlib.crc32(at, checksum))
        return checksum, rows[-1][0] + b"\0" if len(rows) == SLICE_KEY_COUNT else None

    # ---- writing

    def write(self) -> WriteTxn:
        """Begin the next revision."""
        return WriteTxn(self)

    def commit(self, changes: list[KeyValue]) -> None:
        """The write transaction's changes become the newest revision."""
        self.revision += 1
        self.backend.put(META, REVISION, self.revision.to_bytes(8, "big"))
        for listener in self.listeners:
            listener.committed(self.revision, changes)

    def refuse_compact(self, at_revision: int) -> Refusal | None:
        """Why one may not compact at a revision."""
        if at_revision > self.revision:
            return Refusal.FUTURE_REVISION
        return Refusal.COMPACTED if at_revision <= self.compacted else None

    def compact(self, at_revision: int) -> None:
        """Nothing before the revision can be read from now on; the rows go step by step."""
        assert self.refuse_compact(at_revision) is None, "checked before"
        self.compacted = at_revision
        self._compacting_from = None
        self.backend.put(META, COMPACTED, at_revision.to_bytes(8, "big"))

    @property
    def is_compacting(self) -> bool:
        """Are there rows left that the last compaction lets go?"""
        return self._fact(CLEANED, NEVER) < self.compacted

    def compact_step(self, row_count: int = COMPACT_STEP_ROW_COUNT) -> None:
        """Visit the next rows of a running compaction and drop those nobody can see any more."""
        start = self._compacting_from or revision.pack(self._fact(CLEANED, 0))
        rows = self.backend.scan(KEY, start, revision.pack(self.compacted + 1))
        batch = [(at, key_value.decode(row, revision.main_of(at))) for at, row in _first(rows, row_count)]
        for at, kv in batch:
            self._drop_hidden(at, kv)
        if len(batch) < row_count:
            self.backend.put(META, CLEANED, self.compacted.to_bytes(8, "big"))
            self._compacting_from = None
        else:
            self._compacting_from = batch[-1][0] + b"\0"

    def _drop_hidden(self, at: bytes, kv: KeyValue) -> None:
        """Drop what this row hides from every reader, and the row itself if it only says "gone".

        A tombstone of the compacted revision itself stays: a watch may begin there and must hear of it.
        """
        newest = self.index.newest(kv.key)
        assert newest is not None, "a row without its key in the index"
        hidden = self.index.previous(newest.id, at)
        if hidden is not None:
            self.dropped_row_count += 1
            self.backend.delete(KEY, hidden)
            self.index.forget(kv.key, newest, hidden)
        if kv.is_tombstone and kv.mod_revision < self.compacted:
            self.backend.delete(KEY, at)
            self.index.forget(kv.key, newest, at)

    def _written(self, at: bytes) -> KeyValue:
        row = self.backend.get(KEY, at)
        assert row is not None, "the index points at a row that is gone"
        return key_value.decode(row, revision.main_of(at))

    def _fact(self, name: bytes, default: int) -> int:
        row = self.backend.get(META, name)
        return default if row is None else int.from_bytes(row, "big")


class WriteTxn:
    """Changes on their way to being one revision; readers inside the transaction see them already."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._main = store.revision + 1
        self._changes: list[KeyValue] = []

    @property
    def revision(self) -> int:
        """The store's revision as seen from inside: the next one once something changed."""
        return self._main if self._changes else self._main - 1

    def put(self, key: bytes, value: bytes, lease: int = 0) -> int:
        """Write a key; says which lease held it before (0: none)."""
        self._store.put_count += 1
        self._store.put_bytes += len(key) + len(value)
        newest = self._store.index.newest(key)
        at = revision.pack(self._main, len(self._changes))
        held_by = newest.lease if newest is not None else 0
        if newest is None or newest.version == 0:
            newest = Newest(at, 1, self._main, lease, at if newest is None else newest.id)
        else:
            newest = Newest(at, newest.version + 1, newest.create_revision, lease, newest.id)
        self._change(newest, KeyValue(key, newest.create_revision, self._main, newest.version, value, lease))
        return held_by

    def delete_range(self, key: bytes, range_end: bytes = b"") -> list[tuple[bytes, int]]:
        """Delete the keys of the range; says which, and which lease held each (0: none)."""
        self._store.delete_count += 1
        deleted = self._store.index.live(key, range_end)
        for found, newest in deleted:
            at = revision.pack(self._main, len(self._changes))
            self._change(Newest(at, 0, 0, 0, newest.id), KeyValue(found, 0, self._main, 0, b""))
        return [(found, newest.lease) for found, newest in deleted]

    def end(self) -> None:
        """The changes, if there are any, become a revision."""
        if self._changes:
            self._store.commit(self._changes)

    def _change(self, newest: Newest, kv: KeyValue) -> None:
        self._store.backend.put(KEY, newest.at, key_value.encode(kv))
        self._store.index.put(kv.key, newest)
        self._changes.append(kv)


def _first(rows: Iterator[tuple[bytes, bytes]], count: int) -> list[tuple[bytes, bytes]]:
    return [row for row, _ in zip(rows, range(count))]
