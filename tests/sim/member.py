"""A member on its simulated machine: the duties of Raft's owner, in the order the real node keeps.

Between the start of a save and its end other things happen, among them crashes. Appends of a leader leave
when the save starts, everything else when it is done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from etcdlite import codec
from etcdlite.apply import APPLIED, POSITION, Applier
from etcdlite.lease.lessor import Lessor
from etcdlite.members import Members
from etcdlite.mvcc.backend import META, BucketRow, MemoryBackend
from etcdlite.mvcc.store import Store
from etcdlite.pb import command_pb2, rpc_pb2
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
from etcdlite.raft.storage import MemoryStorage, recover
from tests.sim import rows
from tests.sim.disk import Disk
from tests.sim.faults import Faults

FOUNDING = (1, 1)  # index and term of what precedes the first entry
ELECTION_TICKS = 10
HEARTBEAT_TICKS = 2


@dataclass
class Saving:
    """A Ready on its way to the disk."""

    ready: Ready
    done_at: int
    late_messages: list[Message]


class Member:
    """`on_apply(member, entry, result)` hears of what it applies, `on_install` of snapshots put in place."""

    def __init__(
        self,
        member_id: int,
        founders: ConfState,
        disk: Disk,
        faults: Faults,
        random: Random,
        send: Callable[[Message, list[BucketRow] | None], None],
        on_apply: Callable[[Member, Entry, Any], None],
        on_install: Callable[[Member], None],
    ) -> None:
        self.id = member_id
        self.disk = disk
        self._faults = faults
        self._random = random
        self._send = send
        self._on_apply = on_apply
        self._on_install = on_install
        self.is_up = False
        self.is_disk_slow = True
        self.paused_until = 0
        backend = MemoryBackend()
        for founder in founders.voters:
            Members(backend).put(rpc_pb2.Member(ID=founder))
            backend.put(META, APPLIED, POSITION.pack(*FOUNDING))
        disk.checkpoint(backend)
        self.start()

    # ---- its life

    def start(self) -> None:
        """Find what the crash left."""
        self._use(self.disk.backend())
        at = rows.position(self.backend.snapshot())
        contents = self.disk.open(at)
        self.storage: MemoryStorage = recover(contents.hard_state, contents.entries, at)
        config = Config(
            id=self.id,
            election_ticks=ELECTION_TICKS,
            heartbeat_ticks=HEARTBEAT_TICKS,
            storage=self.storage,
            random=self._random,
            pre_vote=self._faults.pre_vote,
            max_inflight_messages=self._faults.max_inflight,
            max_size_per_message=self._faults.max_size,
            applied=at.index,
        )
        self.node = RawNode(config)
        self.role = Role.FOLLOWER
        self.saving: Saving | None = None
        self.staged: dict[tuple[int, int], list[BucketRow]] = {}
        self.waiting_reads: dict[bytes, int] = {}
        self.is_up = True

    def crash(self) -> None:
        self.is_up = False
        self.disk.crash()

    def _use(self, backend: MemoryBackend) -> None:
        self.backend = backend
        self.store = Store(backend)
        self.lessor = Lessor(backend)
        self.applier = Applier(backend, self.store, self.lessor)
        self.members = Members(backend)

    @property
    def applied(self) -> int:
        return self.applier.applied[0]

    @property
    def is_leader(self) -> bool:
        return self.is_up and self.role is Role.LEADER

    # ---- what comes in

    def receive(self, message: Message, carried: list[BucketRow] | None) -> None:
        if message.snapshot is not None and carried is not None:
            metadata = message.snapshot.metadata
            self.staged[metadata.index, metadata.term] = carried
        self.node.step(message)

    # ---- what is to be done

    def work(self, now: int) -> None:
        """Finish the save whose time has come, then start what Raft wants next."""
        while True:
            if self.saving is None:
                if not self.node.has_ready():
                    return
                self._begin(now, self.node.ready())
            assert self.saving is not None
            if self.saving.done_at > now:
                return
            self._finish(self.saving)

    def _begin(self, now: int, ready: Ready) -> None:
        if ready.soft_state is not None:
            self.role = ready.soft_state.role
        before = self.storage.initial_state()[0]
        after = ready.hard_state or before
        is_term_kept = (after.term, after.vote) == (before.term, before.vote)
        early = [m for m in ready.messages if m.type is MessageType.APP and is_term_kept]
        for message in early:
            self._send(message, None)
        late = [m for m in ready.messages if m not in early]
        duration = self._random.randint(0, self._faults.slow_disk_ticks_max) if self._is_slow(ready) else 0
        self.saving = Saving(ready, now + duration, late)
        if ready.snapshot is not None:
            self._install(ready.snapshot.metadata)
        else:
            self.disk.write(ready.hard_state, ready.entries, None)

    def _is_slow(self, ready: Ready) -> bool:
        return self.is_disk_slow and ready.must_sync and self._random.random() < self._faults.slow_disk

    def _finish(self, saving: Saving) -> None:
        ready = saving.ready
        if ready.snapshot is not None:
            self.disk.write(ready.hard_state, ready.entries, ready.snapshot.metadata)
        if ready.must_sync or ready.snapshot is not None:
            self.disk.sync()
        self._show(ready)
        for message in saving.late_messages:
            self._send_late(message)
        for entry in ready.committed_entries:
            self._apply(entry)
        for read in ready.read_states:
            self.waiting_reads[read.context] = read.index
        self.saving = None
        self.node.advance(ready)

    def _show(self, ready: Ready) -> None:
        """Let Raft read what is saved."""
        if ready.snapshot is not None:
            self.storage.apply_snapshot(ready.snapshot)
        if ready.hard_state is not None:
            self.storage.set_hard_state(ready.hard_state)
        self.storage.append(ready.entries)

    def _send_late(self, message: Message) -> None:
        if message.type is not MessageType.SNAP:
            self._send(message, None)
            return
        at = rows.position(self.backend.snapshot())
        carrying = Message(
            MessageType.SNAP,
            message.to,
            self.id,
            message.term,
            snapshot=Snapshot(at),
            context=message.context,
        )
        self._send(carrying, list(self.backend.snapshot().rows()))

    def _install(self, metadata: SnapshotMetadata) -> None:
        """The leader's rows, on disk before the log speaks of them: the other order could lose both."""
        rows.restore(self.backend, self.staged.pop((metadata.index, metadata.term)))
        self.applier.restored()
        self.members.restored()
        self.disk.checkpoint(self.backend)
        assert self.applied == metadata.index
        self.staged.clear()
        self._on_install(self)

    def _apply(self, entry: Entry) -> None:
        result = None
        if entry.type is EntryType.CONF_CHANGE:
            change = ConfChange.decode(entry.data)
            context = command_pb2.MembershipChange.FromString(change.context)
            self.members.apply(change, context.member)
            conf_state = self.node.apply_conf_change(change)
            assert conf_state == self.members.conf_state
            self.applier.apply(entry.index, entry.term, None)
        else:
            command = codec.decode_command(entry.data)[1] if entry.data else None
            result = self.applier.apply(entry.index, entry.term, command)
        self._on_apply(self, entry, result)

    # ---- housekeeping

    def drop_compacted_rows(self) -> None:
        """A few at a time, whenever this member has nothing better to do."""
        if self.store.is_compacting and self._random.random() < 0.3:
            self.store.compact_step(3)

    def checkpoint(self) -> None:
        self.disk.checkpoint(self.backend)

    def compact(self) -> None:
        """Forget entries the backend has on disk."""
        if self.saving is not None:
            return
        durable = MemoryBackend()
        rows.restore(durable, self.disk.rows)
        at = rows.position(durable.snapshot())
        if at.index <= self.storage.snapshot().metadata.index:
            return
        self.storage.create_snapshot(at.index, at.conf_state)
        self.disk.write(None, (), at)
        keep_from = max(at.index - self._faults.compaction_keep, 0)
        self.storage.compact(keep_from)
        self.disk.release(keep_from)
