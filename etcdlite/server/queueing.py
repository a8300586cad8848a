"""Shell: a queue of keys under a prefix, first come first served: what locks and elections are made of.

    name/6f1a  created at 41   <- whose turn it is
    name/70b3  created at 44   <- waits until name/6f1a is deleted, by its owner or with its lease
    name/70d9  created at 52   <- waits until name/70b3 is deleted

Each key belongs to a lease, whose id ends its name: who asks again with the same lease finds his old place.
Only the first of the waiting is woken by a deletion.

After: etcd client/v3/concurrency (Mutex, Election, waitDeletes), which its servers are built on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import grpc

from etcdlite import ranges
from etcdlite.commands import (
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRangeRequest,
    KeyValue,
    Operation,
    PutRequest,
    RangeRequest,
    SortOrder,
    SortTarget,
    TxnRequest,
)
from etcdlite.errors import Refusal, StoreError
from etcdlite.mvcc.watch import Cursor, Cursors
from etcdlite.node import Node
from etcdlite.server.lease import LeaseServicer

# What etcd gives to callers who bring no lease; they must keep it alive, or lose their place.
TTL_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Place:
    """One's key in a queue, and the revision that created it; `revision` is that of the answer."""

    key: bytes
    created: int
    lease: int
    revision: int


class Queues:
    """All queues of a store; a queue is its prefix."""

    def __init__(self, node: Node, cursors: Cursors, leases: LeaseServicer) -> None:
        self.node = node
        self._cursors = cursors
        self._leases = leases
        self._leaving: set[asyncio.Task[None]] = set()

    async def enter(self, prefix: bytes, lease: int, value: bytes) -> tuple[Place, KeyValue]:
        """Take a place at the end, or find the one this lease has; the key as it is now.

        Who gives up meanwhile may get his place all the same, and leaves it then.
        """
        entering = asyncio.ensure_future(self._enter(prefix, lease, value))
        try:
            return await asyncio.shield(entering)
        except asyncio.CancelledError:
            self._later(self._leave_after(entering))
            raise

    async def _enter(self, prefix: bytes, lease: int, value: bytes) -> tuple[Place, KeyValue]:
        if not lease:
            lease = (await self._leases.grant(0, TTL_SECONDS)).id
        key = prefix + f"{lease:x}".encode()
        read = RangeRequest(key)
        result = await self._txn(key, 0, (PutRequest(key, value, lease), read), (read,))
        kv = result.responses[-1].kvs[0]
        return Place(key, kv.create_revision, lease, result.revision), kv

    async def wait_turn(self, prefix: bytes, place: Place) -> None:
        """Return when nobody is ahead any more; who gives up, or loses his key, is out of the queue."""
        try:
            await self.node.linearizable_read()
            while (ahead := self._ahead_of(prefix, place)) is not None:
                async with self._woken_by(ahead.key, place.key) as woken:
                    await woken.wait()
                if not self._holds(place):
                    raise StoreError(Refusal.SESSION_EXPIRED)
        except BaseException:
            self._later(self._leave(place))
            raise

    async def put(self, place: Place, value: bytes) -> int:
        """Change the value of one's own key; the new revision, or NOT_ELECTED if the place is lost."""
        result = await self._txn(place.key, place.created, (PutRequest(place.key, value, place.lease),))
        if not result.succeeded:
            raise StoreError(Refusal.NOT_ELECTED)
        return int(result.revision)

    async def leave(self, place: Place) -> int:
        """Give up one's place, if it is still one's own; the revision of the answer."""
        result = await self._txn(place.key, place.created, (DeleteRangeRequest(place.key),))
        return int(result.revision)

    def first(self, prefix: bytes) -> KeyValue | None:
        """Whose turn it is, in this member's state."""
        return self._oldest(prefix, 0, SortOrder.ASCEND)

    @asynccontextmanager
    async def watching(
        self, key: bytes, range_end: bytes = b""
    ) -> AsyncIterator[tuple[Cursor, asyncio.Event]]:
        """A cursor on what comes after the present, and the event that says it fell behind."""
        woken = asyncio.Event()
        cursor = self._cursors.open(key, range_end, 0, lambda _: woken.set())
        assert isinstance(cursor, Cursor), "the present is never compacted"
        try:
            yield cursor, woken
        finally:
            self._cursors.close(cursor)

    def poll(self, cursor: Cursor) -> list[KeyValue] | Refusal:
        """What a cursor that was woken has not given yet."""
        return self._cursors.poll(cursor)

    def _later(self, leave: Coroutine[Any, Any, None]) -> None:
        leaving = asyncio.ensure_future(leave)
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    async def _leave_after(self, entering: asyncio.Future[tuple[Place, KeyValue]]) -> None:
        try:
            place, _ = await entering
        except StoreError:
            return  # there is no place to leave
        await self._leave(place)

    async def _leave(self, place: Place) -> None:
        try:
            await self.leave(place)
        except StoreError:
            pass  # its lease will end it

    async def _txn(
        self, key: bytes, created: int, success: tuple[Operation, ...], failure: tuple[Operation, ...] = ()
    ) -> Any:
        """Do something to a key that was created at this revision (0: that is not there)."""
        compare = Compare(key, CompareTarget.CREATE, CompareResult.EQUAL, created)
        return await self.node.propose(TxnRequest((compare,), success, failure))

    def _ahead_of(self, prefix: bytes, place: Place) -> KeyValue | None:
        """The last of those that came before."""
        return self._oldest(prefix, place.created - 1, SortOrder.DESCEND)

    def _oldest(self, prefix: bytes, created_max: int, order: SortOrder) -> KeyValue | None:
        request = RangeRequest(
            prefix,
            _prefix_end(prefix),
            limit=1,
            sort_order=order,
            sort_target=SortTarget.CREATE,
            max_create_revision=created_max,
        )
        result = ranges.range_or_refuse(self.node.store, request)
        assert not isinstance(result, Refusal), "the present is never compacted"
        return result.kvs[0] if result.kvs else None

    def _holds(self, place: Place) -> bool:
        kv = self.node.store.get(place.key, self.node.store.revision)
        return kv is not None and kv.create_revision == place.created

    @asynccontextmanager
    async def _woken_by(self, *keys: bytes) -> AsyncIterator[asyncio.Event]:
        """An event that is set when one of the keys is deleted after the present."""
        woken = asyncio.Event()
        cursors = [self._cursors.open(key, b"", 0, lambda _: woken.set(), no_put=True) for key in keys]
        try:
            yield woken
        finally:
            for cursor in cursors:
                assert isinstance(cursor, Cursor), "the present is never compacted"
                self._cursors.close(cursor)


def answer(method: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any, Any], Awaitable[Any]]:
    """As answers.answer, but refusals are UNKNOWN: codes get lost on the way through etcd's own client."""

    @wraps(method)
    async def handler(self: Any, request: Any, context: Any) -> Any:
        try:
            return await method(self, request)
        except StoreError as error:
            return await context.abort(grpc.StatusCode.UNKNOWN, error.refusal.text)

    return handler


def prefix_of(name: bytes) -> bytes:
    """The prefix of a lock's or election's keys."""
    return name + b"/"


def _prefix_end(prefix: bytes) -> bytes:
    assert prefix.endswith(b"/"), "so that its last byte can be counted up"
    return prefix[:-1] + bytes([prefix[-1] + 1])
