"""Shell: a watch: what happened to the objects of a selection, one JSON document an event, until it ends.

    [ADDED for all there is]   [BOOKMARK "that was all"]   events as they come, now and then a BOOKMARK

The stream reads a cursor over the cache's log, a batch at a time: it costs nothing while nothing happens,
and while a client does not take what was sent, its cursor stays behind; once overtaken it ends with 410. It
also ends when the client goes, its time is over, or the server stops.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/handlers/{get,watch}.go, pkg/storage/cacher/cacher.go
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from apiserver.handlers.frames import Frames
from apiserver.handlers.list_options import ListOptions
from apiserver.handlers.respond import check_include_object
from apiserver.request import ApiRequest
from apiserver.server import Server
from apiserver.storage.entry import Entry
from apiserver.storage.object_log import Cursor, TooOld, seen_as
from apiserver.storage.waiting import scope_of
from kube.api import errors
from kube.api.errors import StatusError
from kube.api.negotiation import PARTIAL, TABLE, Format, negotiate_stream

BOOKMARK_SECONDS = 60.0
# A watch that asks for no timeout ends within these bounds, so that clients spread over restarted servers.
TIMEOUT_SECONDS_MIN = 1800
# Events written to the socket at once: the next are only encoded when the client has taken these.
BATCH_EVENTS = 500
BATCH_BYTES = 1 << 18
# Of the answer's headers those that a stream sets otherwise.
OWN_HEADERS = (b"content-type", b"content-length")
# A client that takes its initial events more slowly than this waits without a seat for the rest.
SEAT_SECONDS = 60.0

Write = Callable[[Sequence[bytes]], Awaitable[None]]
# What a watch ends with; made where it is waited for, as a coroutine that nobody comes to is a warning.
Wait = Callable[[], Awaitable[object]]


async def watch(server: Server, request: ApiRequest) -> Response:
    """Answer with the stream."""
    options = ListOptions.for_watch(request.kind, request.query_params, request.info.name)
    # A list that is streamed is no Table: its bookmark could not be told from a row.
    targets = (PARTIAL,) if options.is_streamed_list else (TABLE, PARTIAL)
    wanted = negotiate_stream(request.headers.get("accept", ""), targets)
    if wanted.target == TABLE:
        check_include_object(request)
    if options.version is None:
        await server.cache.consistent()
    server.cache.log(request.kind).check_readable(request.info.namespace if request.kind.namespaced else "")
    return WatchStream(server, request, options, wanted)


class WatchStream(Response):
    """The answer to a watch."""

    def __init__(self, server: Server, request: ApiRequest, options: ListOptions, wanted: Format) -> None:
        super().__init__(media_type=wanted.media_type)
        self._server, self._options = server, options
        resource = request.kind
        self._namespace = request.info.namespace if resource.namespaced else ""
        include_object = request.parameter("includeObject")
        cache, self._log = server.cache, server.cache.log(resource)
        self._frames = Frames(resource, wanted, include_object, cache.frames, self._log, server.clock.now)
        self._match = options.matcher()
        self._release = request.release
        self._scope = scope_of(resource, self._namespace, options.fields)
        self._deadline = 0.0
        self._gone = False
        self._wake = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        stamps = (each for each in self.raw_headers if each[0] not in OWN_HEADERS)
        headers = [(b"content-type", b"application/json"), *stamps]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

        async def write(frames: Sequence[bytes]) -> None:
            if body := b"".join(frames):
                await send({"type": "http.response.body", "body": body, "more_body": True})

        await self._serve(write, lambda: _until_disconnected(receive))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def relay(self, socket: WebSocket) -> None:
        """The same over a WebSocket, as browsers ask for it: a message an event."""
        await socket.accept()

        async def write(frames: Sequence[bytes]) -> None:
            for frame in frames:
                await socket.send_text(frame.decode())

        try:
            await self._serve(write, lambda: _until_disconnected(socket.receive))
            await socket.close()
        except (WebSocketDisconnect, RuntimeError):
            return  # the client left at the same time

    async def _serve(self, write: Write, disconnected: Wait) -> None:
        loop = asyncio.get_running_loop()
        self._deadline = loop.time() + life_seconds(self._options, self._server.new_uid)
        endings = [
            loop.create_task(self._end_after(each)) for each in (disconnected, self._server.stopping.wait)
        ]
        try:
            await self._run(write)
        finally:
            for each in endings:
                each.cancel()

    async def _end_after(self, condition: Wait) -> None:
        await condition()
        self._gone = True
        self._wake.set()

    async def _run(self, write: Write) -> None:
        try:
            cursor = await self._initialize(write)
            if cursor is not None:
                await self._follow(write, cursor)
        except TooOld as error:
            await write([self._frames.error(errors.expired(str(error)).status())])
        except StatusError as error:
            await write([self._frames.error(error.status())])

    async def _initialize(self, write: Write) -> Cursor | None:
        """Begin; only to send what is there takes a seat, and not for ever."""
        if not self._options.initial_events:
            self._release()
            return await self._begin(write)
        timer = asyncio.get_running_loop().call_later(SEAT_SECONDS, self._release)
        try:
            return await self._begin(write)
        finally:
            timer.cancel()
            self._release()

    async def _begin(self, write: Write) -> Cursor | None:
        """Send what is there, if asked for; the place in the log that comes after it, None at the end."""
        version, cache = self._options.version or 0, self._server.cache
        if self._options.initial_events:
            if version and not await self._unless_gone(cache.at_least_soon(version)):
                return None
            return await self._send_initial(write)
        if not version:
            return self._log.end(cache.revision, self._scope)
        # A watch from the future begins when the future has come.
        if not await self._unless_gone(cache.at_least(version)):
            return None
        return self._log.cursor(version, self._scope)

    async def _send_initial(self, write: Write) -> Cursor:
        revision, match = self._server.cache.revision, self._match
        cursor = self._log.end(revision, self._scope)
        found = self._log.within(self._namespace, self._options.fields)
        entries: list[Entry] = [each for each in found if match is None or match(each)]
        for batch in batches(self._frames.initial(each) for each in entries):
            await write(batch)
        if self._options.bookmarks:
            await write([self._frames.bookmark(revision, ends_initial=True)])
        return cursor

    async def _unless_gone(self, condition: Coroutine[Any, Any, None]) -> bool:
        """Wait for the condition; False if the watch ended before. What the condition raises is raised."""
        loop = asyncio.get_running_loop()
        waiting, gone = loop.create_task(condition), loop.create_task(self._wake.wait())
        try:
            await asyncio.wait(
                [waiting, gone],
                timeout=self._deadline - loop.time(),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if waiting.done():
                waiting.result()
            return waiting.done()
        finally:
            waiting.cancel()
            gone.cancel()

    async def _follow(self, write: Write, cursor: Cursor) -> None:
        loop, bookmarks = asyncio.get_running_loop(), self._options.bookmarks
        bookmark_at = loop.time() + BOOKMARK_SECONDS
        while not self._gone:
            self._wake.clear()
            for batch in batches(self._taken(cursor)):
                await write(batch)
            is_ending = loop.time() >= self._deadline
            if cursor.is_at_end and bookmarks and (is_ending or loop.time() >= bookmark_at):
                bookmark_at = loop.time() + BOOKMARK_SECONDS
                await write([self._frames.bookmark(self._server.cache.revision)])
            if is_ending or self._gone:
                return
            if not cursor.is_at_end:
                await asyncio.sleep(0)  # many events to catch up with: others want to be served too
                continue
            next_at = min(self._deadline, bookmark_at) if bookmarks else self._deadline
            timer = loop.call_at(next_at, self._wake.set)
            cursor.wait(self._wake.set)
            try:
                await self._wake.wait()
            finally:
                cursor.stop_waiting()
                timer.cancel()

    def _taken(self, cursor: Cursor) -> Iterator[bytes]:
        """The next events, as far as this client sees them."""
        prefix = f"{self._namespace}/" if self._namespace else ""
        for event in cursor.take(BATCH_EVENTS):
            if event.entry.key.startswith(prefix):
                kind = seen_as(event, self._match)
                if kind is not None:
                    cursor.log.counts.sent += 1
                    yield self._frames.event(event, kind)


def batches(frames: Iterable[bytes]) -> Iterator[list[bytes]]:
    """What is written at once: not many events, and of large ones fewer."""
    batch, size = [], 0
    for frame in frames:
        batch.append(frame)
        size += len(frame)
        if len(batch) >= BATCH_EVENTS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def life_seconds(options: ListOptions, new_uid: Callable[[], str]) -> float:
    """As long as was asked for; else each watch ends at another time, by the chance that is in ids."""
    if options.timeout_seconds:
        return float(options.timeout_seconds)
    return TIMEOUT_SECONDS_MIN * (1 + int(new_uid()[:8], 16) / 2**32)


async def _until_disconnected(receive: Receive) -> None:
    while not (await receive())["type"].endswith(".disconnect"):
        pass
