"""Shell: etcd's Lease service: LeaseGrant, LeaseRevoke, LeaseKeepAlive, LeaseTimeToLive, LeaseLeases.

Granting and revoking are entries of the log. How long a lease has left is known to the leader alone, so
keepalives and questions about it are passed on to him by whichever member the client talks to.

After: etcd server/etcdserver/api/v3rpc/lease.go.
"""

from __future__ import annotations

from math import ceil
from random import Random
from typing import Any

from etcdlite.commands import LeaseGrantRequest, LeaseGrantResult, LeaseRevokeRequest
from etcdlite.errors import Refusal, StoreError
from etcdlite.lease.lessor import TTL_SECONDS_MAX
from etcdlite.node import Node
from etcdlite.pb import rpc_pb2, rpc_pb2_grpc
from etcdlite.server.answers import accept, answer, header, lacks_leader, refuse

GONE = -1  # the ttl of a lease that is not there


class LeaseServicer(rpc_pb2_grpc.LeaseServicer):  # type: ignore[misc]  # the stubs are untyped
    """The five calls of the Lease service."""

    def __init__(self, node: Node, random: Random) -> None:
        self.node = node
        self._random = random
        # a lease outlasts an election
        self._ttl_seconds_min = ceil(1.5 * node.limits.election_seconds)

    @answer
    async def LeaseGrant(self, request: Any) -> Any:  # noqa: N802 # the service's names are etcd's
        result = await self.grant(request.ID, request.TTL)
        return rpc_pb2.LeaseGrantResponse(
            header=header(self.node, result.revision), ID=result.id, TTL=result.ttl
        )

    async def grant(self, lease_id: int, ttl: int) -> LeaseGrantResult:
        """Make a lease, with an id of our choice if that is 0."""
        accept(Refusal.LEASE_TTL_TOO_LARGE if ttl > TTL_SECONDS_MAX else None)
        request = LeaseGrantRequest(lease_id or self._free_id(), max(ttl, self._ttl_seconds_min))
        result: Any = await self.node.propose(request)
        assert isinstance(result, LeaseGrantResult)
        return result

    @answer
    async def LeaseRevoke(self, request: Any) -> Any:  # noqa: N802
        result: Any = await self.node.propose(LeaseRevokeRequest(request.ID))
        return rpc_pb2.LeaseRevokeResponse(header=header(self.node, result.revision))

    async def LeaseKeepAlive(self, requests: Any, context: Any) -> None:  # noqa: N802
        """Answer each keepalive of the stream in turn; ttl 0 says that the lease is gone."""
        try:
            async for request in requests:
                accept(Refusal.NO_LEADER if lacks_leader(self.node, context) else None)
                ttl = await self.node.leasing.renew(request.ID)
                response = rpc_pb2.LeaseKeepAliveResponse(header=header(self.node), ID=request.ID, TTL=ttl)
                await context.write(response)
        except StoreError as error:
            await refuse(context, error.refusal)

    @answer
    async def LeaseTimeToLive(self, request: Any) -> Any:  # noqa: N802
        remaining = await self.node.leasing.remaining(request.ID)
        await self.node.linearizable_read()
        lease = self.node.lessor.get(request.ID)
        head = header(self.node)
        if remaining is None or lease is None:
            return rpc_pb2.LeaseTimeToLiveResponse(header=head, ID=request.ID, TTL=GONE)
        keys = self.node.lessor.keys(request.ID) if request.keys else []
        return rpc_pb2.LeaseTimeToLiveResponse(
            header=head, ID=request.ID, TTL=int(remaining), grantedTTL=lease.ttl, keys=keys
        )

    @answer
    async def LeaseLeases(self, request: Any) -> Any:  # noqa: N802
        await self.node.linearizable_read()
        leases = [rpc_pb2.LeaseStatus(ID=lease.id) for lease in self.node.lessor.by_deadline()]
        return rpc_pb2.LeaseLeasesResponse(header=header(self.node), leases=leases)

    def _free_id(self) -> int:
        while self.node.lessor.get(lease_id := self._random.getrandbits(62) + 1) is not None:
            pass
        return lease_id
