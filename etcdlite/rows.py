"""Core: rows of the backend as bytes, as they travel to another member and stand in snapshot files.

    row = bucket number, key length, value length | key | value

What is read is checked: a row that is cut short, of no bucket there is, or rows that do not have the SHA-256
they should have, raise `RowsDamaged` before the last of them is out, so whoever fills a database with them
throws it away.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from etcdlite.mvcc.backend import BUCKETS, BucketRow

CHUNK_BYTES = 256 * 1024
ROW_HEAD = struct.Struct("<BII")
DIGEST_BYTES = 32
NUMBERS = {bucket: number for number, bucket in enumerate(BUCKETS)}


class RowsDamaged(Exception):
    """These rows cannot be trusted; the text says why."""


def chunks(rows: Iterable[BucketRow]) -> Iterator[bytes]:
    """The rows in pieces of about CHUNK_BYTES, the same ones every time."""
    parts: list[bytes] = []
    size = 0
    for bucket, key, value in rows:
        parts += (ROW_HEAD.pack(NUMBERS[bucket], len(key), len(value)), key, value)
        size += len(key) + len(value)
        if size >= CHUNK_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    yield b"".join(parts)


def read(file: BinaryIO, size: int, digest: bytes) -> Iterator[BucketRow]:
    """The rows in the next `size` bytes of a file; damage is noticed by the end of the iteration."""
    seen = hashlib.sha256()
    while size:
        head = file.read(min(size, ROW_HEAD.size))
        if len(head) < ROW_HEAD.size:
            raise RowsDamaged("a row is cut short")
        number, key_size, value_size = ROW_HEAD.unpack(head)
        size -= ROW_HEAD.size + key_size + value_size
        if size < 0 or number >= len(BUCKETS):
            raise RowsDamaged("a row is none")
        body = file.read(key_size + value_size)
        seen.update(head)
        seen.update(body)
        yield BUCKETS[number], body[:key_size], body[key_size:]
    if seen.digest() != digest:
        raise RowsDamaged(f"the rows contradict their SHA-256 {digest.hex()}")
