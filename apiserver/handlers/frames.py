"""Core: writes the events of a watch as its client wants them: objects, their metadata alone, or Tables.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/handlers/response.go, watchEncoder and
watchListTransformer
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson

from apiserver.printers import registry
from apiserver.registry.conversion import from_stored, is_stored
from apiserver.storage.entry import Entry
from apiserver.storage.frame_cache import FrameCache
from apiserver.storage.object_log import Event, ObjectLog
from kube.api.meta import Object
from kube.api.negotiation import PARTIAL, PARTIAL_LIST, TABLE, Format
from kube.api.resources import Resource
from kube.api.watch import ADDED, BOOKMARK, ERROR

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
# An empty list in the form asked for, in base64; client-go begins the list it builds from events with it.
LIST_BLUEPRINT = "kubernetes.io/initial-events-list-blueprint"


class Frames:
    """One client's form of events; the bytes of an object in the cache are used as they are if they may."""

    def __init__(
        self,
        resource: Resource,
        wanted: Format,
        include_object: str,
        cache: FrameCache,
        log: ObjectLog,
        now: Callable[[], datetime],
    ) -> None:
        self._resource, self._wanted, self._include_object = resource, wanted, include_object
        self._cache, self._log, self._now = cache, log, now
        self._is_plain = not wanted.target and is_stored(resource)
        self._form = " ".join(
            (resource.api_version, resource.plural, wanted.target, wanted.version, include_object)
        )
        self._first = " first" if wanted.target == TABLE else ""

    def initial(self, entry: Entry) -> bytes:
        """An object that is there when the watch begins."""
        return self._next(self._write(ADDED, entry.data))

    def event(self, event: Event, kind: str) -> bytes:
        """A change, seen as `kind`."""
        key = (event.revision, event.entry.key, kind, self._form + self._first)
        return self._next(self._cache.get(key, lambda: self._write(kind, self._log.shown(event, kind))))

    def bookmark(self, revision: int, *, ends_initial: bool = False) -> bytes:
        """That all events up to the revision have been sent; or all of the beginning."""
        metadata: dict[str, Any] = {"resourceVersion": str(revision)}
        if ends_initial:
            metadata["annotations"] = {INITIAL_EVENTS_END: "true", LIST_BLUEPRINT: self._blueprint()}
        o = {"kind": self._resource.kind, "apiVersion": self._resource.api_version, "metadata": metadata}
        return self._next(self._framed(BOOKMARK, orjson.dumps(self._formed(o))))

    def error(self, status: Object) -> bytes:
        """Why the watch ends."""
        return self._framed(ERROR, orjson.dumps(status))

    def _write(self, kind: str, data: bytes) -> bytes:
        if not self._is_plain:
            data = orjson.dumps(self._formed(from_stored(self._resource, orjson.loads(data))))
        return self._framed(kind, data)

    def _framed(self, kind: str, data: bytes) -> bytes:
        return b'{"type":"%b","object":%b}\n' % (kind.encode(), data)

    def _formed(self, o: Object) -> Object:
        """An object as this client wants it; only the first Table says what its columns are."""
        if self._wanted.target == PARTIAL:
            return metadata_only(o, self._wanted.api_version)
        if self._wanted.target != TABLE:
            return o
        table = registry.table(
            self._resource, self._now(), self._include_object, self._wanted.api_version, bool(self._first)
        )
        return table.of([o])

    def _next(self, frame: bytes) -> bytes:
        self._first = ""
        return frame

    def _blueprint(self) -> str:
        kind, api_version = self._resource.list_kind, self._resource.api_version
        if self._wanted.target == PARTIAL:
            kind, api_version = PARTIAL_LIST, self._wanted.api_version
        empty = {"kind": kind, "apiVersion": api_version, "metadata": {}, "items": []}
        return base64.b64encode(orjson.dumps(empty) + b"\n").decode()


def metadata_only(o: Object, api_version: str) -> Object:
    """PartialObjectMetadata of an object."""
    return {"kind": PARTIAL, "apiVersion": api_version, "metadata": o["metadata"]}
