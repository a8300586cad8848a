"""Core: the objects of one kind and the log of what happened to them; a watch is a cursor over that log.

    objects   ns/name -> Entry            what a list reads
    events    [e7 e8 e9 ... e16]          the newest changes, each with the object before and after
    Cursor    position 9 ------^          what a watcher has yet to see

Each object is kept once, encoded, with the little that selectors need; lists, watches and history share the
bytes. The window holds 10,000 events or 10 MB of them, whichever is less. A watcher costs two numbers; one
that falls out of the window has lost events and must list again.

Invariants: positions count events from 0 and never repeat; revisions in `events` never fall; `objects` is
the sum of all events ever appended.
After: k8s staging/src/k8s.io/apiserver/pkg/storage/cacher/watch_cache.go
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from sortedcontainers import SortedDict

from apiserver.storage.entry import Entry, EntryMaker, Match
from apiserver.storage.interface import Unreadable
from apiserver.storage.waiting import EVERYTHING, Waiting, key_of
from kube.api.fields import FieldSelector
from kube.api.resources import Resource
from kube.api.watch import ADDED, DELETED, MODIFIED

WINDOW_EVENTS = 10_000
WINDOW_BYTES = 10 * 1024 * 1024


class TooOld(Exception):
    """The events after a revision are no longer kept; `oldest` is the first one that would do."""

    def __init__(self, revision: int, oldest: int) -> None:
        super().__init__(f"too old resource version: {revision} ({oldest})")


@dataclass(frozen=True, slots=True)
class Event:
    """One change: the state after it (if `deleted`: the last one, under the new revision) and before."""

    revision: int
    entry: Entry
    previous: Entry | None
    deleted: bool


@dataclass(slots=True)
class Counts:
    """What happened to a kind's cache since the process began.

    filled: how often it was filled from a list.
    received, sent: events from the store, and to watchers.
    overtaken: watchers that fell out of the window.
    """

    filled: int = 0
    received: int = 0
    sent: int = 0
    overtaken: int = 0


@dataclass(slots=True, eq=False)
class ObjectLog:
    """The cache of one kind.

    start_revision: the revision of the list it was filled from; a watch from before that is too old.
    size_bytes: of the objects in `events`.
    unreadable: keys that are there, and why nobody can read them.
    counts: outlives the log, when the cache is filled afresh.
    """

    resource: Resource
    start_revision: int = 0
    counts: Counts = field(default_factory=Counts)
    objects: SortedDict[str, Entry] = field(default_factory=SortedDict)
    events: deque[Event] = field(default_factory=deque)
    size_bytes: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    first_position: int = 0
    is_retired: bool = False
    maker: EntryMaker = field(init=False)
    waiting: Waiting = field(init=False)

    def __post_init__(self) -> None:
        self.maker, self.waiting = EntryMaker(self.resource), Waiting(self.resource)

    @property
    def end_position(self) -> int:
        """The position of the next event to come."""
        return self.first_position + len(self.events)

    def fill(self, key: str, value: bytes, revision: int) -> None:
        """Take an object of the initial list."""
        self.objects[key] = self.maker.make(key, value, revision)

    def put(self, key: str, value: bytes, revision: int) -> None:
        """Append that the key has a new value."""
        self.unreadable.pop(key, None)
        entry = self.maker.make(key, value, revision)
        self._append(Event(revision, entry, self.objects.get(key), deleted=False))
        self.objects[key] = entry

    def delete(self, key: str, revision: int) -> None:
        """Append that the key is gone."""
        self.unreadable.pop(key, None)
        previous = self.objects.pop(key, None)
        if previous is None:
            return
        self._append(Event(revision, self.maker.at(previous, revision), previous, deleted=True))

    def lose(self, key: str, revision: int, why: str) -> None:
        """The key has a value that cannot be read: what was known of it holds no more."""
        self.delete(key, revision)
        self.unreadable[key] = why

    def check_readable(self, namespace: str, name: str = "") -> None:
        """Raise Unreadable if one of a namespace (of all, if empty), or the one of that name, is not."""
        if not self.unreadable:
            return
        key = f"{namespace}/{name}" if namespace else name
        for each, why in self.unreadable.items():
            if each == key or (not name and each.startswith(key)):
                raise Unreadable(f"{self.resource.storage_prefix()}/{each}", why)

    def _append(self, event: Event) -> None:
        assert not self.events or event.revision >= self.events[-1].revision, "revisions never fall"
        self.events.append(event)
        self.size_bytes += len(event.entry.data)
        self.counts.received += 1
        self.waiting.choose(event.entry, event.previous, self.end_position - 1)
        while len(self.events) > WINDOW_EVENTS or self.size_bytes > WINDOW_BYTES:
            self._forget_first()

    def _forget_first(self) -> None:
        first = self.events.popleft()
        self.size_bytes -= len(first.entry.data)
        self.start_revision = first.revision
        self.first_position += 1

    def shown(self, event: Event, kind: str) -> bytes:
        """The object that an event shows to a watcher who sees it as `kind`."""
        if kind != DELETED or event.deleted:
            return event.entry.data
        assert event.previous is not None, "it was seen before"
        return self.maker.data_at(event.previous, event.revision)

    def retire(self) -> None:
        """Make every cursor over this log too old: another one takes its place."""
        self.is_retired = True
        self.first_position = self.end_position + 1
        self.events.clear()
        self.waiting.wake_all()

    def wake(self) -> None:
        """Call those who wait for one of the events that were appended."""
        self.waiting.wake()

    def in_namespace(self, namespace: str, start: str = "") -> Iterator[Entry]:
        """The objects of a namespace (all, if empty) in the order of their keys, from `start` in it on."""
        if not namespace and not start:
            return iter(self.objects.values())
        first, end = (f"{namespace}/{start}", f"{namespace}0") if namespace else (start, None)
        keys: Iterable[str] = self.objects.irange(first, end, (True, False))
        return (self.objects[key] for key in keys)

    def within(self, namespace: str, selector: FieldSelector, start: str = "") -> Iterable[Entry]:
        """The objects of a namespace from `start` on, but for some that the selector rules out."""
        key = key_of(self.resource, namespace, selector)
        if not key:
            return self.in_namespace(namespace, start)
        first = f"{namespace}/{start}" if namespace else start
        return [self.objects[key]] if key in self.objects and key >= first else []

    def has_changed_since(self, revision: int) -> bool:
        """True unless the objects are known to have been then what they are now."""
        newest = self.events[-1].revision if self.events else 0
        return revision < self.start_revision or newest > revision

    def cursor(self, revision: int, scope: str = EVERYTHING) -> Cursor:
        """A cursor at the first event after `revision`; raises TooOld."""
        if revision < self.start_revision:
            raise TooOld(revision, self.start_revision)
        newer = 0
        for event in reversed(self.events):
            if event.revision <= revision:
                break
            newer += 1
        return Cursor(self, self.end_position - newer, revision, scope)

    def end(self, revision: int, scope: str = EVERYTHING) -> Cursor:
        """A cursor after all events; `revision` is the cache's."""
        return Cursor(self, self.end_position, revision, scope)


