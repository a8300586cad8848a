"""Shell: etcd's Watch service: many watches on one stream, each a cursor of mvcc/watch.py.

    requests --read--> controls (created, canceled) --.
    cursors wake ----> behind ------------------------+--> one writing loop --> the client, at its own pace

The loop writes one response at a time and polls a cursor only when the client has taken what came before,
so a slow client holds nothing but its cursors. Cursors that are behind take turns.

A progress response promises that every event up to its revision was sent: it is written only when no cursor
of the stream is behind, in the same step in which that is seen. After: etcd
server/etcdserver/api/v3rpc/watch.go.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Any

import grpc.aio

from etcdlite import codec
from etcdlite.errors import Refusal, StoreError
from etcdlite.mvcc.key_value import KeyValue
from etcdlite.mvcc.watch import Cursor, Cursors
from etcdlite.node import Node
from etcdlite.pb import kv_pb2, rpc_pb2, rpc_pb2_grpc
from etcdlite.server.answers import accept, header, lacks_leader, refuse

ALL_WATCHES = -1  # the watch id of what concerns no single watch: manual progress, refused creations
FRAGMENT_EXTRA_BYTES = 512 * 1024  # beyond the largest request
PROGRESS_INTERVAL_SECONDS = 600.0
LEADERLESS_ELECTIONS = 3  # election timeouts a stream that demands a leader goes without one
DUPLICATE_ID = "mvcc: duplicate watch ID provided on the WatchStream"
EMPTY_RANGE = "mvcc: watcher range is empty"


class WatchServicer(rpc_pb2_grpc.WatchServicer):  # type: ignore[misc]  # the stubs are untyped
    """The one call of the Watch service."""

    def __init__(
        self, node: Node, cursors: Cursors, progress_interval_seconds: float = PROGRESS_INTERVAL_SECONDS
    ) -> None:
        self.node = node
        self._cursors = cursors
        self._progress_interval_seconds = progress_interval_seconds
        self.stream_count = 0

    async def Watch(self, requests: Any, context: Any) -> None:  # noqa: N802
        stream = WatchStream(self.node, self._cursors, context, self._progress_interval_seconds)
        self.stream_count += 1
        try:
            async with asyncio.TaskGroup() as tasks:
                for loop in (stream.read(), stream.write(), stream.notify_progress(), self._lead(context)):
                    tasks.create_task(loop)
        except* StoreError:
            await refuse(context, Refusal.NO_LEADER)
        finally:
            self.stream_count -= 1
            stream.close()

    async def _lead(self, context: Any) -> None:
        """End the stream of a client who demands a leader when there is none, now or for three elections."""
        accept(Refusal.NO_LEADER if lacks_leader(self.node, context) else None)
        missing_count = 0
        while missing_count < LEADERLESS_ELECTIONS:
            await asyncio.sleep(self.node.limits.election_seconds)
            missing_count = missing_count + 1 if lacks_leader(self.node, context) else 0
        raise StoreError(Refusal.NO_LEADER)


class Watch:
    """One watch of a stream and what its creator asked for."""

    def __init__(self, watch_id: int, cursor: Cursor, request: Any) -> None:
        self.id = watch_id
        self.cursor = cursor
        self.prev_kv: bool = request.prev_kv
        self.fragment: bool = request.fragment
        self.progress_notify: bool = request.progress_notify
        self.was_silent = True  # since the last round of progress notifications


class WatchStream:
    """The watches of one client's stream."""

    def __init__(self, node: Node, cursors: Cursors, context: Any, progress_interval_seconds: float) -> None:
        self._node = node
        self._store = node.store
        self._cursors = cursors
        self._context = context
        self._progress_interval_seconds = progress_interval_seconds
        self._watches: dict[int, Watch] = {}
        self._next_id = 0
        self._controls: deque[Any] = deque()  # bounded by the requests the client sends
        self._behind: dict[int, None] = {}  # watch ids in the order of their turns
        self._progress_asked = False
        self._work = asyncio.Event()

    def close(self) -> None:
        """Forget the cursors."""
        for watch in self._watches.values():
            self._cursors.close(watch.cursor)
        self._watches.clear()

    # ---- what the client asks

    async def read(self) -> None:
        """Take requests until the client closes its side; it may still listen."""
        while (request := await self._context.read()) is not grpc.aio.EOF:
            match request.WhichOneof("request_union"):
                case "create_request":
                    self._create(request.create_request)
                case "cancel_request":
                    self._cancel(request.cancel_request.watch_id)
                case "progress_request":
                    self._progress_asked = True
            self._work.set()

    def _create(self, request: Any) -> None:
        key = request.key or b"\0"  # the empty key begins before every other, as the zero byte does
        range_end = request.range_end
        if range_end and range_end != b"\0" and range_end <= key:
            self._respond(ALL_WATCHES, created=True, canceled=True, cancel_reason=EMPTY_RANGE)
            return
        watch_id = request.watch_id or self._free_id()
        if watch_id in self._watches:
            self._respond(ALL_WATCHES, created=True, canceled=True, cancel_reason=DUPLICATE_ID)
            return
        self._respond(watch_id, created=True)
        cursor = self._cursors.open(
            key,
            range_end,
            max(request.start_revision, 0),
            lambda _: self._wake(watch_id),
            no_put=rpc_pb2.WatchCreateRequest.NOPUT in request.filters,
            no_delete=rpc_pb2.WatchCreateRequest.NODELETE in request.filters,
        )
        if isinstance(cursor, Refusal):
            self._respond_compacted(watch_id)
            return
        self._watches[watch_id] = Watch(watch_id, cursor, request)
        if cursor.is_behind:
            self._wake(watch_id)

    def _cancel(self, watch_id: int) -> None:
        watch = self._watches.pop(watch_id, None)
        if watch is not None:
            self._cursors.close(watch.cursor)
            self._behind.pop(watch_id, None)
            self._respond(watch_id, canceled=True)

    def _free_id(self) -> int:
        while self._next_id in self._watches:
            self._next_id += 1
        self._next_id += 1
        return self._next_id - 1

    def _wake(self, watch_id: int) -> None:
        self._behind[watch_id] = None
        self._work.set()

    def _respond(self, watch_id: int, revision: int | None = None, **fields: Any) -> None:
        self._controls.append(
            rpc_pb2.WatchResponse(header=header(self._node, revision), watch_id=watch_id, **fields)
        )

    def _respond_compacted(self, watch_id: int) -> None:
        self._respond(watch_id, 0, canceled=True, compact_revision=self._store.compacted)

    # ---- what the client gets

    async def write(self) -> None:
        """Write responses as they become due."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._controls or self._behind:
                while self._controls:
                    await self._context.write(self._controls.popleft())
                if self._behind:
                    await self._write_events(self._take_turn())
            if self._progress_asked:
                self._progress_asked = False
                await self._write_progress(ALL_WATCHES)

    def _take_turn(self) -> Watch:
        watch_id = next(iter(self._behind))
        del self._behind[watch_id]
        return self._watches[watch_id]

    async def _write_events(self, watch: Watch) -> None:
        """Some whole revisions of one watch."""
        events = self._cursors.poll(watch.cursor)
        if isinstance(events, Refusal):
            del self._watches[watch.id]
            self._cursors.close(watch.cursor)
            self._respond_compacted(watch.id)
            return
        reached = min(watch.cursor.next_revision - 1, self._store.revision)
        if watch.cursor.is_behind:
            self._behind[watch.id] = None
        if not events:
            await asyncio.sleep(0)  # a long stretch of others' changes: let others run
            return
        watch.was_silent = False
        head = header(self._node, reached)
        parts = list(self._parts([self._event(watch, kv) for kv in events], watch.fragment))
        for number, part in enumerate(parts, start=1):
            is_fragment = number < len(parts)
            await self._context.write(
                rpc_pb2.WatchResponse(header=head, watch_id=watch.id, events=part, fragment=is_fragment)
            )

    def _event(self, watch: Watch, kv: KeyValue) -> Any:
        if kv.is_tombstone:
            kind, shown = kv_pb2.Event.DELETE, kv_pb2.KeyValue(key=kv.key, mod_revision=kv.mod_revision)
        else:
            kind, shown = kv_pb2.Event.PUT, codec.kv_to_pb(kv)
        before = kv.mod_revision - 1
        if not watch.prev_kv or kv.version == 1 or before < self._store.compacted:
            return kv_pb2.Event(type=kind, kv=shown)
        previous = self._store.get(kv.key, before)
        return kv_pb2.Event(
            type=kind, kv=shown, prev_kv=None if previous is None else codec.kv_to_pb(previous)
        )

    def _parts(self, events: list[Any], may_fragment: bool) -> Iterator[list[Any]]:
        """The events in messages of bearable size, if the client can put them together again."""
        size_bytes_max = self._node.limits.request_bytes + FRAGMENT_EXTRA_BYTES
        part: list[Any] = []
        size_bytes = 0
        for event in events:
            event_size_bytes = event.ByteSize() if may_fragment else 0
            if part and size_bytes + event_size_bytes > size_bytes_max:
                yield part
                part, size_bytes = [], 0
            part.append(event)
            size_bytes += event_size_bytes
        yield part

    # ---- progress

    async def notify_progress(self) -> None:
        """Now and then tell watches that asked for it, and heard nothing, how far they are."""
        while True:
            await asyncio.sleep(self._progress_interval_seconds)
            for watch in self._watches.values():
                is_live = (
                    not watch.cursor.is_behind and watch.cursor.next_revision <= self._store.revision + 1
                )
                if watch.progress_notify and watch.was_silent and is_live:
                    self._respond(watch.id)
                watch.was_silent = True
            self._work.set()

    async def _write_progress(self, watch_id: int) -> None:
        """All events up to now are written: the loop has just seen that no cursor is behind."""
        assert not self._behind, "progress ahead of events"
        await self._context.write(rpc_pb2.WatchResponse(header=header(self._node), watch_id=watch_id))
