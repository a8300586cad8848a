"""Core: a leader: takes proposals, replicates and commits them, confirms reads, gives way when it must.

Its first act is an empty entry of its own term, for only entries of its own term may be committed by counting
(Raft 5.4.2, 8); membership changes and reads wait until that one is. With check_quorum it steps down after an
election timeout without a majority, so that clients of a cut-off leader go elsewhere (Raft 6).
"""

from __future__ import annotations

import sys

from etcdlite.raft import quorum, replication
from etcdlite.raft.inflights import Inflights
from etcdlite.raft.membership import change
from etcdlite.raft.messages import (
    NONE,
    ConfChange,
    ConfState,
    Entry,
    EntryType,
    Message,
    MessageType,
    ReadState,
    Role,
)
from etcdlite.raft.progress import Progress, ProgressState
from etcdlite.raft.read_only import PendingRead, decode_round
from etcdlite.raft.state import Leadership, State


def become(state: State) -> None:
    """Raft 5.2: a majority voted; tell everyone at once, with the first entry of the new term."""
    assert state.role is Role.CANDIDATE, "only a candidate is elected"
    assert state.voted_for == state.id
    state.enter(Role.LEADER, state.current_term, state.id)
    progress = {member_id: _new_progress(state, member_id) for member_id in state.conf_state.members}
    first_index = state.log.last_index() + 1
    state.leadership = Leadership(progress, pending_conf_index=first_index)
    progress[state.id].matched(state.log.stable_index())
    progress[state.id].is_active = True
    uncommitted = state.log.entries(state.log.committed + 1, first_index, sys.maxsize)
    _append(state, (Entry(0, 0),))
    assert state.log.last_index() == first_index
    state.leadership.is_leaving = any(_removes_me(state, entry) for entry in uncommitted)


def _new_progress(state: State, member_id: int) -> Progress:
    return Progress(
        next_index=state.log.last_index() + 1,
        is_learner=member_id in state.conf_state.learners,
        inflight=Inflights(state.config.max_inflight_messages, state.config.max_inflight_bytes),
    )


def propose(state: State, entries: tuple[Entry, ...]) -> str:
    """Append entries to the log and send them out; or why not."""
    refusal = _refusal(state, entries)
    if not refusal:
        _append(state, entries)
    return refusal


def _append(state: State, entries: tuple[Entry, ...]) -> None:
    leadership, log = state.lead(), state.log
    first = log.last_index() + 1
    numbered = [
        Entry(state.current_term, first + i, entry.type, entry.data) for i, entry in enumerate(entries)
    ]
    for entry in numbered:
        if entry.type is EntryType.CONF_CHANGE:
            leadership.pending_conf_index = entry.index
            leadership.is_leaving = _removes_me(state, entry)
    leadership.uncommitted_bytes += sum(len(entry.data) for entry in numbered)
    log.append(numbered)
    replication.broadcast_append(state)


def _refusal(state: State, entries: tuple[Entry, ...]) -> str:
    leadership = state.lead()
    if leadership.transferee != NONE:
        return "leadership is being transferred"
    if leadership.is_leaving:
        return "the leader is leaving the cluster"
    size = sum(len(entry.data) for entry in entries)
    waiting = leadership.uncommitted_bytes
    if waiting and size and waiting + size > state.config.max_uncommitted_bytes:
        return "too much is proposed and not yet committed"
    changes = [entry for entry in entries if entry.type is EntryType.CONF_CHANGE]
    return _refusal_of_change(state, changes[0], len(entries)) if changes else ""


def _refusal_of_change(state: State, entry: Entry, entry_count: int) -> str:
    if entry_count > 1:
        return "a membership change comes alone"
    if state.lead().pending_conf_index > state.log.applied:
        return "a membership change is already under way"
    if not change(state.conf_state, ConfChange.decode(entry.data)).voters:
        return "the last voter cannot leave"
    return ""


def _removes_me(state: State, entry: Entry) -> bool:
    """Whether this member is no voter any more once the entry is applied."""
    if entry.type is not EntryType.CONF_CHANGE:
        return False
    return state.id not in change(state.conf_state, ConfChange.decode(entry.data)).voters


def tick(state: State) -> None:
    """Send the pulse when due; once an election timeout ask whether a majority still answers."""
    leadership = state.lead()
    state.heartbeat_elapsed += 1
    state.election_elapsed += 1
    if state.election_elapsed >= state.config.election_ticks:
        state.election_elapsed = 0
        leadership.transferee = NONE  # who did not take over within this time will not
        if state.config.check_quorum and not _has_active_majority(state):
            state.become_follower(state.current_term)
            return
    if state.heartbeat_elapsed >= state.config.heartbeat_ticks:
        state.heartbeat_elapsed = 0
        replication.broadcast_heartbeat(state)


def _has_active_majority(state: State) -> bool:
    """Whether a majority was heard of since the last time this was asked."""
    active = {id_: int(p.is_active) for id_, p in state.lead().progress.items()}
    active[state.id] = 1
    for id_, progress in state.lead().progress.items():
        progress.is_active = id_ == state.id
    return quorum.agreed(state.conf_state.voters, active) == 1


