"""Shell: etcd's Election service: who comes first leads, and says something by the value of its key.

After: etcd server/etcdserver/api/v3election/election.go and client/v3/concurrency/election.go.
"""

from __future__ import annotations

from typing import Any

from etcdlite import codec
from etcdlite.errors import Refusal, StoreError
from etcdlite.mvcc.key_value import KeyValue
from etcdlite.pb import election_pb2, election_pb2_grpc
from etcdlite.server.answers import accept, header, refuse
from etcdlite.server.queueing import Place, Queues, answer, prefix_of


class ElectionServicer(election_pb2_grpc.ElectionServicer):  # type: ignore[misc]  # the stubs are untyped
    """The calls of the Election service."""

    def __init__(self, queues: Queues) -> None:
        self.node = queues.node
        self._queues = queues

    @answer
    async def Campaign(self, request: Any) -> Any:  # noqa: N802 # the service's names are etcd's
        prefix = prefix_of(request.name)
        place, kv = await self._queues.enter(prefix, request.lease, request.value)
        if kv.value != request.value:
            await self._queues.put(place, request.value)
        await self._queues.wait_turn(prefix, place)
        leader = election_pb2.LeaderKey(
            name=request.name, key=place.key, rev=place.created, lease=place.lease
        )
        return election_pb2.CampaignResponse(header=header(self.node, place.revision), leader=leader)

    @answer
    async def Proclaim(self, request: Any) -> Any:  # noqa: N802
        revision = await self._queues.put(_place(request), request.value)
        return election_pb2.ProclaimResponse(header=header(self.node, revision))

    @answer
    async def Resign(self, request: Any) -> Any:  # noqa: N802
        revision = await self._queues.leave(_place(request))
        return election_pb2.ResignResponse(header=header(self.node, revision))

    @answer
    async def Leader(self, request: Any) -> Any:  # noqa: N802
        await self.node.linearizable_read()
        leader = self._queues.first(prefix_of(request.name))
        accept(Refusal.NOBODY_ELECTED if leader is None else None)
        assert leader is not None
        return self._response(leader, self.node.store.revision)

    async def Observe(self, request: Any, context: Any) -> None:  # noqa: N802
        """Each leader in turn, and each value it proclaims; nothing while nobody leads."""
        prefix = prefix_of(request.name)
        try:
            await self.node.linearizable_read()
            while True:
                # What is read and what is watched meet without a gap: nothing is awaited in between.
                leader = self._queues.first(prefix)
                if leader is None:
                    async with self._queues.watching(prefix, prefix[:-1] + b"0") as (_, woken):
                        await woken.wait()
                else:
                    await self._follow(leader, context)
        except StoreError as error:
            await refuse(context, error.refusal)

    async def _follow(self, leader: KeyValue, context: Any) -> None:
        """Tell of one leader until its key is gone."""
        async with self._queues.watching(leader.key) as (cursor, woken):
            await context.write(self._response(leader, self.node.store.revision))
            while True:
                await woken.wait()
                woken.clear()
                changes = self._queues.poll(cursor) if cursor.is_behind else []
                if isinstance(changes, Refusal):
                    return  # too far behind: begin again with the present
                for kv in changes:
                    if kv.is_tombstone:
                        return
                    await context.write(self._response(kv, kv.mod_revision))
                if cursor.is_behind:
                    woken.set()

    def _response(self, kv: KeyValue, revision: int) -> Any:
        return election_pb2.LeaderResponse(header=header(self.node, revision), kv=codec.kv_to_pb(kv))


def _place(request: Any) -> Place:
    """The place that a leader says it has."""
    accept(Refusal.NO_LEADER_KEY if not request.HasField("leader") else None)
    leader = request.leader
    return Place(leader.key, leader.rev, leader.lease, 0)
