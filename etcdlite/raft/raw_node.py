"""Core: the one door to Raft: tick, step, propose; then ready and advance.

The owner's duties, in a loop:

    ready = node.ready()
    1. save ready.hard_state, entries and snapshot; make them visible in Storage; if must_sync, on disk
    2. send ready.messages
    3. apply ready.snapshot, then ready.committed_entries; apply_conf_change for each CONF_CHANGE
    4. node.advance(ready)

Messages of type APP may leave while step 1 runs, if ready.hard_state leaves term and vote as they are; all
others wait for it. Everything else (tick, step, propose) may be called at any time, also between ready and
advance. A SNAP message names a snapshot: the owner streams the state itself, hands the message to `step` on
the other side once the state is there, and calls report_snapshot here.

Invariants: one Ready at a time; the same calls with the same Random give the same Readys.
Absent: sockets, disk, clock, threads. After: etcd-io/raft rawnode.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from etcdlite.raft import candidate, follower, leader, rules
from etcdlite.raft.membership import change
from etcdlite.raft.messages import (
    FORWARDED,
    NONE,
    ConfChange,
    ConfState,
    Entry,
    EntryType,
    HardState,
    Message,
    MessageType,
    ReadState,
    Role,
    Snapshot,
    SoftState,
)
from etcdlite.raft.progress import Progress
from etcdlite.raft.state import Config, load

__all__ = ["Config", "ProposalDropped", "RawNode", "Ready", "Status"]


class ProposalDropped(Exception):
    """The proposal did not enter a log; the text says why."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What the owner must do now. hard_state, soft_state and snapshot are None where nothing changed."""

    soft_state: SoftState | None = None
    hard_state: HardState | None = None
    entries: list[Entry] = field(default_factory=list)
    snapshot: Snapshot | None = None
    committed_entries: list[Entry] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    read_states: list[ReadState] = field(default_factory=list)
    must_sync: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """What a member thinks of the world; progress is filled on a leader only."""

    id: int
    term: int
    vote: int
    commit: int
    applied: int
    role: Role
    leader: int
    progress: dict[int, Progress]


