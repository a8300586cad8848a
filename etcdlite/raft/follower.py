"""Core: a follower: takes entries, heartbeats and snapshots from the leader, and watches that it lives.

The receivers of AppendEntries (Raft 5.3) and InstallSnapshot (7). Every answer leaves after what it promises
is saved: the owner sends a Ready's messages after saving its entries.
"""

from __future__ import annotations

from etcdlite.raft.candidate import campaign
from etcdlite.raft.messages import NONE, Message, MessageType, ReadState, Role
from etcdlite.raft.state import State


def tick(state: State) -> None:
    """One tick without a leader is harmless; a whole election timeout calls for an election (Raft 5.2)."""
    assert state.role is not Role.LEADER
    state.election_elapsed += 1
    if state.election_elapsed >= state.election_timeout:
        state.leader_id = NONE  # whoever may not campaign must at least not refuse its vote for a lost leader
        state.restart_election_timer()
        campaign(state)


def step(state: State, message: Message) -> None:
    """Handle a message of the current term; late answers to an earlier role are ignored."""
    assert state.role is Role.FOLLOWER
    match message.type:
        case MessageType.APP:
            _handle_append(state, message)
        case MessageType.HEARTBEAT:
            _handle_heartbeat(state, message)
        case MessageType.SNAP:
            _handle_snapshot(state, message)
        case MessageType.READ_INDEX | MessageType.TRANSFER_LEADER:
            state.forward(message)
        case MessageType.READ_INDEX_RESP:
            state.read_states.append(ReadState(message.index, message.context))
        case MessageType.TIMEOUT_NOW:
            campaign(state, is_transfer=True)
        case _:
            pass


def leader_stream_closed(state: State, member_id: int) -> None:
    """Evidence that the leader is gone: forget it and its lease, and campaign when it is this member's turn.

    Only this member's knowledge changes: the others refuse a pre-vote until they have evidence of their own,
    so that one broken link disturbs nobody. All of them have it in the same moment, and two that campaigned
    together would split the votes: so they take turns, in the order of their ids. Who could not win has lost
    a turn by it, no more: whatever follows is left to chance again (Raft 5.2).
    """
    if state.leader_id != member_id or state.role is not Role.FOLLOWER:
        return
    assert member_id != NONE
    state.leader_id = NONE
    state.is_hurried = True
    state.election_elapsed = 0
    turn = sum(voter < state.id for voter in state.conf_state.voters if voter != member_id)
    state.election_timeout = turn * state.config.takeover_ticks


def _handle_append(state: State, message: Message) -> None:
    """AppendEntries receiver: accept what follows an entry both logs hold, else hint where to look.

    What only tells a new commit index is not answered: the leader would learn nothing, and one message in
    four would be such an answer. What tells nothing at all is a probe, and asks for one.
    """
    log = state.log
    if message.index < log.committed:
        state.send(MessageType.APP_RESP, message.from_, index=log.committed)
        return
    last = log.append_after(message.index, message.log_term, message.entries)
    if last is None:
        hint, hint_term = log.last_index_at_most(message.index, message.log_term)
        answer = {"index": message.index, "reject": True, "reject_hint": hint, "log_term": hint_term}
        state.send(MessageType.APP_RESP, message.from_, **answer)
        return
    commit = min(message.commit, last)
    tells_only_commit = not message.entries and commit > log.committed
    log.commit_to(commit)
    if not tells_only_commit:
        state.send(MessageType.APP_RESP, message.from_, index=last)


def _handle_heartbeat(state: State, message: Message) -> None:
    state.log.commit_to(message.commit)
    state.send(MessageType.HEARTBEAT_RESP, message.from_, context=message.context)


def _handle_snapshot(state: State, message: Message) -> None:
    """Take a snapshot that holds more than this log, and say up to where this log is the leader's."""
    assert message.snapshot is not None
    _restore(state, message)
    state.send(MessageType.APP_RESP, message.from_, index=state.log.committed)


def _restore(state: State, message: Message) -> None:
    assert message.snapshot is not None
    metadata, log = message.snapshot.metadata, state.log
    if metadata.index <= log.committed or state.id not in metadata.conf_state.members:
        return
    if log.matches(metadata.index, metadata.term):
        log.commit_to(metadata.index)  # nothing missing after all: entries are better than a snapshot
        return
    log.restore(message.snapshot)
    state.conf_state = metadata.conf_state
