"""Shell: a whole state machine on its way from the leader to a member whose log is too far behind.

The leader reads its durable rows in one read transaction and streams them in chunks; the receiver collects
them in a file and only when all are there lets Raft know. What is sent may be newer than what Raft asked
for, so the position and the membership are read from the very rows.

    file = (bucket number, key length, value length | key | value)*

Invariants: memory is bounded by a chunk on both sides; a snapshot takes effect whole or not at all.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from etcdlite.apply import APPLIED, position
from etcdlite.members import conf_state
from etcdlite.mvcc.backend import BUCKETS, MEMBERS, META, BucketRow, Snapshot
from etcdlite.pb import peer_pb2, rpc_pb2
from etcdlite.raft.messages import SnapshotMetadata

CHUNK_BYTES = 256 * 1024
ROW_HEAD = struct.Struct("<BII")


def metadata_of(snapshot: Snapshot) -> SnapshotMetadata:
    """Where these rows stand in the log, and who belonged to the cluster then."""
    index, term = position(snapshot.get(META, APPLIED))
    members = [rpc_pb2.Member.FromString(row) for bucket, _, row in snapshot.rows() if bucket == MEMBERS]
    return SnapshotMetadata(index, term, conf_state(members))


def chunks(rows: Iterable[BucketRow]) -> Iterator[Any]:
    """The rows in messages of about CHUNK_BYTES; the last one says so."""
    chunk, size = peer_pb2.SnapshotChunk(), 0
    for bucket, key, value in rows:
        chunk.rows.add(table=bucket, key=key, value=value)
        size += len(key) + len(value)
        if size >= CHUNK_BYTES:
            yield chunk
            chunk, size = peer_pb2.SnapshotChunk(), 0
    chunk.last = True
    yield chunk


def encode_rows(chunk: Any) -> bytes:
    """The rows of a chunk as they are kept in the file."""
    parts = []
    for row in chunk.rows:
        parts.append(ROW_HEAD.pack(BUCKETS.index(row.table), len(row.key), len(row.value)))
        parts.append(row.key)
        parts.append(row.value)
    return b"".join(parts)


def read_rows(path: Path) -> Iterator[BucketRow]:
    """The rows in a file."""
    with path.open("rb") as file:
        while head := file.read(ROW_HEAD.size):
            bucket, key_size, value_size = ROW_HEAD.unpack(head)
            yield BUCKETS[bucket], file.read(key_size), file.read(value_size)
