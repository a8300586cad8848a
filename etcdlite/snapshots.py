"""Shell: a whole state machine on its way from the leader to a member whose log is too far behind.

The leader reads its durable rows in one read transaction and streams them in chunks; the receiver collects
them in a file and only when all are there lets Raft know. What is sent may be newer than what Raft asked
for, so the position and the membership are read from the very rows.

    file = (bucket number, key length, value length | key | value)*

Invariants: memory is bounded by a chunk on both sides; a snapshot takes effect whole or not at all.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from etcdlite import codec
from etcdlite.apply import APPLIED, position
from etcdlite.members import CONF_STATE, decode_conf_state
from etcdlite.mvcc.backend import BUCKETS, META, Backend, BucketRow, Snapshot
from etcdlite.pb import peer_pb2
from etcdlite.raft.messages import Message, SnapshotMetadata

CHUNK_BYTES = 256 * 1024
ROW_HEAD = struct.Struct("<BII")


class Snapshots:
    """The snapshots that leave this member and those that come, the latter as files in `folder`."""

    def __init__(self, backend: Backend, folder: Path) -> None:
        self._backend = backend
        self._folder = folder
        self._numbers = count()
        folder.mkdir(exist_ok=True)
        for left_over in folder.iterdir():
            left_over.unlink()

    async def outgoing(self, message: Message) -> AsyncIterator[Any]:
        """The chunks of a snapshot at least as new as the message says; the first carries the message."""
        snapshot = self._backend.snapshot()
        try:
            pb = codec.message_to_pb(message)
            pb.snapshot.metadata.CopyFrom(codec.metadata_to_pb(metadata_of(snapshot)))
            yield peer_pb2.SnapshotChunk(message=pb)
            for chunk in chunks(snapshot.rows()):
                yield chunk
                await asyncio.sleep(0)  # let the loop breathe between two chunks
        finally:
            snapshot.close()

    async def incoming(self, chunks: AsyncIterator[Any]) -> tuple[Message, Path] | None:
        """The message and the file of its rows; None if the chunks ended early."""
        message: Message | None = None
        path = self._folder / f"{next(self._numbers)}.rows"
        is_whole = False
        try:
            with path.open("wb") as file:
                async for chunk in chunks:
                    if chunk.HasField("message"):
                        message = codec.message_from_pb(chunk.message)
                    file.write(encode_rows(chunk))
                    is_whole = chunk.last
        finally:
            if not is_whole:
                path.unlink()
        return (message, path) if message is not None and is_whole else None


def metadata_of(snapshot: Snapshot) -> SnapshotMetadata:
    """Where these rows stand in the log, and who belonged to the cluster then."""
    index, term = position(snapshot.get(META, APPLIED))
    return SnapshotMetadata(index, term, decode_conf_state(snapshot.get(META, CONF_STATE)))


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
