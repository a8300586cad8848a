"""Core: how a leader brings its log to the others, and when an entry is committed (Raft 5.3, 5.4.2).

The leader counts itself only for what its own disk holds (leader.py, `saved`), so it may send entries to the
others while it saves them itself (thesis 10.2.1).
"""

from __future__ import annotations

from etcdlite.raft import quorum
from etcdlite.raft.messages import Message, MessageType, size_bytes
from etcdlite.raft.progress import Progress, ProgressState
from etcdlite.raft.read_only import encode_round
from etcdlite.raft.state import State
from etcdlite.raft.storage import Compacted, SnapshotTemporarilyUnavailable


def broadcast_append(state: State) -> None:
    """Send each member what it lacks, or at least the commit index."""
    for member_id in state.lead().progress:
        if member_id != state.id:
            send_append(state, member_id)


def send_append(state: State, to: int, *, may_be_empty: bool = True) -> bool:
    """Send what comes next for this member, or a snapshot if that is gone; whether anything was sent.

    An append without entries still tells the commit index and probes where the logs agree.
    """
    progress, log = state.lead().progress[to], state.log
    if progress.is_paused():
        return False
    previous = progress.next_index - 1
    try:
        previous_term = log.term(previous)
        entries = log.entries(progress.next_index, log.last_index() + 1, state.config.max_size_per_message)
    except Compacted:
        return _send_snapshot(state, to, progress)
    if not entries and not may_be_empty:
        return False
    state.send(
        MessageType.APP,
        to,
        index=previous,
        log_term=previous_term,
        entries=tuple(entries),
        commit=log.committed,
    )
    progress.sent(previous + len(entries), size_bytes(entries))
    return True


def _send_snapshot(state: State, to: int, progress: Progress) -> bool:
    """Raft 7: only a member that answers is worth a snapshot."""
    if not progress.is_active:
        return False
    try:
        snapshot = state.log.snapshot()
    except SnapshotTemporarilyUnavailable:
        return False
    assert snapshot.metadata.index >= state.log.first_index() - 1, "the snapshot must close the gap"
    progress.become_snapshot(snapshot.metadata.index)
    state.send(MessageType.SNAP, to, snapshot=snapshot)
    return True


def broadcast_heartbeat(state: State) -> None:
    """Each member may commit no more than it is known to store: an older tail of its own may stand beyond."""
    leadership, log = state.lead(), state.log
    context = encode_round(leadership.read_only.round)
    for member_id, progress in leadership.progress.items():
        if member_id != state.id:
            commit = min(progress.match_index, log.committed)
            state.send(MessageType.HEARTBEAT, member_id, commit=commit, context=context)


def handle_append_response(state: State, message: Message) -> bool:
    """Learn where the member's log stands; whether its match index moved."""
    progress = state.lead().progress[message.from_]
    progress.is_active = True
    if message.reject:
        _handle_rejection(state, message, progress)
        return False
    is_news = progress.matched(message.index)
    if progress.state is ProgressState.PROBE:
        progress.become_replicate()  # even an old answer shows where the logs agree
    elif progress.state is ProgressState.SNAPSHOT:
        if progress.match_index + 1 >= state.log.first_index():
            progress.become_replicate()
    else:
        progress.free_inflight_to(message.index)
    return is_news


def _handle_rejection(state: State, message: Message, progress: Progress) -> None:
    """Raft 5.3: step back, skipping all that the hint rules out, and probe again."""
    hint, _ = state.log.last_index_at_most(message.reject_hint, message.log_term)
    if progress.rejected(message.index, hint):
        if progress.state is ProgressState.REPLICATE:
            progress.become_probe()
        send_append(state, message.from_)


def advance_commit(state: State) -> bool:
    """Commit what a majority stores, if it is of this term (Raft 5.4.2); whether the index moved."""
    match_index = {id_: progress.match_index for id_, progress in state.lead().progress.items()}
    index = quorum.agreed(state.conf_state.voters, match_index)
    if index <= state.log.committed or state.log.term(index) != state.current_term:
        return False
    state.log.commit_to(index)
    return True
