"""Core: a point in the store's history: which writing transaction, and which change within it.

Every transaction that writes moves the store to the next main revision; its changes are numbered by sub.
Packed as 12 big-endian bytes, revisions sort as they happened.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

PACKED = struct.Struct(">QI")
SIZE = PACKED.size


class Revision(NamedTuple):
    """Main counts transactions from 1 (the empty store); sub counts changes from 0."""

    main: int
    sub: int = 0


def pack(main: int, sub: int = 0) -> bytes:
    """The sortable bytes of a revision."""
    return PACKED.pack(main, sub)


def unpack(packed: bytes) -> Revision:
    """The revision of its bytes."""
    return Revision(*PACKED.unpack(packed))


def main_of(packed: bytes) -> int:
    """Only the main part of packed bytes."""
    return int.from_bytes(packed[:8], "big")
