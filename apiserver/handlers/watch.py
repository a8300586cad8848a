"""Shell: a watch: what happened to the objects of a selection, one JSON document an event, until it ends.

    [ADDED for all there is]   [BOOKMARK "that was all"]   events as they come, now and then a BOOKMARK

The stream reads a cursor over the cache's log: it costs nothing while nothing happens, and one that cannot
keep up has its cursor overtaken and ends. It also ends when the client goes, its time is over, or the
server stops.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/handlers/watch.go
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from apiserver.handlers.options import ListOptions
from apiserver.handlers.respond import metadata_only, transform
from apiserver.negotiation import PARTIAL, TABLE, Format, negotiate
from apiserver.registry.conversion import from_stored, is_stored
from apiserver.request import ApiRequest
from apiserver.server import Server
from apiserver.storage.object_log import Cursor, Entry, TooOld, seen_by
from kube.api import errors
from kube.api.meta import Object

BOOKMARK_SECONDS = 60.0
# A watch that asks for no timeout ends within these bounds, so that clients spread over restarted servers.
TIMEOUT_SECONDS_MIN = 1800
INITIAL_EVENTS_END = "k8s.io/initial-events-end"
# Events written to the socket at once.
BATCH_EVENTS = 500


async def watch(server: Server, request: ApiRequest) -> Response:
    """Answer with the stream."""
    options = ListOptions.read(request.kind, request.query_params)
    options.check_watch()
    targets = (PARTIAL,) if options.bookmarks else (TABLE, PARTIAL)
    accept = request.headers.get("accept", "").replace(";stream=watch", "")
    wanted = negotiate(accept, targets)
    if options.version is None or options.initial_events:
        await server.cache.consistent()
    return WatchStream(server, request, options, wanted)


class WatchStream(Response):
    """The answer to a watch."""

    def __init__(self, server: Server, request: ApiRequest, options: ListOptions, wanted: Format) -> None:
        super().__init__(media_type=f"{wanted.media_type}")
        self._server, self._request, self._options = server, request, options
        self._frames = Frames(request, wanted, server.clock.now)
        self._gone = False
        self._wake = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-cache, private")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        loop = asyncio.get_running_loop()
        watcher = loop.create_task(self._until_gone(receive))
        stopper = loop.create_task(self._until_stopping())
        try:
            await self._run(send)
        finally:
            watcher.cancel()
            stopper.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _until_gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._end()

    async def _until_stopping(self) -> None:
        await self._server.stopping.wait()
        self._end()

    def _end(self) -> None:
        self._gone = True
        self._wake.set()

    async def _run(self, send: Send) -> None:
        try:
            cursor = await self._begin(send)
            await self._follow(send, cursor)
        except TooOld as error:
            await _write(send, [self._frames.error(errors.expired(str(error)).status())])

    async def _begin(self, send: Send) -> Cursor:
        """Send what is there, if asked for, and return the place in the log that comes after it."""
        options, cache = self._options, self._server.cache
        log = cache.log(self._request.kind)
        initial = options.initial_events if options.initial_events is not None else not options.version
        if not initial:
            version = options.version or 0
            await self._wait_for(version)
            return log.cursor(version)
        if options.version:
            await self._wait_for(options.version)
        cursor = Cursor(log, log.end_position)
        revision = cache.revision
        match = options.matcher()
        entries = [
            each for each in log.in_namespace(self._request.info.namespace) if match is None or match(each)
        ]
        for at in range(0, len(entries), BATCH_EVENTS):
            await _write(
                send, [self._frames.event("ADDED", each.data) for each in entries[at : at + BATCH_EVENTS]]
            )
        if options.initial_events and options.bookmarks:
            await _write(send, [self._frames.bookmark(revision, {INITIAL_EVENTS_END: "true"})])
        return cursor

    async def _wait_for(self, revision: int) -> None:
        """A watch from the future begins when the future has come; headers are sent already."""
        waiting = asyncio.ensure_future(self._server.cache.at_least(revision))
        gone = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait([waiting, gone], return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            gone.cancel()

    async def _follow(self, send: Send, cursor: Cursor) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_seconds()
        bookmark_at = loop.time() + BOOKMARK_SECONDS
        match, namespace = self._options.matcher(), self._request.info.namespace
        while not self._gone:
            self._wake.clear()
            frames = self._frames_of(cursor, match, namespace)
            revision = self._server.cache.revision
            for at in range(0, len(frames), BATCH_EVENTS):
                await _write(send, frames[at : at + BATCH_EVENTS])
            now = loop.time()
            ending = now >= deadline
            if self._options.bookmarks and (now >= bookmark_at or ending):
                await _write(send, [self._frames.bookmark(revision, None)])
                bookmark_at = now + BOOKMARK_SECONDS
            if ending or self._gone:
                return
            if cursor.position == cursor.log.end_position:
                cursor.log.waiters.append(self._wake.set)
                next_at = min(deadline, bookmark_at) if self._options.bookmarks else deadline
                timer = loop.call_at(next_at, self._wake.set)
                await self._wake.wait()
                timer.cancel()

    def _frames_of(
        self, cursor: Cursor, match: Callable[[Entry], bool] | None, namespace: str
    ) -> list[bytes]:
        prefix = f"{namespace}/" if namespace and self._request.kind.namespaced else ""
        frames = []
        for event in cursor.take():
            if prefix and not event.entry.key.startswith(prefix):
                continue
            seen = seen_by(event, match)
            if seen is not None:
                frames.append(self._frames.event(*seen))
        return frames

    def _timeout_seconds(self) -> float:
        asked = self._options.timeout_seconds
        if asked:
            return float(asked)
        return TIMEOUT_SECONDS_MIN + hash(self._request.scope["path"]) % TIMEOUT_SECONDS_MIN


async def _write(send: Send, frames: Iterable[bytes]) -> None:
    body = b"".join(frames)
    if body:
        await send({"type": "http.response.body", "body": body, "more_body": True})


class Frames:
    """Writes events as this client wants them; the bytes of an object in the cache are used as they are."""

    def __init__(self, request: ApiRequest, wanted: Format, now: Callable[[], datetime]) -> None:
        self._resource = request.kind
        self._wanted, self._now = wanted, now
        self._include_object = request.parameter("includeObject")
        self._plain = not wanted.target and is_stored(request.kind)

    def event(self, kind: str, data: bytes) -> bytes:
        if not self._plain:
            data = orjson.dumps(self._transformed(orjson.loads(data)))
        return b'{"type":"%b","object":%b}\n' % (kind.encode(), data)

    def _transformed(self, o: Object) -> Any:
        o = from_stored(self._resource, o)
        if not self._wanted.target:
            return o
        if self._wanted.target == PARTIAL:
            return metadata_only(o, self._wanted.api_version)
        return transform(self._wanted, self._resource, [o], {}, self._now(), self._include_object)

    def bookmark(self, revision: int, annotations: dict[str, str] | None) -> bytes:
        metadata: dict[str, Any] = {"resourceVersion": str(revision), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = annotations
        kind, api_version = self._resource.kind, self._resource.api_version
        if self._wanted.target == PARTIAL:
            kind, api_version = PARTIAL, self._wanted.api_version
        o = {"kind": kind, "apiVersion": api_version, "metadata": metadata}
        return orjson.dumps({"type": "BOOKMARK", "object": o}) + b"\n"

    def error(self, status: Object) -> bytes:
        return orjson.dumps({"type": "ERROR", "object": status}) + b"\n"
