"""Rows of a state machine as values: put back, hashed, and the position and membership read off them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from etcdlite import snapshots
from etcdlite.mvcc.backend import BUCKETS, HISTORY, INDEX, BucketRow, MemoryBackend, Snapshot
from etcdlite.mvcc.store import Store
from etcdlite.raft.messages import SnapshotMetadata


def fill(backend: MemoryBackend, rows: Iterable[BucketRow]) -> None:
    """Put rows into a backend that has none yet."""
    for bucket, key, value in rows:
        backend.put(bucket, key, value)


def position(snapshot: Snapshot) -> SnapshotMetadata:
    """How far these rows have come, and the membership then."""
    return snapshots.metadata_of(snapshot)


def state_hash(store: Store) -> str:
    """What all members must agree on, without the rows that each drops at its own pace after a compaction.

    The index counts by what it says: its ids depend on whether a deleted key's last row was still there when
    the key came back.
    """
    while store.is_compacting:
        store.compact_step()
    digest = hashlib.sha256()
    for bucket in (bucket for bucket in BUCKETS if bucket not in (INDEX, HISTORY)):
        for key, value in store.backend.scan(bucket):
            digest.update(f"{bucket} {len(key)} {len(value)} ".encode() + key + value)
    for at_revision in (0, store.compacted):
        digest.update(repr(store.range(b"\0", b"\0", at_revision=at_revision)).encode())
    return digest.hexdigest()