def step(state: State, message: Message) -> None:
    """Handle a message of the current term, or a forwarded request."""
    assert message.type not in (MessageType.APP, MessageType.SNAP), "two leaders in one term"
    match message.type:
        case MessageType.PROP:
            propose(state, message.entries)  # refused means lost: the proposer finds out by waiting
        case MessageType.READ_INDEX:
            read_index(state, message.context, message.from_)
        case MessageType.TRANSFER_LEADER:
            transfer(state, message.from_)
        case MessageType.APP_RESP if message.from_ in state.lead().progress:
            _handle_append_response(state, message)
        case MessageType.HEARTBEAT_RESP if message.from_ in state.lead().progress:
            _handle_heartbeat_response(state, message)
        case _:
            pass


# Replication


def _handle_append_response(state: State, message: Message) -> None:
    leadership, member_id = state.lead(), message.from_
    progress = leadership.progress[member_id]
    was_paused = progress.is_paused()
    is_news = replication.handle_append_response(state, message)
    if message.reject:
        return
    if not (is_news and commit(state)) and was_paused:
        replication.send_append(state, member_id)
    while replication.send_append(state, member_id, may_be_empty=False):
        pass
    is_level = progress.match_index == state.log.last_index()
    if is_news and is_level and member_id == leadership.transferee:
        state.send(MessageType.TIMEOUT_NOW, member_id)


def _handle_heartbeat_response(state: State, message: Message) -> None:
    leadership = state.lead()
    progress = leadership.progress[message.from_]
    progress.is_active = True
    progress.is_waiting = False
    progress.heartbeat_round = max(progress.heartbeat_round, decode_round(message.context))
    progress.free_one_inflight()
    if progress.match_index < state.log.last_index() or progress.state is ProgressState.PROBE:
        replication.send_append(state, message.from_)
    _confirm_reads(state)


def saved(state: State) -> None:
    """This member's own disk holds more of the log: it counts like any other's."""
    progress = state.lead().progress[state.id]
    if progress.matched(state.log.stable_index()):
        commit(state)


def commit(state: State) -> bool:
    """Advance the commit index if a majority allows it, tell the others, and let waiting reads go on."""
    if not replication.advance_commit(state):
        return False
    replication.broadcast_append(state)
    leadership = state.lead()
    early, leadership.read_only.early = leadership.read_only.early, []
    for read in early:
        read_index(state, read.context, read.requester)
    return True


def applied(state: State, entries: list[Entry]) -> None:
    """Committed entries no longer count towards the limit of what is under way."""
    leadership = state.lead()
    done = sum(len(entry.data) for entry in entries)
    leadership.uncommitted_bytes = max(0, leadership.uncommitted_bytes - done)


def report_unreachable(state: State, member_id: int) -> None:
    """Appends to this member are being lost: stop sending ahead and find out where it stands."""
    progress = state.lead().progress.get(member_id)
    if progress and progress.state is ProgressState.REPLICATE:
        progress.become_probe()


def report_snapshot(state: State, member_id: int, is_ok: bool) -> None:
    """A snapshot's stream ended; go on after it, or start over, once the member is heard of again."""
    progress = state.lead().progress.get(member_id)
    if progress is None or progress.state is not ProgressState.SNAPSHOT:
        return
    if not is_ok:
        progress.pending_snapshot_index = 0
    progress.become_probe()
    progress.is_waiting = True


# Reads


def read_index(state: State, context: bytes, requester: int = NONE) -> None:
    """Start a linearizable read for this member's owner, or for the member that forwarded it."""
    log, read_only = state.log, state.lead().read_only
    if log.term(log.committed) != state.current_term:
        read_only.early.append(PendingRead(context, requester))
        return
    read_only.open_round(context, requester, log.committed)
    _confirm_reads(state)
    if read_only.waiting:
        replication.broadcast_heartbeat(state)


def _confirm_reads(state: State) -> None:
    leadership = state.lead()
    rounds = {id_: progress.heartbeat_round for id_, progress in leadership.progress.items()}
    rounds[state.id] = leadership.read_only.round
    for read in leadership.read_only.confirm(quorum.agreed(state.conf_state.voters, rounds)):
        if read.requester in (NONE, state.id):
            state.read_states.append(ReadState(read.index, read.context))
        else:
            state.send(MessageType.READ_INDEX_RESP, read.requester, index=read.index, context=read.context)


# Leadership transfer (thesis 3.10) and membership (4.1)


def transfer(state: State, to: int) -> None:
    """Stop taking proposals, bring the transferee up to date, and tell it to campaign at once."""
    leadership = state.lead()
    progress = leadership.progress.get(to)
    if progress is None or progress.is_learner or to in (state.id, leadership.transferee):
        return
    leadership.transferee = to
    state.election_elapsed = 0
    if progress.match_index == state.log.last_index():
        state.send(MessageType.TIMEOUT_NOW, to)
    else:
        replication.send_append(state, to)


def membership_changed(state: State, before: ConfState) -> None:
    """Follow a change that was just applied; a leader that is no voter any more steps down."""
    leadership, after = state.lead(), state.conf_state
    for member_id in before.members:
        if member_id not in after.members:
            del leadership.progress[member_id]
    for member_id in after.members:
        if member_id not in leadership.progress:
            leadership.progress[member_id] = _new_progress(state, member_id)
            leadership.progress[member_id].is_active = True  # it had no time to answer yet
        leadership.progress[member_id].is_learner = member_id in after.learners
    if leadership.transferee not in after.voters:
        leadership.transferee = NONE
    if not state.is_voter():
        replication.broadcast_append(state)
        state.become_follower(state.current_term)
    elif not commit(state):  # a smaller majority may have agreed already
        for member_id in after.members:
            if member_id != state.id:
                replication.send_append(state, member_id, may_be_empty=False)
