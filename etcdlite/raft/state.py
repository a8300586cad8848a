"""Core: all state of one member: Figure 2 of the Raft paper, and the few steps every role takes.

Figure 2                here
currentTerm             current_term          votedFor    voted_for
log[]                   log                   commitIndex log.committed        lastApplied log.applied
nextIndex, matchIndex   leadership.progress   (exists only while this member leads)

Time is a count of ticks. The roles are functions on this state: follower.py, candidate.py, leader.py.

Invariants: current_term never goes back; within a term voted_for changes only from NONE; leadership exists
exactly while role is LEADER; nothing leaves this member but through `messages`.
After: etcd-io/raft raft.go, type raft.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from etcdlite.raft.log import RaftLog
from etcdlite.raft.messages import (
    FORWARDED,
    NONE,
    ConfState,
    HardState,
    Message,
    MessageType,
    ReadState,
    Role,
    SoftState,
)
from etcdlite.raft.progress import INFLIGHT_BYTES, INFLIGHT_COUNT, Progress
from etcdlite.raft.read_only import ReadOnly
from etcdlite.raft.storage import Storage


class Random(Protocol):
    """Chance, handed in so that a seed repeats a run; random.Random fits."""

    def randint(self, a: int, b: int) -> int:
        """A whole number with a <= number <= b."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a member is told at its start.

    election_ticks: a follower waits this long, or up to twice, for its leader.
    heartbeat_ticks: how often the leader tells that it lives.
    takeover_ticks: once the leader's stream closed, how long each voter leaves to the one before it.
    applied: the last entry the state machine already contains.
    """

    id: int
    election_ticks: int
    heartbeat_ticks: int
    storage: Storage
    random: Random
    pre_vote: bool = True
    check_quorum: bool = True
    max_size_per_message: int = 1024 * 1024
    max_inflight_messages: int = INFLIGHT_COUNT
    max_inflight_bytes: int = INFLIGHT_BYTES
    max_uncommitted_bytes: int = 64 * 1024 * 1024
    takeover_ticks: int = 5
    applied: int = 0

    def __post_init__(self) -> None:
        assert self.id != NONE, "0 names nobody"
        assert 0 < self.heartbeat_ticks < self.election_ticks, (
            "followers must hear several heartbeats a timeout"
        )
        assert 0 <= self.takeover_ticks <= self.election_ticks
        assert self.max_inflight_messages > 0
        assert self.max_inflight_bytes >= self.max_size_per_message, "a full append fits the window"


@dataclass(slots=True)
class Leadership:
    """What only a leader knows; made anew at each election (Figure 2, volatile state on leaders).

    pending_conf_index: no membership change may be proposed until this entry is applied.
    is_leaving: a change under way removes this member; nothing may follow it in the log, so that those who
    stay have all of the log and can elect one of themselves.
    transferee: the member that is to take over; proposals are refused meanwhile.
    uncommitted_bytes: proposals in the log that are not applied yet, for the limit.
    """

    progress: dict[int, Progress]
    pending_conf_index: int
    is_leaving: bool = False
    read_only: ReadOnly = field(default_factory=ReadOnly)
    transferee: int = NONE
    uncommitted_bytes: int = 0


@dataclass(slots=True)
class State:
    """One member. Timers count ticks; votes are the answers to the election it runs.

    is_hurried: the leader's stream closed and no new leader is known: elections follow one another quickly.
    """

    config: Config
    log: RaftLog
    conf_state: ConfState
    current_term: int = 0
    voted_for: int = NONE
    role: Role = Role.FOLLOWER
    leader_id: int = NONE
    votes: dict[int, bool] = field(default_factory=dict)
    leadership: Leadership | None = None
    election_elapsed: int = 0
    heartbeat_elapsed: int = 0
    election_timeout: int = 0
    is_hurried: bool = False
    messages: list[Message] = field(default_factory=list)
    read_states: list[ReadState] = field(default_factory=list)

    @property
    def id(self) -> int:
        return self.config.id

    @property
    def hard_state(self) -> HardState:
        return HardState(self.current_term, self.voted_for, self.log.committed)

    @property
    def soft_state(self) -> SoftState:
        return SoftState(self.leader_id, self.role)

    def is_voter(self) -> bool:
        return self.id in self.conf_state.voters

    def lead(self) -> Leadership:
        """The leader's own state; only a leader may ask."""
        assert self.role is Role.LEADER
        assert self.leadership is not None
        return self.leadership

    def send(self, type_: MessageType, to: int, **fields: Any) -> None:
        """Queue a message in this member's name, of its current term unless `fields` say otherwise."""
        assert to not in (NONE, self.id), f"{type_.name} to {to}"
        fields.setdefault("term", self.current_term)
        self.messages.append(Message(type_, to, self.id, **fields))

    def forward(self, message: Message) -> bool:
        """Pass a request on to whoever leads; whether one is known."""
        assert message.type in FORWARDED
        assert self.role is not Role.LEADER
        if self.leader_id == NONE:
            return False
        self.messages.append(replace(message, to=self.leader_id, from_=message.from_ or self.id))
        return True

    def enter(self, role: Role, term: int, leader_id: int) -> None:
        """Change roles: what belongs to the old role or term is forgotten, the timers start over."""
        assert term >= self.current_term, "a term never goes back"
        assert (role is Role.LEADER) == (leader_id == self.id)
        if term > self.current_term:
            self.current_term = term
            self.voted_for = NONE
        self.role = role
        self.leader_id = leader_id
        self.leadership = None
        self.votes = {}
        self.heartbeat_elapsed = 0
        if leader_id != NONE:
            self.is_hurried = False
        self.restart_election_timer()

    def become_follower(self, term: int, leader_id: int = NONE) -> None:
        """Raft 5.1: a higher term, or the leader of this one, makes anyone a follower."""
        self.enter(Role.FOLLOWER, term, leader_id)

    def restart_election_timer(self) -> None:
        """Raft 5.2: randomized timeouts keep votes from splitting; drawn anew each time."""
        low, high = self.config.election_ticks, 2 * self.config.election_ticks - 1
        if self.is_hurried:
            low, high = 1 + self.config.takeover_ticks, 1 + 3 * self.config.takeover_ticks
        self.election_elapsed = 0
        self.election_timeout = self.config.random.randint(low, high)

    def has_lease(self) -> bool:
        """Whether a leader was heard of so lately that no election is called for (Raft thesis 4.2.3)."""
        is_recent = self.election_elapsed < self.config.election_ticks
        return self.config.check_quorum and self.leader_id != NONE and is_recent


def load(config: Config) -> State:
    """A member as its storage remembers it: always a follower at first."""
    hard_state, conf_state = config.storage.initial_state()
    log = RaftLog(config.storage, config.applied)
    log.commit_to(hard_state.commit)
    state = State(config, log, conf_state, hard_state.term, hard_state.vote)
    state.become_follower(hard_state.term)
    assert state.voted_for == hard_state.vote, "a restart forgets no vote"
    return state
