"""Rows of a state machine as values: put back, hashed, and the position and membership read off them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from etcdlite import snapshots
from etcdlite.apply import APPLIED
from etcdlite.mvcc.backend import HISTORY, INDEX, META, BucketRow, MemoryBackend, Snapshot
from etcdlite.mvcc.store import Store
from etcdlite.raft.messages import SnapshotMetadata


def restore(backend: MemoryBackend, rows: Iterable[BucketRow]) -> None:
    """MemoryBackend.restore has nothing to wait for, so its coroutine ends at the first step."""
    step = backend.restore(rows)
    try:
        step.send(None)
    except StopIteration:
        return
    raise AssertionError("the memory backend waited for something")


def position(snapshot: Snapshot) -> SnapshotMetadata:
    """How far these rows have come, and the membership then; a newcomer has none of either."""
    is_new = snapshot.get(META, APPLIED) is None
    return SnapshotMetadata() if is_new else snapshots.metadata_of(snapshot)


def state_hash(store: Store) -> str:
    """What all members must agree on, without the rows that each drops at its own pace after a compaction.

    The index counts by what it says: its ids depend on whether a deleted key's last row was still there when
    the key came back.
    """
    while store.is_compacting:
        store.compact_step()
    digest = hashlib.sha256()
    for bucket, key, value in store.backend.snapshot().rows():
        if bucket not in (INDEX, HISTORY):
            digest.update(f"{bucket} {len(key)} {len(value)} ".encode() + key + value)
    for at_revision in (0, store.compacted):
        digest.update(repr(store.range(b"\0", b"\0", at_revision=at_revision)).encode())
    return digest.hexdigest()
