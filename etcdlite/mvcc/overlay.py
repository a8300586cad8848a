"""Core: rows written but not yet on disk, laid over the rows that are.

An overlay remembers per bucket the newest value of each touched key, or None for a deleted one. A read asks
the overlays from the newest to the oldest and the disk last; a scan merges them, the upper one winning.
"""

from __future__ import annotations

from collections.abc import Iterator

from sortedcontainers import SortedDict

from etcdlite.mvcc.backend import BUCKETS, Row

MaybeRow = tuple[bytes, bytes | None]


class Overlay:
    """Rows on their way to the disk; `row_count` counts each touched key once."""

    def __init__(self) -> None:
        self.buckets: dict[str, SortedDict] = {bucket: SortedDict() for bucket in BUCKETS}

    @property
    def row_count(self) -> int:
        return sum(map(len, self.buckets.values()))

    def over(
        self, below: Iterator[MaybeRow], bucket: str, start: bytes, end: bytes | None, reverse: bool
    ) -> Iterator[MaybeRow]:
        """The rows below, with this overlay's rows of the same range over them."""
        rows = self.buckets[bucket]
        keys = rows.irange(start, end, inclusive=(True, False), reverse=reverse)
        first = next(keys, None)
        if first is None:
            return below
        return _merged(below, first, keys, rows, reverse)


def _merged(
    below: Iterator[MaybeRow], first: bytes, keys: Iterator[bytes], rows: SortedDict, reverse: bool
) -> Iterator[MaybeRow]:
    """Both in one order; where both have a key the upper one's row stands."""
    upper: bytes | None = first
    for row in below:
        key = row[0]
        while upper is not None and (upper > key if reverse else upper < key):
            yield upper, rows[upper]
            upper = next(keys, None)
        if upper == key:
            yield upper, rows[upper]
            upper = next(keys, None)
        else:
            yield row
    while upper is not None:
        yield upper, rows[upper]
        upper = next(keys, None)


def present(rows: Iterator[MaybeRow]) -> Iterator[Row]:
    """Only the rows that are not deleted."""
    for key, value in rows:
        if value is not None:
            yield key, value
