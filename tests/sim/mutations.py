"""Raft with one rule left out: what the checkers must notice, or they prove nothing.

Each function takes `monkeypatch` and breaks one promise the way a plausible bug would. Rules whose breach
shows once in many thousand runs (Figure 8, a forgotten vote) are not here, but in the tests of the paper.
"""

from __future__ import annotations

from typing import Any

from etcdlite.raft import leader, log, quorum, replication
from etcdlite.raft.messages import NONE, MessageType, ReadState
from etcdlite.raft.state import State
from tests.sim import member


def votes_for_any_log(patch: Any) -> None:
    """Without Raft 5.4.1: the vote does not depend on the candidate's log."""
    patch.setattr(log.RaftLog, "is_up_to_date", lambda self, index, term: True)


def answers_before_saving(patch: Any) -> None:
    """Without the owner's first duty: every message leaves at once, saved or not."""
    begin = member.Member._begin

    def hasty(self: Any, now: int, ready: Any) -> None:
        begin(self, now, ready)
        if any(message.type is MessageType.SNAP for message in self.saving.late_messages):
            return
        for message in self.saving.late_messages:
            self._send(message, None)
        self.saving.late_messages = []

    patch.setattr(member.Member, "_begin", hasty)


def reads_without_asking(patch: Any) -> None:
    """Without the heartbeat round of ReadIndex: a leader trusts that it still leads."""

    def read_index(state: State, context: bytes, requester: int = NONE) -> None:
        if requester in (NONE, state.id):
            state.read_states.append(ReadState(state.log.committed, context))

    patch.setattr(leader, "read_index", read_index)


def reads_before_its_first_commit(patch: Any) -> None:
    """Without Raft 8: a new leader answers reads before it knows the newest commit index."""

    def read_index(state: State, context: bytes, requester: int = NONE) -> None:
        read_only = state.lead().read_only
        read_only.open_round(context, requester, state.log.committed)
        leader._confirm_reads(state)
        replication.broadcast_heartbeat(state)

    patch.setattr(leader, "read_index", read_index)


def counts_one_of_two_as_a_majority(patch: Any) -> None:
    """Half of the members decide, where it takes more than half."""
    patch.setattr(quorum, "majority", lambda voter_count: max(1, voter_count // 2))
