"""Core: a watch is a cursor over the revision log: which revision to look at next, and what to look for.

    log:     ... 41 42 43 44 45 | 46 47 48      right of the bar: the tail in memory; left: rows
                    ^ behind          ^ live

A cursor is *live* while everything up to the present has been given to it or does not concern it, else
*behind*. A new revision makes exactly those live cursors behind that it concerns, and wakes them; whoever
reads then polls: some whole revisions at a time, as fast as its reader takes them. So there is no queue per
watch, a slow watch costs nothing but its place, and nothing is ever dropped. A live cursor's
`next_revision` may stand at an older revision: nothing that concerns it has happened since.

Whom a change concerns is found by looking up its key, and the prefixes of it that are watched at all: the
cost does not grow with the number of watches on other keys. Only ranges that are no prefixes are asked one
by one.

Invariants: a cursor gets every change of its range with a revision >= its start, once, in order; the
changes of one revision are never split. After: etcd server/storage/mvcc/watchable_store.go, with cursors
instead of its three groups of watchers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby

from etcdlite.errors import Refusal
from etcdlite.mvcc.key_value import KeyValue
from etcdlite.mvcc.store import Store

TAIL_SIZE_BYTES = 16 << 20  # changes kept in memory for cursors a little behind
CHANGE_OVERHEAD_BYTES = 300  # what a change costs beside its key and value, about
POLL_EVENT_COUNT = 1000  # events of one poll, the last revision whole; etcd's watchBatchMaxRevs
POLL_SIZE_BYTES = 1 << 20  # what its events may hold, the last revision whole: all that a slow client costs
POLL_CHANGE_COUNT = 2000  # changes one poll may pass over before others get their turn


@dataclass(slots=True, eq=False)
class Cursor:
    """One watch. `wake` is called when it falls behind; `is_behind` says that polling may yield something."""

    key: bytes
    range_end: bytes
    next_revision: int
    wake: Callable[[Cursor], None]
    is_behind: bool = False
    no_put: bool = False
    no_delete: bool = False

    def wants(self, kv: KeyValue) -> bool:
        """Does the change concern this watch?"""
        if self.no_delete if kv.version == 0 else self.no_put:
            return False
        if not self.range_end:
            return kv.key == self.key
        return kv.key >= self.key and (self.range_end == b"\0" or kv.key < self.range_end)


class Cursors:
    """All watches of a store, and the newest part of its log."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._interests = Interests()
        self._tail: dict[int, list[KeyValue]] = {}
        self._tail_size_bytes = 0
        self._seen_revision = store.revision
        self.event_count = 0
        store.listeners.append(self)

    def open(
        self,
        key: bytes,
        range_end: bytes,
        start_revision: int,
        wake: Callable[[Cursor], None],
        *,
        no_put: bool = False,
        no_delete: bool = False,
    ) -> Cursor | Refusal:
        """Watch a range from a revision on (0: from the next change on)."""
        if 0 < start_revision < self._store.compacted:
            return Refusal.COMPACTED
        next_revision = start_revision or self._store.revision + 1
        cursor = Cursor(key, range_end, next_revision, wake, no_put=no_put, no_delete=no_delete)
        cursor.is_behind = next_revision <= self._store.revision
        self._interests.add(cursor)
        return cursor

    def close(self, cursor: Cursor) -> None:
        self._interests.remove(cursor)

    def __len__(self) -> int:
        return sum(1 for _ in self._interests.all())

    @property
    def behind_count(self) -> int:
        return sum(cursor.is_behind for cursor in self._interests.all())

    def poll(self, cursor: Cursor) -> list[KeyValue] | Refusal:
        """The cursor's next changes, in whole revisions; it may still be behind afterwards."""
        assert cursor.is_behind, "nothing to poll"
        events: list[KeyValue] = []
        passed_count = passed_bytes = 0
        if cursor.next_revision not in self._tail and cursor.next_revision < self._store.compacted:
            return Refusal.COMPACTED
        for at_revision, changes in self._log(cursor.next_revision):
            wanted = [kv for kv in changes if cursor.wants(kv)]
            events += wanted
            cursor.next_revision = at_revision + 1
            passed_count += len(changes)
            passed_bytes += _size_bytes(wanted)
            is_full = len(events) >= POLL_EVENT_COUNT or passed_bytes >= POLL_SIZE_BYTES
            if is_full or passed_count >= POLL_CHANGE_COUNT:
                break
        else:
            cursor.next_revision = max(cursor.next_revision, self._store.revision + 1)
        cursor.is_behind = cursor.next_revision <= self._store.revision
        self.event_count += len(events)
        return events

    # ---- the store's listener

    def committed(self, at_revision: int, changes: list[KeyValue]) -> None:
        self._seen_revision = at_revision
        self._remember(at_revision, changes)
        for kv in changes:
            for cursor in self._interests.of(kv.key):
                if not cursor.is_behind and cursor.next_revision <= at_revision:
                    cursor.next_revision = at_revision
                    cursor.is_behind = True
                    cursor.wake(cursor)

    def restored(self) -> None:
        """The store jumped: every live cursor has to look at what lies between."""
        self._tail.clear()
        self._tail_size_bytes = 0
        for cursor in self._interests.all():
            if not cursor.is_behind:
                cursor.next_revision = max(cursor.next_revision, self._seen_revision + 1)
                cursor.is_behind = cursor.next_revision <= self._store.revision
                if cursor.is_behind:
                    cursor.wake(cursor)
        self._seen_revision = self._store.revision

    def _remember(self, at_revision: int, changes: list[KeyValue]) -> None:
        self._tail[at_revision] = changes
        self._tail_size_bytes += _size_bytes(changes)
        while self._tail_size_bytes > TAIL_SIZE_BYTES and len(self._tail) > 1:
            oldest = next(iter(self._tail))
            self._tail_size_bytes -= _size_bytes(self._tail.pop(oldest))

    def _log(self, from_revision: int) -> Iterator[tuple[int, list[KeyValue]]]:
        """Revisions with their changes: from memory if it reaches back so far, else from the rows."""
        if from_revision in self._tail:
            for at_revision in range(from_revision, self._store.revision + 1):
                yield at_revision, self._tail[at_revision]
        else:
            rows = self._store.changes_since(from_revision)
            for at_revision, changes in groupby(rows, key=lambda kv: kv.mod_revision):
                yield at_revision, list(changes)


