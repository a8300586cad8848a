"""Rows of a state machine as values: put back, hashed, and the position and membership read off them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from etcdlite import snapshots
from etcdlite.mvcc.backend import BucketRow, MemoryBackend, Snapshot
from etcdlite.mvcc.store import Store
from etcdlite.raft.messages import SnapshotMetadata
from etcdlite.raft.storage import FOUNDING_INDEX


def restore(backend: MemoryBackend, rows: Iterable[BucketRow]) -> None:
    """MemoryBackend.restore has nothing to wait for, so its coroutine ends at the first step."""
    step = backend.restore(rows)
    try:
        step.send(None)
    except StopIteration:
        return
    raise AssertionError("the memory backend waited for something")


def position(snapshot: Snapshot) -> SnapshotMetadata:
    """How far these rows have come; founders' rows stand at the founding, a newcomer's before it."""
    metadata = snapshots.metadata_of(snapshot)
    if metadata.index == 0 and metadata.conf_state.voters:
        return SnapshotMetadata(FOUNDING_INDEX, 0, metadata.conf_state)
    return metadata


def state_hash(store: Store) -> str:
    """Of all rows, once those are gone that a compaction leaves for later: each member has its own pace."""
    while store.is_compacting:
        store.compact_step()
    digest = hashlib.sha256()
    for bucket, key, value in store.backend.snapshot().rows():
        digest.update(f"{bucket} {len(key)} {len(value)} ".encode() + key + value)
    return digest.hexdigest()
