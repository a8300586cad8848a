"""Core: which revisions a key has, and which of them one sees at a given revision.

    index    key                  -> newest: its last revision, version, create revision, lease, id
    history  id, revision         -> b"" or TOMBSTONE

A key's life is a row of *generations*: from its creation (version 1) over its changes to the tombstone that
ends it. Reads at the present need only the newest record; reads of the past seek in the history for the
last revision not after theirs. The id is the revision at which the index first met the key: it makes
history rows short, however long the key is.

Example: put a (2), put a (3), delete a (4), put a (6) leaves history 2, 3, 4 tombstone, 6; one sees at 3
the version written at 3, at 4 and 5 nothing, and from 6 on a new key with create revision 6 and version 1.

Invariants: the newest record agrees with the last history row of its id; only compaction removes history
rows.
After: etcd server/storage/mvcc/key_index.go, which keeps the same in memory.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from etcdlite.mvcc import revision
from etcdlite.mvcc.backend import HISTORY, INDEX, Backend

RECORD = struct.Struct(">12sQQq12s")
PRESENT = b""
TOMBSTONE = b"\1"


class Newest(NamedTuple):
    """The last thing that happened to a key; version 0 says it was deleted."""

    at: bytes  # packed revision
    version: int
    create_revision: int
    lease: int
    id: bytes


class KeyIndex:
    """The two buckets as one: where the versions of a key are found."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def newest(self, key: bytes) -> Newest | None:
        """What happened to the key last, if it has any history."""
        record = self._backend.get(INDEX, key)
        return None if record is None else Newest._make(RECORD.unpack(record))

    def range(self, key: bytes, range_end: bytes, at_revision: int) -> Iterator[tuple[bytes, bytes]]:
        """The keys one sees at that revision, each with the packed revision of its version there."""
        for found, record in self._records(key, range_end):
            newest = Newest._make(RECORD.unpack(record))
            if revision.main_of(newest.at) <= at_revision:
                if newest.version:
                    yield found, newest.at
            elif (seen := self._seen_at(newest.id, at_revision)) is not None:
                yield found, seen

    def live(self, key: bytes, range_end: bytes) -> list[tuple[bytes, Newest]]:
        """The keys that exist now, ready to be changed."""
        records = self._records(key, range_end)
        keys = [(found, Newest._make(RECORD.unpack(record))) for found, record in records]
        return [(found, newest) for found, newest in keys if newest.version]

    def put(self, key: bytes, newest: Newest) -> None:
        """Record what happened to the key now."""
        self._backend.put(INDEX, key, RECORD.pack(*newest))
        self._backend.put(HISTORY, newest.id + newest.at, PRESENT if newest.version else TOMBSTONE)

    def previous(self, key_id: bytes, at: bytes) -> bytes | None:
        """The revision of the key right before the given one of its revisions."""
        for row_key, _ in self._backend.scan(HISTORY, key_id, key_id + at, reverse=True):
            return row_key[revision.SIZE :]
        return None

    def forget(self, key: bytes, newest: Newest, at: bytes) -> None:
        """Drop one revision; the key itself goes when its last one, a tombstone, does."""
        self._backend.delete(HISTORY, newest.id + at)
        if at == newest.at:
            assert newest.version == 0, "compaction keeps the newest revision of a live key"
            self._backend.delete(INDEX, key)

    def _records(self, key: bytes, range_end: bytes) -> Iterator[tuple[bytes, bytes]]:
        if range_end:
            yield from self._backend.scan(INDEX, key, None if range_end == b"\0" else range_end)
        elif (record := self._backend.get(INDEX, key)) is not None:
            yield key, record

    def _seen_at(self, key_id: bytes, at_revision: int) -> bytes | None:
        end = key_id + revision.pack(at_revision + 1)
        for row_key, mark in self._backend.scan(HISTORY, key_id, end, reverse=True):
            return None if mark == TOMBSTONE else row_key[revision.SIZE :]
        return None


def is_live(record: bytes) -> bool:
    """Does the key of this row of the index exist now?"""
    return Newest._make(RECORD.unpack(record)).version > 0
