"""Core: a candidate: asks for votes and counts them (Raft 5.2).

    FOLLOWER --timeout--> PRE_CANDIDATE --majority would vote--> CANDIDATE --majority voted--> LEADER
        ^---- a leader, a higher term, or a lost election ------------'

A pre-candidate changes neither its term nor its vote, so a member that cannot win (cut off, or behind)
disturbs nobody (thesis 9.6).
"""

from __future__ import annotations

from etcdlite.raft import leader
from etcdlite.raft.messages import NONE, EntryType, Message, MessageType, Role
from etcdlite.raft.quorum import VoteResult, vote_result
from etcdlite.raft.state import State
from etcdlite.raft.vote import CAMPAIGN_TRANSFER


def campaign(state: State, *, is_transfer: bool = False) -> None:
    """Start an election, unless this member could not serve as leader; a transfer needs no pre-vote."""
    if state.role is Role.LEADER or not can_campaign(state):
        return
    if state.config.pre_vote and not is_transfer:
        _ask(state, Role.PRE_CANDIDATE)
    else:
        # Nobody was asked first, and a higher term makes all others wait anew: no second time in a hurry.
        state.is_hurried = False
        _ask(state, Role.CANDIDATE, CAMPAIGN_TRANSFER if is_transfer else b"")


def can_campaign(state: State) -> bool:
    """Only a voter may lead, and only one that has applied every membership change it knows committed."""
    log = state.log
    if not state.is_voter() or log.pending_snapshot is not None:
        return False
    to_apply = log.entries(log.applied + 1, log.committed + 1, state.config.max_size_per_message)
    while to_apply:
        if any(entry.type is EntryType.CONF_CHANGE for entry in to_apply):
            return False
        to_apply = log.entries(to_apply[-1].index + 1, log.committed + 1, state.config.max_size_per_message)
    return True


def _ask(state: State, role: Role, context: bytes = b"") -> None:
    """Become a (pre-)candidate, vote for oneself, and ask the others."""
    next_term = state.current_term + 1
    state.enter(role, next_term if role is Role.CANDIDATE else state.current_term, NONE)
    if role is Role.CANDIDATE:
        state.voted_for = state.id
    if _count(state, state.id, True) is not VoteResult.PENDING:
        return
    type_ = MessageType.VOTE if role is Role.CANDIDATE else MessageType.PRE_VOTE
    last_index, last_term = state.log.last_index(), state.log.last_term()
    for voter in state.conf_state.voters:
        if voter != state.id:
            state.send(
                type_,
                voter,
                term=next_term,
                index=last_index,
                log_term=last_term,
                context=context,
            )


def _count(state: State, voter: int, is_granted: bool) -> VoteResult:
    """Note a vote, the first of each voter, and act on how the election stands."""
    state.votes.setdefault(voter, is_granted)
    result = vote_result(state.conf_state.voters, state.votes)
    if result is VoteResult.LOST:
        state.become_follower(state.current_term)
    elif result is VoteResult.WON and state.role is Role.PRE_CANDIDATE:
        _ask(state, Role.CANDIDATE)
    elif result is VoteResult.WON:
        leader.become(state)
    return result


def step(state: State, message: Message) -> None:
    """Count answers to the election that is running; everything else needs a leader and is dropped."""
    assert state.role in (Role.CANDIDATE, Role.PRE_CANDIDATE)
    awaited = MessageType.VOTE_RESP if state.role is Role.CANDIDATE else MessageType.PRE_VOTE_RESP
    if message.type is awaited:
        _count(state, message.from_, not message.reject)
