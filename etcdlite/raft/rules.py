"""Core: the rules for all servers (Figure 2): what a message's term means, then to the role it is for.

    message.term   here
    0              a request any member may make or pass on: straight to the role
    higher         a newer term has begun: become its follower (but see `_newer_term`)
    lower          its sender is behind: tell it if it thinks it leads or could, ignore it otherwise
    equal          to the vote, or to the role

Raft 5.1, 5.2; the exceptions are pre-vote's (thesis 9.6) and leader stickiness's (4.2.3).
"""

from __future__ import annotations

from etcdlite.raft import candidate, follower, leader, vote
from etcdlite.raft.messages import FORWARDED, FROM_LEADER, NONE, Message, MessageType, Role
from etcdlite.raft.state import State

STEP = {
    Role.FOLLOWER: follower.step,
    Role.PRE_CANDIDATE: candidate.step,
    Role.CANDIDATE: candidate.step,
    Role.LEADER: leader.step,
}
TICK = {
    Role.FOLLOWER: follower.tick,
    Role.PRE_CANDIDATE: follower.tick,
    Role.CANDIDATE: follower.tick,
    Role.LEADER: leader.tick,
}
VOTES = (MessageType.VOTE, MessageType.PRE_VOTE)


def tick(state: State) -> None:
    """Let one tick pass."""
    TICK[state.role](state)


def step(state: State, message: Message) -> None:
    """Take one message in; everything that follows from it is in the state afterwards."""
    assert (message.term == 0) == (message.type in FORWARDED), f"{message.type.name} of term {message.term}"
    if message.term:
        if message.term < state.current_term:
            _older_term(state, message)
            return
        if message.term > state.current_term and not _newer_term(state, message):
            return
    if message.type in VOTES:
        vote.handle(state, message)
        return
    if message.type in FROM_LEADER:
        _follow(state, message.from_)
    STEP[state.role](state, message)


def _newer_term(state: State, message: Message) -> bool:
    """Enter the message's term, unless it only speaks of a term to come; False drops the message."""
    if message.type in VOTES and vote.is_disruptive(state, message):
        return False
    is_grant = message.type is MessageType.PRE_VOTE_RESP and not message.reject
    if message.type is not MessageType.PRE_VOTE and not is_grant:
        state.become_follower(message.term)
    return True


def _older_term(state: State, message: Message) -> None:
    """Let a leader of an older term step down, and a pre-candidate learn the term; no one else need know."""
    if message.type in (MessageType.APP, MessageType.HEARTBEAT):
        state.send(MessageType.APP_RESP, message.from_)
    elif message.type is MessageType.PRE_VOTE:
        state.send(MessageType.PRE_VOTE_RESP, message.from_, reject=True)


def _follow(state: State, leader_id: int) -> None:
    """Raft 5.2: whoever hears from the leader of its term follows it, and is content for another timeout."""
    assert state.leader_id in (NONE, leader_id), f"{state.leader_id} and {leader_id} lead one term"
    assert state.role is not Role.LEADER
    if state.role is Role.FOLLOWER and state.leader_id == leader_id:
        state.election_elapsed = 0
    else:
        state.become_follower(state.current_term, leader_id)
