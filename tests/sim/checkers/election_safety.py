"""Election Safety: at most one leader can be elected in a given term (Raft 5.2)."""

from __future__ import annotations

from etcdlite.raft.messages import Role
from etcdlite.raft.raw_node import Status


class ElectionSafety:
    def __init__(self) -> None:
        self.leader_of: dict[int, int] = {}

    def check(self, status: Status) -> bool:
        """Whether this member has just become the leader of a term."""
        if status.role is not Role.LEADER:
            return False
        is_new = status.term not in self.leader_of
        leader = self.leader_of.setdefault(status.term, status.id)
        assert leader == status.id, f"members {leader} and {status.id} both lead term {status.term}"
        return is_new
