"""Shell: a snapshot as a file: everything a member holds, to be kept elsewhere and restored some day.

    file = MAGIC | length of the head (4 bytes) | head (JSON) | rows (rows.py) | SHA-256 of all before

Invariants: a file is read only after its SHA-256 was found right; it has its name only once it is whole.
Absent: bbolt, etcd's format (docs/adr/0009-snapshots-of-our-own.md).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from etcdlite import rows
from etcdlite.mvcc import key_index
from etcdlite.mvcc.backend import INDEX, BucketRow
from etcdlite.mvcc.format import FORMAT, refuse_format

MAGIC = b"etcdlite-snapshot\n"
LENGTH_BYTES = 4
READ_BYTES = 1 << 20


class NoSnapshot(Exception):
    """The file is no snapshot one may restore; the text says why, and names it."""


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of the state without reading its rows."""

    cluster_id: int
    member_id: int
    revision: int
    compacted: int
    version: str
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """A file that was found whole."""

    path: Path
    head: Head
    digest: str
    size: int
    rows_at: int
    rows_size: int
    rows_digest: bytes

    def key_count(self) -> int:
        """How many keys exist in it."""
        return sum(bucket == INDEX and key_index.is_live(record) for bucket, _, record in self.rows())

    def rows(self) -> Iterator[BucketRow]:
        """Its rows."""
        with self.path.open("rb") as file:
            file.seek(self.rows_at)
            yield from rows.read(file, self.rows_size, self.rows_digest)


def encoded(head: Head, found: Iterable[BucketRow]) -> Iterator[bytes]:
    """The bytes of the file, in bearable pieces."""
    digest = hashlib.sha256()
    text = json.dumps(asdict(head)).encode()
    yield from _hashed(digest, [MAGIC + len(text).to_bytes(LENGTH_BYTES, "big") + text])
    yield from _hashed(digest, rows.chunks(found))
    yield digest.digest()


def _hashed(digest: Any, parts: Iterable[bytes]) -> Iterator[bytes]:
    for part in parts:
        digest.update(part)
        yield part


async def write(path: Path, parts: AsyncIterator[bytes]) -> SnapshotFile:
    """Keep what comes under this name, once it is whole and on the disk."""
    unfinished = path.with_name(path.name + ".part")
    try:
        with open(unfinished, "wb") as file:  # noqa: ASYNC230 -- a tool with nothing else to do
            async for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        check(unfinished)
        os.replace(unfinished, path)
    finally:
        _remove(unfinished)
    return check(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def check(path: Path) -> SnapshotFile:
    """Read a file from end to end; NoSnapshot if it is damaged, of a newer release, or something else."""
    try:
        with path.open("rb") as file:
            return _checked(path, file, path.stat().st_size)
    except OSError as error:
        raise NoSnapshot(f"{path}: {error.strerror}") from error


def _checked(path: Path, file: BinaryIO, size: int) -> SnapshotFile:
    start = file.read(len(MAGIC) + LENGTH_BYTES)
    if not start.startswith(MAGIC) or len(start) < len(MAGIC) + LENGTH_BYTES:
        raise NoSnapshot(f"{path}: no snapshot of this store (etcd's own are read by etcdutl)")
    text = file.read(int.from_bytes(start[len(MAGIC) :], "big"))
    rows_at = file.tell()
    whole, part = hashlib.sha256(start + text), hashlib.sha256()
    left = rows_size = size - rows_at - rows.DIGEST_BYTES
    while left > 0 and (data := file.read(min(left, READ_BYTES))):
        whole.update(data)
        part.update(data)
        left -= len(data)
    if rows_size < 0 or file.read() != whole.digest():
        raise NoSnapshot(f"{path}: damaged or cut short: its content contradicts its SHA-256")
    head = json.loads(text)
    if problem := refuse_format(int(head["format"]).to_bytes(4, "big")):
        raise NoSnapshot(f"{path}: {problem}")
    return SnapshotFile(path, Head(**head), whole.hexdigest(), size, rows_at, rows_size, part.digest())
