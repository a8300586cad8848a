"""Core: one version of one key, and the row it is stored as.

A row is a fixed head (create revision, version, lease, size of the key) followed by key and value. The
revision it was written at is the row's own key, so it is not repeated inside.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

HEAD = struct.Struct(">QQqI")


class KeyValue(NamedTuple):
    """A key as written at `mod_revision`; version 0 is a tombstone, which says only that the key went."""

    key: bytes
    create_revision: int
    mod_revision: int
    version: int
    value: bytes
    lease: int = 0

    @property
    def is_tombstone(self) -> bool:
        return self.version == 0


def encode(kv: KeyValue) -> bytes:
    """The row of a key's version."""
    return b"".join((HEAD.pack(kv.create_revision, kv.version, kv.lease, len(kv.key)), kv.key, kv.value))


def decode(row: bytes, mod_revision: int) -> KeyValue:
    """The key's version in a row, which was stored under that revision."""
    create_revision, version, lease, key_size = HEAD.unpack_from(row)
    value_at = HEAD.size + key_size
    assert len(row) >= value_at, "a row of the key bucket is cut short"
    return KeyValue(row[HEAD.size : value_at], create_revision, mod_revision, version, row[value_at:], lease)
