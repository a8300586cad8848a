"""Raft with one rule left out: what the checkers must notice, or they prove nothing.

Each function here takes pytest's `monkeypatch` and breaks one promise the way a plausible bug would.
"""

from __future__ import annotations

from typing import Any

from etcdlite.raft import leader, log, quorum, replication, storage
from etcdlite.raft.messages import NONE, HardState, Message, MessageType, ReadState
from etcdlite.raft.state import State
from tests.sim import member


def commits_entries_of_older_terms(patch: Any) -> None:
    """Without Raft 5.4.2, Figure 8: counting replicas of an older term's entry."""

    def advance_commit(state: State) -> bool:
        match_index = {id_: progress.match_index for id_, progress in state.lead().progress.items()}
        index = quorum.agreed(state.conf_state.voters, match_index)
        if index <= state.log.committed:
            return False
        state.log.commit_to(index)
        return True

    patch.setattr(replication, "advance_commit", advance_commit)


def votes_for_any_log(patch: Any) -> None:
    """Without Raft 5.4.1: the vote does not depend on the candidate's log."""
    patch.setattr(log.RaftLog, "is_up_to_date", lambda self, index, term: True)


def forgets_its_vote(patch: Any) -> None:
    """Without Figure 2's persistent votedFor: a restart votes again in the same term."""
    recover = storage.recover

    def forgetful(*found: Any) -> Any:
        recovered = recover(*found)
        hard_state, _ = recovered.initial_state()
        recovered.set_hard_state(HardState(hard_state.term, NONE, hard_state.commit))
        return recovered

    patch.setattr(member, "recover", forgetful)


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


def appends_a_proposal_of_any_term(patch: Any) -> None:
    """Without a proposal's term: one that was repeated is appended again by the next leader."""
    step = member.RawNode.step

    def careless(self: Any, message: Message) -> None:
        if message.type is MessageType.PROP:
            leads = self.status().progress
            if leads:
                leader.propose(self._state, message.entries)
            return
        step(self, message)

    patch.setattr(member.RawNode, "step", careless)


def counts_one_of_two_as_a_majority(patch: Any) -> None:
    """Half of the members decide, where it takes more than half."""
    patch.setattr(quorum, "majority", lambda voter_count: max(1, voter_count // 2))
