"""What happened, revision by revision: that against which every answer and every watch is held.

In the simulation the members tell, each as it applies: the first one's word counts, and the others must say
the same. Of real processes one watch of everything tells in the end.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

from etcdlite.mvcc.key_value import KeyValue


class History:
    """`changes[r]` is what revision r did to which key; a tombstone is a change, too."""

    def __init__(self) -> None:
        self.changes: dict[int, tuple[KeyValue, ...]] = {}
        self._versions: dict[bytes, list[KeyValue]] = {}

    @property
    def revision(self) -> int:
        return max(self.changes, default=1)

    def committed(self, at_revision: int, changes: Sequence[KeyValue]) -> None:
        """A member made this revision."""
        known = self.changes.get(at_revision)
        if known is None:
            self.changes[at_revision] = tuple(changes)
            for kv in changes:
                self._versions.setdefault(kv.key, []).append(kv)
        else:
            assert known == tuple(changes), f"two members disagree on revision {at_revision}"

    def at(self, key: bytes, revision: int) -> KeyValue | None:
        """The key as seen at a revision."""
        versions = self._versions.get(key, [])
        place = bisect_right(versions, revision, key=lambda kv: kv.mod_revision)
        found = versions[place - 1] if place else None
        return None if found is None or found.is_tombstone else found

    def within(self, key: bytes, range_end: bytes, revision: int) -> list[KeyValue]:
        """The keys of a range as seen at a revision."""
        names = sorted(name for name in self._versions if is_within(name, key, range_end))
        return [kv for name in names if (kv := self.at(name, revision)) is not None]

    def events(self, key: bytes, range_end: bytes, first: int, last: int) -> Iterator[KeyValue]:
        """What happened in a range from one revision to another."""
        for revision in range(first, last + 1):
            for kv in self.changes.get(revision, ()):
                if is_within(kv.key, key, range_end):
                    yield kv


def is_within(name: bytes, key: bytes, range_end: bytes) -> bool:
    """Is a key in a range, as etcd means it?"""
    if not range_end:
        return name == key
    return name >= key and (range_end == b"\0" or name < range_end)


def kv_of(pb: Any) -> KeyValue:
    """A key-value of a response."""
    return KeyValue(pb.key, pb.create_revision, pb.mod_revision, pb.version, pb.value, pb.lease)
