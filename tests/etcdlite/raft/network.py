"""Members of a Raft group joined by a wire one can read: what the text tests and the paper tests run on.

A member is a RawNode with its storage and the entries it applied. After each call its Ready is carried out at
once, unless the member is stalled (its disk hangs); messages wait on the wire until they are delivered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from etcdlite.raft.messages import (
    ConfChange,
    ConfState,
    Entry,
    EntryType,
    Message,
    MessageType,
    Role,
    Snapshot,
    SnapshotMetadata,
)
from etcdlite.raft.raw_node import Config, RawNode, Ready
from etcdlite.raft.storage import MemoryStorage

ELECTION_TICKS = 10


class ById:
    """Chance without surprise: member 1 draws the lowest number, member 2 the next."""

    def __init__(self, member_id: int) -> None:
        self.member_id = member_id

    def randint(self, a: int, b: int) -> int:
        return min(a + self.member_id - 1, b)


@dataclass
class Member:
    id: int
    storage: MemoryStorage
    options: dict[str, Any]
    node: RawNode = field(init=False)
    applied: list[Entry] = field(default_factory=list)
    conf_state: ConfState = field(default_factory=ConfState)
    is_up: bool = True
    is_stalled: bool = False
    role: tuple[Role, int] = (Role.FOLLOWER, 0)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """From what storage remembers; the applied state is saved with the snapshot only."""
        metadata = self.storage.snapshot().metadata
        self.conf_state = metadata.conf_state
        self.applied = [entry for entry in self.applied if entry.index <= metadata.index]
        settings = {"election_ticks": ELECTION_TICKS, "heartbeat_ticks": 1, "random": ById(self.id)}
        config = Config(id=self.id, storage=self.storage, **(settings | self.options))
        self.node = RawNode(config)
        self.is_up = True
        self.is_stalled = False

    @property
    def status(self) -> Any:
        return self.node.status()

    @property
    def values(self) -> list[str]:
        """The data of the normal entries applied, without the leaders' empty ones."""
        return [e.data.decode() for e in self.applied if e.type is EntryType.NORMAL and e.data]


