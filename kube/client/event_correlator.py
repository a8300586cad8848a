"""Core: keeps a flood of Events readable and small before any is sent.

    aggregate    from the tenth similar Event in ten minutes (same source, object, type and reason, another
                 message) one Event `(combined from similar events): ...` stands for all further ones
    count        the same Event again is a PATCH that raises `count` and moves `lastTimestamp`
    spam filter  a source may send 25 Events about an object at once, then one every five minutes

Each of the three remembers the 4096 keys used last. An Event that the filter drops is still counted, so the
next one sent carries the full count.

After: k8s staging/src/k8s.io/client-go/tools/record/events_cache.go.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from kube.api import meta
from kube.api.meta import Object

AGGREGATE_AT = 10
AGGREGATE_WINDOW = timedelta(minutes=10)
SPAM_BURST = 25
SPAM_PER_SECOND = 1 / 300
CACHE_SIZE = 4096

Key = tuple[Any, ...]
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Correlated:
    """What to send: create `event`, or where there is a `patch`, apply it to the event of that name."""

    event: Object
    patch: Object | None


@dataclass(slots=True)
class Similar:
    """The messages seen of one group of similar Events, and when the last came."""

    last: datetime
    messages: dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """An Event that was sent before."""

    name: str
    count: int
    first_timestamp: str


@dataclass(slots=True)
class Bucket:
    """Tokens that are used up by Events and come back with time."""

    tokens: float
    at: datetime

    def take(self, now: datetime) -> bool:
        """Use one token if there is one."""
        elapsed = max((now - self.at).total_seconds(), 0.0)
        self.tokens = min(self.tokens + elapsed * SPAM_PER_SECOND, SPAM_BURST)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Recent(Generic[Value]):
    """A mapping that forgets what was used longest ago."""

    def __init__(self) -> None:
        self._values: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: Key, value: Value) -> None:
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > CACHE_SIZE:
            self._values.popitem(last=False)


class EventCorrelator:
    """Decides, Event by Event, what goes to the server."""

    def __init__(self) -> None:
        self._similar: Recent[Similar] = Recent()
        self._seen: Recent[Seen] = Recent()
        self._buckets: Recent[Bucket] = Recent()

    def correlate(self, event: Object, now: datetime) -> Correlated | None:
        """What to send for a new event, or None if it is too much."""
        event, key = self._aggregate(event, now)
        correlated = self._count(event, key)
        bucket = self._buckets.get(_spam_key(event))
        if bucket is None:
            bucket = Bucket(SPAM_BURST, now)
            self._buckets.put(_spam_key(event), bucket)
        return correlated if bucket.take(now) else None

    def _aggregate(self, event: Object, now: datetime) -> tuple[Object, Key]:
        """The event, or the one that stands for its group; and the key under which it is counted."""
        group = _group_key(event)
        similar = self._similar.get(group)
        if similar is None or now - similar.last > AGGREGATE_WINDOW:
            similar = Similar(now)
            self._similar.put(group, similar)
        similar.last = now
        similar.messages[event["message"]] = None
        if len(similar.messages) < AGGREGATE_AT:
            return event, (*group, event["involvedObject"].get("fieldPath"), event["message"])
        # The group stays one short of the limit, so that the next new message is combined as well.
        similar.messages.pop(next(iter(similar.messages)))
        combined = {**event, "message": f"(combined from similar events): {event['message']}"}
        return combined, group

    def _count(self, event: Object, key: Key) -> Correlated:
        seen = self._seen.get(key)
        if seen is None:
            self._seen.put(key, Seen(meta.name(event), 1, event["firstTimestamp"]))
            return Correlated(event, None)
        count = seen.count + 1
        self._seen.put(key, Seen(seen.name, count, seen.first_timestamp))
        event = {
            **event,
            "metadata": {**event["metadata"], "name": seen.name},
            "firstTimestamp": seen.first_timestamp,
            "count": count,
        }
        patch = {"count": count, "lastTimestamp": event["lastTimestamp"], "message": event["message"]}
        return Correlated(event, patch)


def _spam_key(event: Object) -> Key:
    source, about = event["source"], event["involvedObject"]
    return (
        source.get("component"),
        source.get("host"),
        *(about.get(part) for part in ("kind", "namespace", "name", "uid", "apiVersion")),
    )


def _group_key(event: Object) -> Key:
    return (*_spam_key(event), event["type"], event["reason"])
