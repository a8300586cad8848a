"""Core: the receiver of RequestVote: whom this member votes for (Raft 5.2, 5.4.1; pre-vote: thesis 9.6).

One vote a term, first come first served, and only for a log at least as up to date as one's own. A pre-vote
asks the same question for the next term and binds nobody.
"""

from __future__ import annotations

from etcdlite.raft.messages import NONE, Message, MessageType, Role
from etcdlite.raft.state import State

CAMPAIGN_TRANSFER = b"transfer"
"""Context of a VOTE the old leader itself asked for: leases are no reason to refuse it."""


def is_disruptive(state: State, message: Message) -> bool:
    """Whether a campaign for a newer term comes while this member still hears its leader."""
    assert message.type in (MessageType.VOTE, MessageType.PRE_VOTE)
    return message.context != CAMPAIGN_TRANSFER and state.has_lease()


def handle(state: State, message: Message) -> None:
    """Answer a VOTE of the current term, or a PRE_VOTE of the current term or a later one."""
    is_real = message.type is MessageType.VOTE
    assert message.term == state.current_term if is_real else message.term >= state.current_term
    answer = MessageType.VOTE_RESP if is_real else MessageType.PRE_VOTE_RESP
    if not (_is_free(state, message) and state.log.is_up_to_date(message.index, message.log_term)):
        state.send(answer, message.from_, reject=True)
        return
    if is_real:
        assert state.role in (Role.FOLLOWER, Role.PRE_CANDIDATE), "a candidate has voted for itself"
        state.voted_for = message.from_
        state.restart_election_timer()
    state.send(answer, message.from_, term=message.term)


def _is_free(state: State, message: Message) -> bool:
    """Whether the vote is still to give: repeated, first of its term, or only asked for in a term to come."""
    if state.voted_for == message.from_:
        return True
    if state.voted_for == NONE and state.leader_id == NONE:
        return True
    return message.type is MessageType.PRE_VOTE and message.term > state.current_term