class Network:
    def __init__(self, note: Callable[[str], None] = lambda line: None) -> None:
        self.members: dict[int, Member] = {}
        self.wire: list[Message] = []
        self.cut: set[tuple[int, int]] = set()
        self.note = note

    def add(self, count: int, learners: int = 0, **options: Any) -> None:
        """Members numbered on from the last; the first call's are the initial membership."""
        start = len(self.members) + 1
        ids = tuple(range(start, start + count + learners))
        founders = None if self.members else ConfState(ids[:count], ids[count:])
        for member_id in ids:
            self.members[member_id] = Member(member_id, MemoryStorage(founders), options)

    def __getitem__(self, member_id: int) -> RawNode:
        return self.members[member_id].node

    def leader(self) -> int:
        """The leader of the highest term among those that are up; 0 if nobody leads."""
        leading = [m.status for m in self.members.values() if m.is_up and m.status.role is Role.LEADER]
        return max(leading, key=lambda s: s.term).id if leading else 0

    # Ready

    def process(self) -> None:
        """Carry out every Ready there is; send what they hold."""
        for member in self.members.values():
            while member.is_up and not member.is_stalled and member.node.has_ready():
                ready = member.node.ready()
                self._note_role(member)
                self._save(member, ready)
                self.wire.extend(self._with_state(member, m) for m in ready.messages)
                self._apply(member, ready)
                member.node.advance(ready)

    def _note_role(self, member: Member) -> None:
        now = (member.status.role, member.status.term)
        if now != member.role:
            member.role = now
            self.note(f"{member.id} is {now[0].name.lower()} in term {now[1]}")

    def _with_state(self, member: Member, message: Message) -> Message:
        """The shell sends the state as it is now, not as it was when the snapshot was named."""
        if message.type is not MessageType.SNAP:
            return message
        index = member.status.applied
        metadata = SnapshotMetadata(index, member.storage.term(index), member.conf_state)
        return replace(message, snapshot=Snapshot(metadata, encode_applied(member.applied)))

    def _save(self, member: Member, ready: Ready) -> None:
        if ready.snapshot:
            member.storage.apply_snapshot(ready.snapshot)
            member.conf_state = ready.snapshot.metadata.conf_state
            member.applied = decode_applied(ready.snapshot.data)
            self.note(f"{member.id} restores {ready.snapshot.metadata.index}")
        member.storage.append(ready.entries)
        if ready.hard_state:
            member.storage.set_hard_state(ready.hard_state)

    def _apply(self, member: Member, ready: Ready) -> None:
        for entry in ready.committed_entries:
            member.applied.append(entry)
            if entry.type is EntryType.CONF_CHANGE:
                member.conf_state = member.node.apply_conf_change(ConfChange.decode(entry.data))
            self.note(f"{member.id} applies {show_entry(entry)}")
        for read in ready.read_states:
            self.note(f"{member.id} may read at {read.index}: {read.context.decode()}")

    # The wire

    def deliver(self, lost: Callable[[Message], bool] = lambda message: False) -> None:
        """Deliver what is on the wire now, but not what it causes."""
        batch, self.wire = self.wire, []
        for message in batch:
            to = self.members.get(message.to)
            is_lost = lost(message) or (message.from_, message.to) in self.cut or not (to and to.is_up)
            self.note(("x " if is_lost else "") + show_message(message))
            if to and not is_lost:
                to.node.step(message)
            if is_lost and message.type is MessageType.SNAP:
                self.members[message.from_].node.report_snapshot(message.to, False)
            self.process()

    def stabilize(self, lost: Callable[[Message], bool] = lambda message: False) -> None:
        self.process()
        while self.wire:
            self.deliver(lost)

    def tick(self, count: int = 1, only: int = 0) -> None:
        """Let time pass without delivering anything."""
        for _ in range(count):
            for member in self.members.values():
                if member.is_up and only in (0, member.id):
                    member.node.tick()
                    self.process()

    def run(self, ticks: int) -> None:
        """Let time pass, delivering everything."""
        for _ in range(ticks):
            self.tick()
            self.stabilize()

    def elect(self, member_id: int) -> None:
        self[member_id].campaign()
        self.stabilize()
        assert self.leader() == member_id

    def propose(self, member_id: int, text: str) -> None:
        self[member_id].propose(text.encode())
        self.process()

    # Faults

    def partition(self, *groups: set[int]) -> None:
        """Only members of one group hear one another."""
        ids = self.members
        together = {(a, b) for group in groups for a in group for b in group}
        self.cut = {(a, b) for a in ids for b in ids if (a, b) not in together}

    def heal(self) -> None:
        self.cut = set()

    def crash(self, member_id: int) -> None:
        member = self.members[member_id]
        member.is_up = False
        member.role = (Role.FOLLOWER, member.storage.initial_state()[0].term)

    def compact(self, member_id: int, keep: int = 0) -> None:
        """Snapshot all that is applied, and drop its entries but the last `keep`."""
        member = self.members[member_id]
        index = member.status.applied
        member.storage.create_snapshot(index, member.conf_state, encode_applied(member.applied))
        member.storage.compact(index - keep)


def encode_applied(entries: list[Entry]) -> bytes:
    return "\n".join(f"{e.term} {e.index} {int(e.type)} {e.data.hex()}" for e in entries).encode()


def decode_applied(data: bytes) -> list[Entry]:
    rows = [line.split(" ") for line in data.decode().splitlines()]
    return [Entry(int(t), int(i), EntryType(int(k)), bytes.fromhex(d)) for t, i, k, d in rows]


def show_entry(entry: Entry) -> str:
    text = entry.data.decode() if entry.type is EntryType.NORMAL else show_change(entry)
    return f"{entry.index}/{entry.term} {text}".rstrip()


def show_change(entry: Entry) -> str:
    change = ConfChange.decode(entry.data)
    return f"{change.type.name} {change.member_id}"


def show_message(m: Message) -> str:
    parts = [f"{m.from_}->{m.to} {m.type.name}"]
    if m.term:
        parts.append(f"term={m.term}")
    if m.type in (MessageType.APP, MessageType.VOTE, MessageType.PRE_VOTE):
        parts.append(f"after={m.index}/{m.log_term}")
    if m.type in (MessageType.APP_RESP, MessageType.READ_INDEX_RESP):
        parts.append(f"index={m.index}")
    if m.reject:
        parts.append("reject")
    if m.reject_hint:
        parts.append(f"hint={m.reject_hint}/{m.log_term}")
    if m.type in (MessageType.APP, MessageType.HEARTBEAT):
        parts.append(f"commit={m.commit}")
    if m.snapshot:
        parts.append(f"snapshot={m.snapshot.metadata.index}/{m.snapshot.metadata.term}")
    if m.type in (MessageType.HEARTBEAT, MessageType.HEARTBEAT_RESP) and m.context:
        parts.append(f"round={int.from_bytes(m.context, 'big')}")
    elif m.context:
        parts.append(f"context={m.context.decode()}")
    if m.entries:
        parts.append(f"[{', '.join(map(show_entry, m.entries))}]")
    return " ".join(parts)
