"""Core: how keys longer than LMDB takes (511 bytes) are kept in order.

All keys that share their first 500 bytes and are longer live together in one row, the *group*, whose key is
that prefix and a zero byte. It sorts where they would: after the prefix itself, before every other key of
up to 500 bytes. The group's value is the sorted list of the keys' rests with their values. Keys are rarely
so long, and rarely many in one group, so the whole group is rewritten when one changes.
"""

from __future__ import annotations

import struct

from etcdlite.mvcc.backend import Row

PLAIN_SIZE_MAX = 500
SIZES = struct.Struct(">II")


def is_long(key: bytes) -> bool:
    """Does the key not fit a row of its own?"""
    return len(key) > PLAIN_SIZE_MAX


def is_group(stored_key: bytes) -> bool:
    """Is the stored row a group of long keys?"""
    return len(stored_key) == PLAIN_SIZE_MAX + 1


def stored(key: bytes) -> bytes:
    """The key of the row that holds this key: its own, or its group's."""
    return key[:PLAIN_SIZE_MAX] + b"\0" if is_long(key) else key


def rows_of(group_key: bytes, group: bytes) -> list[Row]:
    """The long keys of a group and their values, in order."""
    prefix = group_key[:PLAIN_SIZE_MAX]
    rows, at = [], 0
    while at < len(group):
        rest_size, value_size = SIZES.unpack_from(group, at)
        value_at = at + SIZES.size + rest_size
        rows.append((prefix + group[at + SIZES.size : value_at], group[value_at : value_at + value_size]))
        at = value_at + value_size
    assert at == len(group), "a group of long keys is cut short"
    return rows


def changed(group_key: bytes, group: bytes, key: bytes, value: bytes | None) -> bytes:
    """The group with one key set, or removed; empty when none is left."""
    assert stored(key) == group_key, "the key belongs to another group"
    rows = dict(rows_of(group_key, group))
    rows.pop(key, None)
    if value is not None:
        rows[key] = value
    parts = []
    for long_key, row in sorted(rows.items()):
        rest = long_key[PLAIN_SIZE_MAX:]
        parts += [SIZES.pack(len(rest), len(row)), rest, row]
    return b"".join(parts)
