"""Core: the objects of one kind and the log of what happened to them; a watch is a cursor over that log.

    objects   ns/name -> Entry            what a list reads
    events    [e7 e8 e9 ... e16]          the newest 10,000 changes, each with the object before and after
    Cursor    position 9 ------^          what a watcher has yet to see

Each object is kept once, encoded, with the little that selectors need; lists, watches and history share the
bytes. A watcher costs one number. One that falls out of the window has lost events and must list again.

Invariants: positions count events from 0 and never repeat; revisions in `events` never fall; `objects` is
the sum of all events ever appended.
After: k8s staging/src/k8s.io/apiserver/pkg/storage/cacher/watch_cache.go
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import orjson
from sortedcontainers import SortedDict

from kube.api import meta
from kube.api.fields import selectable_fields
from kube.api.meta import Object
from kube.api.resources import Resource

WINDOW_EVENTS = 10_000


class TooOld(Exception):
    """The events after a revision are no longer kept; `oldest` is the first one that would do."""

    def __init__(self, revision: int, oldest: int) -> None:
        super().__init__(f"too old resource version: {revision} ({oldest})")


@dataclass(frozen=True, slots=True)
class Entry:
    """One state of an object: its encoded bytes (resourceVersion included) and what selectors ask for."""

    key: str
    revision: int
    data: bytes
    labels: dict[str, str]
    fields: dict[str, str]

    def decode(self) -> Object:
        """A fresh object that the caller may change."""
        decoded: Object = orjson.loads(self.data)
        return decoded


Match = Callable[[Entry], bool]


@dataclass(frozen=True, slots=True)
class Event:
    """One change: the state after it (if `deleted`: the last one, under the new revision) and before."""

    revision: int
    entry: Entry
    previous: Entry | None
    deleted: bool


def make_entry(resource: Resource, key: str, o: Object, revision: int) -> Entry:
    """Stamp the revision into the object and encode it."""
    o["metadata"]["resourceVersion"] = str(revision)
    return Entry(key, revision, orjson.dumps(o), meta.labels(o), selectable_fields(resource, o))


def at_revision(entry: Entry, revision: int) -> bytes:
    """The bytes of an entry under another resourceVersion."""
    o = entry.decode()
    o["metadata"]["resourceVersion"] = str(revision)
    return orjson.dumps(o)


@dataclass(slots=True, eq=False)
class ObjectLog:
    """The cache of one kind.

    start_revision: the revision of the list it was filled from; a watch from before that is too old.
    """

    resource: Resource
    start_revision: int = 0
    objects: SortedDict[str, Entry] = field(default_factory=SortedDict)
    events: deque[Event] = field(default_factory=deque)
    first_position: int = 0
    waiters: list[Callable[[], None]] = field(default_factory=list)

    @property
    def end_position(self) -> int:
        """The position of the next event to come."""
        return self.first_position + len(self.events)

    def fill(self, key: str, value: bytes, revision: int) -> None:
        """Take an object of the initial list."""
        self.objects[key] = make_entry(self.resource, key, orjson.loads(value), revision)

    def put(self, key: str, value: bytes, revision: int) -> None:
        """Append that the key has a new value."""
        entry = make_entry(self.resource, key, orjson.loads(value), revision)
        self._append(Event(revision, entry, self.objects.get(key), deleted=False))
        self.objects[key] = entry

    def delete(self, key: str, revision: int) -> None:
        """Append that the key is gone."""
        previous = self.objects.pop(key, None)
        if previous is None:
            return
        last = Entry(key, revision, at_revision(previous, revision), previous.labels, previous.fields)
        self._append(Event(revision, last, previous, deleted=True))

    def _append(self, event: Event) -> None:
        assert not self.events or event.revision >= self.events[-1].revision, "revisions never fall"
        self.events.append(event)
        if len(self.events) > WINDOW_EVENTS:
            self.start_revision = self.events.popleft().revision
            self.first_position += 1

    def wake(self) -> None:
        """Call everyone who waits for an event."""
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            waiter()

    def in_namespace(self, namespace: str) -> Iterator[Entry]:
        """The objects of a namespace (all, if empty), in the order of their keys."""
        if not namespace:
            return iter(self.objects.values())
        keys: Iterable[str] = self.objects.irange(f"{namespace}/", f"{namespace}0", (True, False))
        return (self.objects[key] for key in keys)

    def cursor(self, revision: int) -> Cursor:
        """A cursor at the first event after `revision`; raises TooOld."""
        if revision < self.start_revision:
            raise TooOld(revision, self.start_revision)
        newer = 0
        for event in reversed(self.events):
            if event.revision <= revision:
                break
            newer += 1
        return Cursor(self, self.end_position - newer)


@dataclass(slots=True)
class Cursor:
    """A place in a log."""

    log: ObjectLog
    position: int

    def take(self) -> list[Event]:
        """The events not yet seen; raises TooOld when some of them have left the window."""
        if self.position < self.log.first_position:
            raise TooOld(0, self.log.start_revision)
        events, behind = self.log.events, self.log.end_position - self.position
        self.position += behind
        return [events[i] for i in range(len(events) - behind, len(events))]


def seen_by(event: Event, match: Match | None) -> tuple[str, bytes] | None:
    """What a watcher with a selector sees of an event: its type and object, or nothing.

    An object that changes into the selector is ADDED, out of it DELETED (as it was, under the new revision).
    """
    now = not event.deleted and (match is None or match(event.entry))
    before = event.previous is not None and (match is None or match(event.previous))
    if now:
        return ("MODIFIED" if before else "ADDED"), event.entry.data
    if not before:
        return None
    assert event.previous is not None, "a state before is known"
    if event.deleted:
        return "DELETED", event.entry.data
    return "DELETED", at_revision(event.previous, event.revision)
