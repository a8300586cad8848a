"""Core: where the state machine keeps its rows: named buckets of sorted keys, and a twin of the disk in
memory.

Everything the members must agree on is a row of some bucket, the applied index too; so whatever was made
durable together is a state that once was, and a snapshot is simply all rows. Writes are seen by the next
read at once; when they reach the disk is the backend's affair (see backend_lmdb.py), always whole applied
entries at a time.

Invariants: rows of a bucket come in the order of their keys. A scan is used up before the next write and
before anything is awaited.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from sortedcontainers import SortedDict

Row = tuple[bytes, bytes]
BucketRow = tuple[str, bytes, bytes]

META = "meta"  # single facts: applied index, compaction, conf state
KEY = "key"  # revision -> the key's version written there
INDEX = "index"  # key -> its newest revision (key_index.py)
HISTORY = "history"  # key's id and revision -> nothing: which revisions a key has
LEASE = "lease"  # lease id -> ttl
ATTACHED = "attached"  # lease id and key -> nothing
ALARM = "alarm"  # member id and alarm -> nothing
MEMBERS = "members"  # member id -> name and URLs
BUCKETS = (META, KEY, INDEX, HISTORY, LEASE, ATTACHED, ALARM, MEMBERS)


Prepared = Any
"""Rows made ready to take the place of all others: a path on disk, or the buckets themselves."""


class SnapshotGone(Exception):
    """The file below an open snapshot was replaced meanwhile."""


class Snapshot(Protocol):
    """All rows as they were durable at one moment; it costs disk space while it is open."""

    def get(self, bucket: str, key: bytes) -> bytes | None: ...
    def rows(self) -> Iterator[BucketRow]: ...
    def close(self) -> None: ...


class Backend(Protocol):
    """Buckets of rows. `durable` reads past what is not yet on disk.

    `restore` replaces everything. It has two halves: `prepare` takes the time, is all or nothing, raises what
    the rows' iterator raises, and OSError where the disk fails; `adopt` puts what was prepared in place.
    """

    def get(self, bucket: str, key: bytes) -> bytes | None: ...
    def scan(
        self, bucket: str, start: bytes = b"", end: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[Row]: ...
    def put(self, bucket: str, key: bytes, value: bytes) -> None: ...
    def delete(self, bucket: str, key: bytes) -> None: ...
    def durable(self, bucket: str, key: bytes) -> bytes | None: ...
    def snapshot(self) -> Snapshot: ...
    async def run(self) -> None: ...
    async def flush(self) -> None: ...
    async def restore(self, rows: Iterable[BucketRow]) -> None: ...
    async def prepare(self, rows: Iterable[BucketRow]) -> Prepared: ...
    async def adopt(self, prepared: Prepared) -> None: ...
    def discard(self, prepared: Prepared) -> None: ...
    async def defragment(self) -> None: ...
    def close(self) -> None: ...

    @property
    def size_bytes(self) -> int: ...
    @property
    def size_in_use_bytes(self) -> int: ...


class MemoryBackend:
    """The twin without a disk, for simulation and tests: what is written is durable."""

    def __init__(self) -> None:
        self._buckets: dict[str, SortedDict] = {bucket: SortedDict() for bucket in BUCKETS}

    def get(self, bucket: str, key: bytes) -> bytes | None:
        value: bytes | None = self._buckets[bucket].get(key)
        return value

    def scan(
        self, bucket: str, start: bytes = b"", end: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[Row]:
        rows = self._buckets[bucket]
        for key in rows.irange(start, end, inclusive=(True, False), reverse=reverse):
            yield key, rows[key]

    def put(self, bucket: str, key: bytes, value: bytes) -> None:
        self._buckets[bucket][key] = value

    def delete(self, bucket: str, key: bytes) -> None:
        self._buckets[bucket].pop(key, None)

    def durable(self, bucket: str, key: bytes) -> bytes | None:
        return self.get(bucket, key)

    def snapshot(self) -> Snapshot:
        return MemorySnapshot({bucket: dict(rows) for bucket, rows in self._buckets.items()})

    async def run(self) -> None:
        """Nothing happens here of itself."""

    async def flush(self) -> None:
        """Nothing waits for a disk here."""

    async def restore(self, rows: Iterable[BucketRow]) -> None:
        await self.adopt(await self.prepare(rows))

    async def prepare(self, rows: Iterable[BucketRow]) -> Prepared:
        buckets: dict[str, SortedDict] = {bucket: SortedDict() for bucket in BUCKETS}
        for name, key, value in rows:
            buckets[name][key] = value
        return buckets

    async def adopt(self, prepared: Prepared) -> None:
        self._buckets = prepared

    def discard(self, prepared: Prepared) -> None:
        prepared.clear()

    async def defragment(self) -> None:
        """Memory has no holes."""

    def close(self) -> None:
        """There is no file to let go of."""

    @property
    def size_bytes(self) -> int:
        return sum(len(key) + len(value) for rows in self._buckets.values() for key, value in rows.items())

    @property
    def size_in_use_bytes(self) -> int:
        return self.size_bytes


class MemorySnapshot:
    """A copy of the twin's rows."""

    def __init__(self, buckets: dict[str, dict[bytes, bytes]]) -> None:
        self._buckets = buckets

    def get(self, bucket: str, key: bytes) -> bytes | None:
        return self._buckets[bucket].get(key)

    def rows(self) -> Iterator[BucketRow]:
        for bucket, rows in self._buckets.items():
            for key, value in rows.items():
                yield bucket, key, value

    def close(self) -> None:
        """A copy holds nothing open."""
