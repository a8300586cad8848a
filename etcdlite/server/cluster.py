"""Shell: etcd's Cluster service: who belongs to the cluster, and changes of that, one member at a time.

After: etcd server/etcdserver/api/v3rpc/member.go.
"""

from __future__ import annotations

from typing import Any

from etcdlite.errors import Refusal, StoreError
from etcdlite.members import member_id
from etcdlite.node import Node
from etcdlite.pb import rpc_pb2, rpc_pb2_grpc
from etcdlite.raft.messages import ConfChangeType
from etcdlite.server.answers import answer, header


class ClusterServicer(rpc_pb2_grpc.ClusterServicer):  # type: ignore[misc]  # the stubs are untyped
    """The calls of the Cluster service."""

    def __init__(self, node: Node, *, is_strict: bool = True) -> None:
        self.node = node
        self._is_strict = is_strict

    @answer
    async def MemberList(self, request: Any) -> Any:  # noqa: N802 # the service's names are etcd's
        if request.linearizable:
            await self.node.linearizable_read()
        return rpc_pb2.MemberListResponse(header=header(self.node), members=self._members())

    @answer
    async def MemberAdd(self, request: Any) -> Any:  # noqa: N802
        urls = sorted(request.peerURLs)
        _check_urls(urls)
        taken = {url for member in self._members() for url in member.peerURLs}
        if taken & set(urls):
            raise StoreError(Refusal.PEER_URL_EXISTS)
        if self._is_strict:
            self._check_health()
        member = rpc_pb2.Member(
            ID=member_id(urls, f"{self.node.now()}"), peerURLs=urls, isLearner=request.isLearner
        )
        kind = ConfChangeType.ADD_LEARNER if request.isLearner else ConfChangeType.ADD_MEMBER
        await self.node.change_membership(kind, member)
        return rpc_pb2.MemberAddResponse(header=header(self.node), member=member, members=self._members())

    @answer
    async def MemberRemove(self, request: Any) -> Any:  # noqa: N802
        self._known(request.ID)
        if self.node.members.conf_state.voters == (request.ID,):
            raise StoreError(Refusal.NOT_ENOUGH_STARTED_MEMBERS)
        if self._is_strict and not self._may_lose(request.ID):
            raise StoreError(Refusal.UNHEALTHY)
        await self.node.change_membership(ConfChangeType.REMOVE_MEMBER, rpc_pb2.Member(ID=request.ID))
        return rpc_pb2.MemberRemoveResponse(header=header(self.node), members=self._members())

    @answer
    async def MemberUpdate(self, request: Any) -> Any:  # noqa: N802
        known = self._known(request.ID)
        urls = sorted(request.peerURLs)
        _check_urls(urls)
        member = rpc_pb2.Member(ID=request.ID, peerURLs=urls, isLearner=known.isLearner)
        await self.node.change_membership(ConfChangeType.UPDATE_MEMBER, member)
        return rpc_pb2.MemberUpdateResponse(header=header(self.node), members=self._members())

    @answer
    async def MemberPromote(self, request: Any) -> Any:  # noqa: N802
        known = self._known(request.ID)
        if not known.isLearner:
            raise StoreError(Refusal.NOT_LEARNER)
        member = rpc_pb2.Member(ID=request.ID, peerURLs=known.peerURLs)
        await self.node.change_membership(ConfChangeType.ADD_MEMBER, member)
        return rpc_pb2.MemberPromoteResponse(header=header(self.node), members=self._members())

    def _members(self) -> list[Any]:
        return sorted(self.node.members.by_id.values(), key=lambda member: member.ID)

    def _known(self, wanted: int) -> Any:
        member = self.node.members.by_id.get(wanted)
        if member is None:
            raise StoreError(Refusal.MEMBER_NOT_FOUND)
        return member

    def _check_health(self) -> None:
        """A cluster that could not lose a member must not be asked to wait for one more."""
        voters = self.node.members.conf_state.voters
        if not all(self.node.transport.is_connected(voter) for voter in voters):
            raise StoreError(Refusal.UNHEALTHY)

    def _may_lose(self, leaving: int) -> bool:
        """Whether those here without him are a majority of those who stay; one who is away costs nothing."""
        voters = self.node.members.conf_state.voters
        present = [voter for voter in voters if self.node.transport.is_connected(voter)]
        if leaving not in present:
            return True
        return len(present) - 1 >= (len(voters) - 1) // 2 + 1


def _check_urls(urls: list[str]) -> None:
    """Each is scheme://host:port and nothing more."""
    for url in urls:
        scheme, _, address = url.partition("://")
        host, _, port = address.rpartition(":")
        if scheme not in ("http", "https") or not host or not port.isdigit():
            raise StoreError(Refusal.BAD_URLS)
    if not urls:
        raise StoreError(Refusal.BAD_URLS)
