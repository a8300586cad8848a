"""Core: the vocabulary of Raft: entries, the states that must be saved, and the messages members exchange.

Everything here is a frozen value. A message type is one of the paper's RPCs or its answer, under etcd's
abbreviated name and number: APP is AppendEntries, VOTE is RequestVote, SNAP is InstallSnapshot. HEARTBEAT is
an AppendEntries that carries no entries. What happens inside one member (a tick, a campaign, a closed
stream) is a function call and has no message.

After: etcd-io/raft raftpb/raft.proto.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

NONE = 0
"""No member: the id of a leader not known, or of a vote not given."""


class EntryType(IntEnum):
    """What the state machine is to make of an entry's data."""

    NORMAL = 0
    CONF_CHANGE = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One place in the log; two logs that hold the same (index, term) hold the same entry (Raft 5.3)."""

    term: int
    index: int
    type: EntryType = EntryType.NORMAL
    data: bytes = b""


ENTRY_OVERHEAD_BYTES = 16
"""What an entry is taken to cost beside its data, so that empty entries are not free."""


def size_bytes(entries: Iterable[Entry]) -> int:
    """What entries take, about."""
    return sum(len(entry.data) + ENTRY_OVERHEAD_BYTES for entry in entries)


def limit_bytes(entries: list[Entry], max_bytes: int) -> list[Entry]:
    """The longest prefix within max_bytes, but never fewer than one entry: progress beats the limit."""
    total = 0
    for i, entry in enumerate(entries):
        total += len(entry.data) + ENTRY_OVERHEAD_BYTES
        if i > 0 and total > max_bytes:
            return entries[:i]
    return entries


class Role(IntEnum):
    """What a member is right now; PRE_CANDIDATE asks first whether it could win an election."""

    FOLLOWER = 0
    CANDIDATE = 1
    LEADER = 2
    PRE_CANDIDATE = 3


@dataclass(frozen=True, slots=True)
class HardState:
    """What must be on disk before any message that depends on it leaves (Figure 2, persistent state)."""

    term: int = 0
    vote: int = NONE
    commit: int = 0


@dataclass(frozen=True, slots=True)
class SoftState:
    """What is worth telling the owner about but need not be saved."""

    leader: int
    role: Role


@dataclass(frozen=True, slots=True)
class ConfState:
    """Who belongs to the cluster: voters are counted, learners only receive. Both are sorted."""

    voters: tuple[int, ...] = ()
    learners: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        assert list(self.voters) == sorted(set(self.voters)), self.voters
        assert list(self.learners) == sorted(set(self.learners)), self.learners
        assert not set(self.voters) & set(self.learners), "a member is a voter or a learner, never both"
        assert NONE not in self.voters + self.learners, "0 names nobody"

    @property
    def members(self) -> tuple[int, ...]:
        return tuple(sorted(self.voters + self.learners))


@dataclass(frozen=True, slots=True)
class SnapshotMetadata:
    """The last entry a snapshot contains, and the membership as of that entry."""

    index: int = 0
    term: int = 0
    conf_state: ConfState = field(default_factory=ConfState)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Stands for the state machine at metadata.index; the state itself may travel apart from the message."""

    metadata: SnapshotMetadata = field(default_factory=SnapshotMetadata)
    data: bytes = b""


class ConfChangeType(IntEnum):
    """The single steps by which membership changes."""

    ADD_MEMBER = 0
    REMOVE_MEMBER = 1
    UPDATE_MEMBER = 2
    ADD_LEARNER = 3


@dataclass(frozen=True, slots=True)
class ConfChange:
    """One step of membership; `context` is the owner's (the member's addresses, for example)."""

    type: ConfChangeType
    member_id: int
    context: bytes = b""

    def encode(self) -> bytes:
        return bytes([self.type]) + self.member_id.to_bytes(8, "big") + self.context

    @classmethod
    def decode(cls, data: bytes) -> ConfChange:
        assert len(data) >= 9, "not an encoded ConfChange"
        return cls(ConfChangeType(data[0]), int.from_bytes(data[1:9], "big"), data[9:])


class MessageType(IntEnum):
    """etcd's names and numbers; the gaps are etcd's member-internal events, which are calls here."""

    PROP = 2
    APP = 3
    APP_RESP = 4
    VOTE = 5
    VOTE_RESP = 6
    SNAP = 7
    HEARTBEAT = 8
    HEARTBEAT_RESP = 9
    TRANSFER_LEADER = 13
    TIMEOUT_NOW = 14
    READ_INDEX = 15
    READ_INDEX_RESP = 16
    PRE_VOTE = 17
    PRE_VOTE_RESP = 18


FORWARDED = frozenset({MessageType.READ_INDEX, MessageType.TRANSFER_LEADER})
"""Requests any member may pass on to whoever leads; they carry term 0, as they speak for no term."""

FROM_LEADER = frozenset({MessageType.APP, MessageType.HEARTBEAT, MessageType.SNAP})
"""Only the leader of their term sends these, so that receiving one tells who leads."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message between members. Which fields mean something depends on the type:

    APP             index, log_term = the entry before `entries`; commit = the leader's
    APP_RESP        index = last entry now matching; or reject, index = the refused one, reject_hint, log_term
    VOTE, PRE_VOTE  index, log_term = the candidate's last entry; term of PRE_VOTE is the one it would start
    SNAP            snapshot
    HEARTBEAT       commit = what the receiver may commit; context = the read round, echoed by the answer
    READ_INDEX      context = the caller's; READ_INDEX_RESP adds index
    PROP            entries, for the leader of this very term, who numbers them
    TRANSFER_LEADER from_ = who is to lead
    """

    type: MessageType
    to: int = NONE
    from_: int = NONE
    term: int = 0
    log_term: int = 0
    index: int = 0
    entries: tuple[Entry, ...] = ()
    commit: int = 0
    reject: bool = False
    reject_hint: int = 0
    snapshot: Snapshot | None = None
    context: bytes = b""


@dataclass(frozen=True, slots=True)
class ReadState:
    """A read asked for with `context` may be answered once the state machine has applied `index`."""

    index: int
    context: bytes
