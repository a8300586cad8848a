"""Shell: etcd's Lock service: mutual exclusion by name, as long as the holder's lease lives.

A lock is no more than that: a holder that was paused may wake after its lease has ended, and must show its
key's revision to whatever it writes to (a fencing token) if two at once would do harm.

After: etcd server/etcdserver/api/v3lock/lock.go.
"""

from __future__ import annotations

from typing import Any

from etcdlite.commands import DeleteRangeRequest
from etcdlite.errors import Refusal
from etcdlite.pb import lock_pb2, lock_pb2_grpc
from etcdlite.server.answers import accept, header
from etcdlite.server.queueing import Queues, answer, prefix_of


class LockServicer(lock_pb2_grpc.LockServicer):  # type: ignore[misc]  # the stubs are untyped
    """The calls of the Lock service."""

    def __init__(self, queues: Queues) -> None:
        self.node = queues.node
        self._queues = queues

    @answer
    async def Lock(self, request: Any) -> Any:  # noqa: N802 # the service's names are etcd's
        prefix = prefix_of(request.name)
        place, _ = await self._queues.enter(prefix, request.lease, b"")
        await self._queues.wait_turn(prefix, place)
        return lock_pb2.LockResponse(header=header(self.node), key=place.key)

    @answer
    async def Unlock(self, request: Any) -> Any:  # noqa: N802
        accept(Refusal.EMPTY_KEY if not request.key else None)
        result: Any = await self.node.propose(DeleteRangeRequest(request.key))
        return lock_pb2.UnlockResponse(header=header(self.node, result.revision))
