"""What a watch promises, as etcd's own robustness tests name it.

    filter        only events of the range and the kinds asked for
    ordered       revisions never go back, also across reconnections
    unique        no event twice
    atomic        the events of one revision come in one response
    reliable      no event between the first and the last is missing
    resumable     the first event of a watch from a revision is the first there is from it on
    bookmarkable  a progress response says that every event up to its revision was sent; it never goes back

And an event shows what the history has: the key as it was written, what was there before, if that was asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from etcdlite.mvcc.key_value import KeyValue
from etcdlite.pb import kv_pb2, rpc_pb2
from tests.sim.checkers.history import History, is_within, kv_of


@dataclass
class Watching:
    """One watch through all its streams.

    `next_revision` is what it resumes from, 0: not known yet. `bookmark` is the newest progress told of,
    `progress` that of the present stream: another member may be behind.
    """

    name: str
    key: bytes
    range_end: bytes = b""
    prev_kv: bool = False
    no_put: bool = False
    no_delete: bool = False
    next_revision: int = 0
    bookmark: int = 0
    progress: int = 0
    seen: set[tuple[int, bytes]] = field(default_factory=set)
    last_revision: int = 0

    def request(self) -> Any:
        """How it is asked for, again after its stream broke."""
        filters = [rpc_pb2.WatchCreateRequest.NOPUT] * self.no_put
        filters += [rpc_pb2.WatchCreateRequest.NODELETE] * self.no_delete
        create = rpc_pb2.WatchCreateRequest(
            key=self.key,
            range_end=self.range_end,
            start_revision=self.next_revision,
            prev_kv=self.prev_kv,
            filters=filters,
        )
        return rpc_pb2.WatchRequest(create_request=create)

    def wants(self, kv: KeyValue) -> bool:
        if self.no_delete if kv.is_tombstone else self.no_put:
            return False
        return is_within(kv.key, self.key, self.range_end)


class WatchGuarantees:
    """`heard` takes every response of a watch, in order."""

    def __init__(self, history: History) -> None:
        self._history = history
        self.event_count = 0

    def heard(self, watching: Watching, response: Any) -> None:
        """A response came."""
        if response.created:
            self._created(watching, response)
        elif response.canceled:
            self._canceled(watching, response)
        elif response.events:
            self._events(watching, response)
        else:
            self._progress(watching, response)

    def _created(self, watching: Watching, response: Any) -> None:
        watching.progress = 0
        if not watching.next_revision:
            watching.next_revision = response.header.revision + 1

    def _canceled(self, watching: Watching, response: Any) -> None:
        """Only a compaction takes history away, and it says up to where."""
        compacted = response.compact_revision
        assert compacted > watching.next_revision, f"{watching.name}: canceled at {watching.next_revision}"
        watching.next_revision = compacted

    def _events(self, watching: Watching, response: Any) -> None:
        events = [kv_of(event.kv) for event in response.events]
        for event, kv in zip(response.events, events, strict=True):
            self._check_event(watching, event, kv)
        last = events[-1].mod_revision
        expected = self._expected(watching, last)
        self._atomic(watching, events, expected)
        self._resumable(watching, events, expected)
        self._reliable(watching, events, expected)
        assert response.header.revision >= last, f"{watching.name}: the header is older than the event {last}"
        watching.next_revision = last + 1
        self.event_count += len(events)

    def _check_event(self, watching: Watching, event: Any, kv: KeyValue) -> None:
        who = f"{watching.name}, event {kv}"
        is_delete = event.type == kv_pb2.Event.DELETE
        assert is_delete == kv.is_tombstone, f"{who}: put or delete?"
        assert watching.wants(kv), f"{who}: not asked for (filter)"
        assert kv.mod_revision >= watching.last_revision, f"{who}: after {watching.last_revision} (ordered)"
        watching.last_revision = kv.mod_revision
        assert kv.mod_revision > watching.bookmark, f"{who}: {watching.bookmark} was told (bookmarkable)"
        assert (kv.mod_revision, kv.key) not in watching.seen, f"{who}: twice (unique)"
        watching.seen.add((kv.mod_revision, kv.key))
        known = {change.key: change for change in self._history.changes.get(kv.mod_revision, ())}
        assert known.get(kv.key) == kv, f"{who}: the history has {known}"
        if event.HasField("prev_kv"):
            before = self._history.at(kv.key, kv.mod_revision - 1)
            assert kv_of(event.prev_kv) == before, f"{who}: told of {event.prev_kv}, before was {before}"

    def _expected(self, watching: Watching, last: int) -> list[KeyValue]:
        first = watching.next_revision
        events = self._history.events(watching.key, watching.range_end, first, last)
        return [kv for kv in events if watching.wants(kv)]

    def _atomic(self, watching: Watching, events: list[KeyValue], expected: list[KeyValue]) -> None:
        last = events[-1].mod_revision
        told, whole = ([kv for kv in kvs if kv.mod_revision == last] for kvs in (events, expected))
        assert told == whole, f"{watching.name}: {told} of revision {last} is {whole} (atomic)"

    def _resumable(self, watching: Watching, events: list[KeyValue], expected: list[KeyValue]) -> None:
        first = expected[0]
        start = watching.next_revision
        assert events[0] == first, (
            f"{watching.name}: from {start} on {first} is first, not {events[0]} (resumable)"
        )

    def _reliable(self, watching: Watching, events: list[KeyValue], expected: list[KeyValue]) -> None:
        missing = [kv for kv in expected if kv not in events]
        assert events == expected, f"{watching.name}: {missing} missing (reliable)"

    def _progress(self, watching: Watching, response: Any) -> None:
        revision = response.header.revision
        assert revision >= watching.progress, (
            f"{watching.name}: progress {watching.progress}, then {revision}"
        )
        watching.progress = revision
        watching.bookmark = max(watching.bookmark, revision)
        missing = self._expected(watching, revision)
        assert not missing, f"{watching.name}: {revision} was told before {missing} (bookmarkable)"
        watching.next_revision = max(watching.next_revision, revision + 1)

    def check_end(self, watching: Watching, settled_revision: int) -> None:
        """In peace: what happened up to this revision has arrived."""
        missing = self._expected(watching, settled_revision)
        assert not missing, f"{watching.name}: {missing} never came (reliable)"
