"""Shell: the Faults service: cuts this member's links to others: partitions without root.

Served only under --enable-fault-injection. A cut is this process's own and gone with it.
"""

from __future__ import annotations

from typing import Any

from etcdlite.errors import Refusal, StoreError
from etcdlite.log import logger
from etcdlite.node import Node
from etcdlite.pb import faults_pb2, faults_pb2_grpc
from etcdlite.server.answers import answer

log = logger("faults")


class FaultsServicer(faults_pb2_grpc.FaultsServicer):  # type: ignore[misc]  # the stubs are untyped
    """The calls of the Faults service."""

    def __init__(self, node: Node) -> None:
        self.node = node

    @answer
    async def Cut(self, request: Any) -> Any:  # noqa: N802 # as in proto/faults.proto
        if any(member not in self.node.members.by_id for member in request.members):
            raise StoreError(Refusal.MEMBER_NOT_FOUND)
        self.node.transport.links.cut(request.members)
        log.warning("links cut", members=",".join(f"{member:x}" for member in request.members))
        return self._links()

    @answer
    async def Heal(self, request: Any) -> Any:  # noqa: N802
        self.node.transport.links.heal(request.members)
        log.info("links healed", members=",".join(f"{member:x}" for member in request.members) or "all")
        return self._links()

    @answer
    async def List(self, request: Any) -> Any:  # noqa: N802
        return self._links()

    def _links(self) -> Any:
        return faults_pb2.Links(cut=sorted(self.node.transport.links.all_cut))
