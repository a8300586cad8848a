"""Election Safety: at most one leader can be elected in a given term (Raft 5.2)."""

from __future__ import annotations

from etcdlite.raft.messages import Role
from tests.sim.member import Member


class ElectionSafety:
    def __init__(self) -> None:
        self.leader_of: dict[int, int] = {}

    def check(self, member: Member) -> bool:
        """Whether the member has just become the leader of a term."""
        status = member.node.status()
        if status.role is not Role.LEADER:
            return False
        is_new = status.term not in self.leader_of
        leader = self.leader_of.setdefault(status.term, member.id)
        assert leader == member.id, f"members {leader} and {member.id} both lead term {status.term}"
        return is_new
