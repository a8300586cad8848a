"""Shell: the store behind the API server: an etcd v3 cluster, ours or any other.

The only file that knows etcd. Writes are transactions guarded by mod_revision, which read the key in their
failure branch, so that the loser of a race learns at once what he lost against.

After: k8s staging/src/k8s.io/apiserver/pkg/storage/etcd3/{store,compact}.go
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

from apiserver.storage.interface import (
    Change,
    Changes,
    Compacted,
    KeyExists,
    Page,
    Refused,
    Stale,
    Stored,
    Unavailable,
)
from apiserver.storage.leases import SharedLeases
from etcdlite import client as etcd
from etcdlite.client import rpc_pb2 as pb

TIMEOUT_SECONDS = 10.0
# What keys begin with, here; in the store another prefix may stand in its place.
ROOT = "/registry"
# Its version counts the rounds of compaction; real API servers know it, too.
COMPACT_KEY = b"compact_rev_key"
LEASE_NOT_FOUND = "etcdserver: requested lease not found"

T = TypeVar("T")
# Who counts: the operation, the key, the seconds, whether it failed.
Observe = Callable[[str, str, float, bool], None]


async def _translated(call: Awaitable[T]) -> T:
    """Raise this package's exceptions in place of the client's."""
    try:
        return await call
    except etcd.Compacted as error:
        raise Compacted(str(error)) from error
    except etcd.Unavailable as error:
        raise Unavailable(str(error)) from error
    except etcd.ClientError as error:
        raise Refused(error.message) from error


class EtcdStorage:
    """A Storage over the etcd v3 protocol."""

    def __init__(
        self, endpoints: Sequence[str], ca: str = "", cert: str = "", key: str = "", prefix: str = ROOT
    ) -> None:
        self._prefix = prefix.encode()
        self._client = etcd.Client(endpoints, ca, cert, key, timeout=TIMEOUT_SECONDS)
        self.observe: Observe = _unseen
        self._leases = SharedLeases(self._grant, time.monotonic)

    async def get(self, key: str) -> Stored | None:
        response = await self._observed("get", key, self._client.range_(self._raw(key)))
        return self._stored(response.kvs[0]) if response.kvs else None

    async def create(self, key: str, value: bytes, ttl_seconds: int = 0) -> int:
        try:
            return await self._put(key, value, 0, ttl_seconds)
        except Stale:
            raise KeyExists from None

    async def update(self, key: str, value: bytes, expected_revision: int, ttl_seconds: int = 0) -> int:
        return await self._put(key, value, expected_revision, ttl_seconds)

    async def delete(self, key: str, expected_revision: int) -> int:
        request = pb.DeleteRangeRequest(key=self._raw(key))
        delete = pb.RequestOp(request_delete_range=request)
        return await self._guarded("delete", key, expected_revision, delete)

    async def _put(self, key: str, value: bytes, expected_revision: int, ttl_seconds: int) -> int:
        name, lease = "update" if expected_revision else "create", await self._leases.get(ttl_seconds)
        try:
            return await self._guarded(name, key, expected_revision, self._put_op(key, value, lease))
        except Refused as error:
            if not lease or str(error) != LEASE_NOT_FOUND:
                raise
            # Somebody revoked it, or the store was restored to a time before it.
            self._leases.forget(lease)
        lease = await self._leases.get(ttl_seconds)
        return await self._guarded(name, key, expected_revision, self._put_op(key, value, lease))

    async def _guarded(self, name: str, key: str, expected_revision: int, operation: Any) -> int:
        read = pb.RequestOp(request_range=pb.RangeRequest(key=self._raw(key)))
        compare = _at_revision(self._raw(key), expected_revision)
        write = self._client.txn([compare], [operation], [read])
        response = await self._observed(name, key, write)
        if response.succeeded:
            return int(response.header.revision)
        found = response.responses[0].response_range.kvs
        raise Stale(self._stored(found[0]) if found else None)

    async def list(self, prefix: str, start: str = "", limit: int = 0, revision: int = 0) -> Page:
        first, end = self._raw(start or prefix), etcd.prefix_end(self._raw(prefix))
        read = self._client.range_(first, end, limit=limit, revision=revision)
        response = await self._observed("list", prefix, read)
        items = [self._stored(kv) for kv in response.kvs]
        return Page(items, revision or int(response.header.revision), int(response.count) - len(items))

    async def current_revision(self) -> int:
        # The key is never there: the answer is a header alone.
        read = self._client.range_(b"/registry", count_only=True)
        response = await self._observed("getCurrentResourceVersion", "", read)
        return int(response.header.revision)

    async def watch(self, start_revision: int) -> AsyncIterator[Changes]:
        watcher = self._client.watch(b"\0", b"\0", start_revision=start_revision)
        try:
            while True:
                response = await _translated(watcher.__anext__())
                if response.events:
                    changes = [self._change(event) for event in response.events]
                    yield Changes(changes[-1].revision, changes)
        finally:
            watcher.close()

    async def compact(self, revision: int) -> None:
        await _translated(self._client.compact(revision))

    async def claim_compaction(self, version: int, revision: int) -> tuple[bool, int, int]:
        """Take the turn to compact to a revision: of several servers the one whose guarded write succeeds.

        `version` is the guard key's as last seen (0: never). The answer: is it our turn, the key's version
        now, and the store's revision now.
        """
        compare = pb.Compare(
            key=COMPACT_KEY, target=pb.Compare.VERSION, result=pb.Compare.EQUAL, version=version
        )
        put = pb.RequestOp(request_put=pb.PutRequest(key=COMPACT_KEY, value=str(revision).encode()))
        read = pb.RequestOp(request_range=pb.RangeRequest(key=COMPACT_KEY))
        response = await _translated(self._client.txn([compare], [put], [read]))
        now = int(response.header.revision)
        if response.succeeded:
            return True, version + 1, now
        found = response.responses[0].response_range.kvs
        return False, int(found[0].version) if found else 0, now

    async def close(self) -> None:
        await self._client.close()

    def _raw(self, key: str) -> bytes:
        """A key as the store has it."""
        return self._prefix + key.removeprefix(ROOT).encode()

    def _name(self, raw: bytes) -> str:
        """A key as it is called here; nothing for those of others."""
        if not raw.startswith(self._prefix + b"/"):
            return ""
        return ROOT + raw[len(self._prefix) :].decode(errors="replace")

    def _stored(self, kv: Any) -> Stored:
        return Stored(self._name(kv.key), kv.value, int(kv.mod_revision))

    def _change(self, event: Any) -> Change:
        value = None if event.type == event.DELETE else event.kv.value
        return Change(self._name(event.kv.key), value, int(event.kv.mod_revision))

    def _put_op(self, key: str, value: bytes, lease: int) -> Any:
        return pb.RequestOp(request_put=pb.PutRequest(key=self._raw(key), value=value, lease=lease))

    async def _observed(self, operation: str, key: str, call: Awaitable[T]) -> T:
        began, failed = time.monotonic(), True
        try:
            answer = await _translated(call)
            failed = False
            return answer
        finally:
            self.observe(operation, key, time.monotonic() - began, failed)

    async def _grant(self, ttl_seconds: int) -> int:
        response = await _translated(self._client.lease_grant(ttl_seconds))
        return int(response.ID)


def _unseen(_operation: str, _key: str, _seconds: float, _failed: bool) -> None:
    """Nobody counts."""


def _at_revision(key: bytes, revision: int) -> Any:
    return pb.Compare(key=key, target=pb.Compare.MOD, result=pb.Compare.EQUAL, mod_revision=revision)