class RawNode:
    """One member of a Raft group. Not thread-safe: one loop owns it."""

    def __init__(self, config: Config) -> None:
        self._state = load(config)
        self._saved_hard_state = self._state.hard_state
        self._told_soft_state = self._state.soft_state
        self._given: Ready | None = None

    # What happens to the member

    def tick(self) -> None:
        rules.tick(self._state)

    def step(self, message: Message) -> None:
        assert message.to == self._state.id, f"a message for {message.to} came to {self._state.id}"
        is_own = message.from_ == self._state.id
        assert not is_own or message.type in FORWARDED, "only a forwarded request may come home"
        rules.step(self._state, message)

    def campaign(self) -> None:
        candidate.campaign(self._state)

    def propose(self, data: bytes) -> int:
        """Have the leader append data, and nobody but the leader of the term returned.

        So an entry of a later term that is applied first proves the proposal lost: it may be made again. (As
        long as the owner's transport never delivers a PROP message twice.)
        """
        return self.propose_all([data])

    def propose_all(self, datas: Sequence[bytes]) -> int:
        """The same for several, in this order: all of them enter a log, or none."""
        return self._propose(tuple(Entry(0, 0, EntryType.NORMAL, data) for data in datas))

    def propose_conf_change(self, conf_change: ConfChange) -> int:
        """The same for a membership change; one that comes too early may also be dropped by the leader."""
        return self._propose((Entry(0, 0, EntryType.CONF_CHANGE, conf_change.encode()),))

    def _propose(self, entries: tuple[Entry, ...]) -> int:
        state = self._state
        if state.role is Role.LEADER:
            refusal = leader.propose(state, entries)
            if refusal:
                raise ProposalDropped(refusal)
        elif state.leader_id == NONE:
            raise ProposalDropped("no leader")
        else:
            state.send(MessageType.PROP, state.leader_id, entries=entries)
        return state.current_term

    def read_index(self, context: bytes) -> bool:
        """Ask for a linearizable read; a ReadState with `context` follows, unless messages are lost.

        False means that no leader is known, and nothing will follow.
        """
        if self._state.role is Role.LEADER:
            leader.read_index(self._state, context)
            return True
        return self._state.forward(Message(MessageType.READ_INDEX, context=context))

    def transfer_leader(self, to: int) -> None:
        if self._state.role is Role.LEADER:
            leader.transfer(self._state, to)
        else:
            self._state.forward(Message(MessageType.TRANSFER_LEADER, from_=to))

    def apply_conf_change(self, conf_change: ConfChange) -> ConfState:
        """Make a committed membership change take effect; the membership after it, to be saved with it."""
        state, before = self._state, self._state.conf_state
        state.conf_state = change(before, conf_change)
        assert state.conf_state.voters, "no leader lets the last voter go"
        if state.role is Role.LEADER:
            leader.membership_changed(state, before)
        assert state.role is Role.FOLLOWER or state.is_voter(), "only voters campaign and lead"
        return state.conf_state

    def report_unreachable(self, member_id: int) -> None:
        if self._state.role is Role.LEADER:
            leader.report_unreachable(self._state, member_id)

    def report_snapshot(self, member_id: int, is_ok: bool) -> None:
        if self._state.role is Role.LEADER:
            leader.report_snapshot(self._state, member_id, is_ok)

    def leader_stream_closed(self, member_id: int) -> None:
        follower.leader_stream_closed(self._state, member_id)

    # What the owner must do about it

    def has_ready(self) -> bool:
        state = self._state
        return bool(
            state.messages
            or state.read_states
            or state.log.stable_index() < state.log.last_index()
            or state.log.pending_snapshot
            or state.log.has_next_committed()
            or state.hard_state != self._saved_hard_state
            or state.soft_state != self._told_soft_state
        )

    def ready(self) -> Ready:
        """Everything that is to be done now; call `advance` with it when it is done."""
        assert self._given is None, "the last Ready is not done yet"
        state, saved, told = self._state, self._saved_hard_state, self._told_soft_state
        hard_state, soft_state = state.hard_state, state.soft_state
        entries = state.log.unstable_entries()
        self._given = Ready(
            soft_state=soft_state if soft_state != told else None,
            hard_state=hard_state if hard_state != saved else None,
            entries=entries,
            snapshot=state.log.pending_snapshot,
            committed_entries=state.log.next_committed(state.config.max_size_per_message),
            messages=state.messages,
            read_states=state.read_states,
            must_sync=bool(entries) or (hard_state.term, hard_state.vote) != (saved.term, saved.vote),
        )
        state.messages, state.read_states = [], []
        self._saved_hard_state, self._told_soft_state = hard_state, soft_state
        return self._given

    def advance(self, ready: Ready) -> None:
        """The owner did all that `ready` says."""
        assert ready is self._given, "advance follows its own Ready"
        self._given = None
        state, log = self._state, self._state.log
        if ready.snapshot:
            log.stable_snapshot_to(ready.snapshot.metadata.index)
            log.applied_to(ready.snapshot.metadata.index)
        if ready.entries:
            log.stable_to(ready.entries[-1].index, ready.entries[-1].term)
        if ready.committed_entries:
            log.applied_to(ready.committed_entries[-1].index)
        if state.role is Role.LEADER:
            leader.applied(state, ready.committed_entries)
            leader.saved(state)

    def status(self) -> Status:
        state, log = self._state, self._state.log
        progress = state.leadership.progress if state.leadership else {}
        return Status(
            state.id,
            state.current_term,
            state.voted_for,
            log.committed,
            log.applied,
            state.role,
            state.leader_id,
            {id_: replace(p, inflight=p.inflight.copy()) for id_, p in progress.items()},
        )