@dataclass(slots=True, eq=False)
class Cursor:
    """A place in a log.

    revision: of the last event that was taken.
    scope: what the cursor waits for.
    """

    log: ObjectLog
    position: int
    revision: int
    scope: str

    @property
    def is_at_end(self) -> bool:
        return self.position == self.log.end_position

    def take(self, limit: int = WINDOW_EVENTS) -> list[Event]:
        """The events not yet seen, or the first of them; raises TooOld when some have left the window."""
        log = self.log
        if self.position < log.first_position:
            log.counts.overtaken += not log.is_retired
            raise TooOld(self.revision, log.start_revision)
        start = self.position - log.first_position
        events = list(islice(log.events, start, start + limit))
        if events:
            self.position += len(events)
            self.revision = events[-1].revision
        return events

    def wait(self, wake: Callable[[], None]) -> None:
        """Be called when an event of the scope comes; the cursor is at the end of the log."""
        assert self.is_at_end, "there is something to take"
        self.log.waiting.add(self.scope, self, wake)

    def stop_waiting(self) -> None:
        """Go on without having been called: nothing of the scope has come, all the rest is passed over."""
        if self.log.waiting.remove(self.scope, self):
            self.position = self.log.end_position


def seen_as(event: Event, match: Match | None) -> str | None:
    """What a watcher with a selector sees an event as, if he sees it at all.

    An object that changes into the selector is ADDED, out of it DELETED (as it was, under the new revision).
    """
    now = not event.deleted and (match is None or match(event.entry))
    before = event.previous is not None and (match is None or match(event.previous))
    if now:
        return MODIFIED if before else ADDED
    return DELETED if before else None