class Interests:
    """Which cursors a key concerns."""

    def __init__(self) -> None:
        self._by_key: defaultdict[bytes, dict[Cursor, None]] = defaultdict(dict)
        self._by_prefix: defaultdict[bytes, dict[Cursor, None]] = defaultdict(dict)
        self._prefix_sizes: defaultdict[int, int] = defaultdict(
            int
        )  # how many prefixes of a size are watched
        self._others: dict[Cursor, None] = {}

    def add(self, cursor: Cursor) -> None:
        if not cursor.range_end:
            self._by_key[cursor.key][cursor] = None
        elif is_prefix(cursor.key, cursor.range_end):
            if cursor.key not in self._by_prefix:
                self._prefix_sizes[len(cursor.key)] += 1
            self._by_prefix[cursor.key][cursor] = None
        else:
            self._others[cursor] = None

    def remove(self, cursor: Cursor) -> None:
        if not cursor.range_end:
            _drop(self._by_key, cursor)
        elif not is_prefix(cursor.key, cursor.range_end):
            del self._others[cursor]
        elif _drop(self._by_prefix, cursor):
            self._prefix_sizes[len(cursor.key)] -= 1
            if not self._prefix_sizes[len(cursor.key)]:
                del self._prefix_sizes[len(cursor.key)]

    def of(self, key: bytes) -> Iterator[Cursor]:
        """The cursors whose range holds the key."""
        yield from self._by_key.get(key, ())
        for size in self._prefix_sizes:
            if size <= len(key):
                yield from self._by_prefix.get(key[:size], ())
        for cursor in self._others:
            if key >= cursor.key and (cursor.range_end == b"\0" or key < cursor.range_end):
                yield cursor

    def all(self) -> Iterator[Cursor]:
        for cursors in (*self._by_key.values(), *self._by_prefix.values(), self._others):
            yield from cursors


def is_prefix(key: bytes, range_end: bytes) -> bool:
    """Does [key, range_end) hold exactly the keys that begin with `key`?"""
    stripped = key.rstrip(b"\xff")
    return stripped == key != b"" and range_end == key[:-1] + bytes([key[-1] + 1])


def _size_bytes(changes: list[KeyValue]) -> int:
    return sum(len(kv.key) + len(kv.value) + CHANGE_OVERHEAD_BYTES for kv in changes)


def _drop(cursors: dict[bytes, dict[Cursor, None]], cursor: Cursor) -> bool:
    """Remove the cursor; was it the last of its key?"""
    of_key = cursors[cursor.key]
    del of_key[cursor]
    if not of_key:
        del cursors[cursor.key]
    return not of_key
