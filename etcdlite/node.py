"""Shell: THE loop of a member: time and messages in, and what Raft then wants done, in the right order.

    ticks, proposals, messages --> RawNode --ready--> send appends (leader) | save to the WAL, one fdatasync
                                      ^                then send the rest, apply what is committed, answer
                                      '---advance------------------------------------------------'

While a save waits for the disk, proposals collect; the next Ready writes them all with one sync. That is the
group commit. The state machine is changed in this loop only, between two awaits, so every reader sees whole
entries.

Invariants: nothing is acknowledged before it is on disk at a majority; WAL and entries are forgotten only up
to what the backend has on disk.
Absent: who waits (proposals.py, waits.py), leases (leasing.py), what requests mean (apply.py), how they come
(server/), how members talk (transport.py).
After: etcd server/etcdserver/server.go and raft.go.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from etcdlite import codec
from etcdlite.apply import Applier
from etcdlite.commands import AlarmAction, AlarmMember, AlarmRequest, AlarmType, Command, Result
from etcdlite.errors import Refusal, StoreError
from etcdlite.journal import Journal
from etcdlite.lease.lessor import Lessor
from etcdlite.leasing import Leasing
from etcdlite.limits import Limits
from etcdlite.log import logger
from etcdlite.members import Members
from etcdlite.mvcc.backend import Prepared
from etcdlite.mvcc.backend_lmdb import LmdbBackend
from etcdlite.mvcc.store import Store
from etcdlite.pb import command_pb2, rpc_pb2
from etcdlite.proposals import Proposals
from etcdlite.raft.messages import (
    NONE,
    ConfChange,
    ConfChangeType,
    Entry,
    EntryType,
    Message,
    MessageType,
    Role,
    SnapshotMetadata,
)
from etcdlite.raft.raw_node import RawNode, Ready
from etcdlite.space import Space
from etcdlite.transport import Transport
from etcdlite.txn import grows
from etcdlite.waits import Waits, resolve

TICK_SECONDS = 0.025
IDLE_SECONDS = 0.5
COMPACTION_PAUSE_SECONDS = 0.01
TRANSFER_SECONDS = 2.0
UNAPPLIED_MAX = 5000

log = logger("node")


class Node:
    """One member. `run` is the loop; everything else may be called from the same event loop at any time."""

    def __init__(
        self,
        *,
        member_id: int,
        cluster_id: int,
        raft: RawNode,
        journal: Journal,
        backend: LmdbBackend,
        store: Store,
        lessor: Lessor,
        applier: Applier,
        members: Members,
        transport: Transport,
        limits: Limits,
        space: Space,
        first_request_id: int,
    ) -> None:
        self.member_id = member_id
        self.cluster_id = cluster_id
        self.raft = raft
        self.backend = backend
        self.store = store
        self.lessor = lessor
        self.applier = applier
        self.members = members
        self.transport = transport
        self.limits = limits
        self.space = space
        self.role = Role.FOLLOWER
        self.raft_term = raft.status().term
        self.leader_changes = 0
        self.failed_proposal_count = self.failed_read_count = 0
        self.sent_snapshots: Counter[tuple[int, bool]] = Counter()  # by member, and whether they arrived
        self.received_snapshot_count = 0
        self.is_installing = False
        self.journal = journal
        self._wake = asyncio.Event()
        self.proposals = Proposals(raft, self._wake, first_request_id)
        self.waits = Waits(raft, self._wake, self.proposals.next_id)
        self.waits.applied_is(self.applied)
        self.leasing = Leasing(self, limits.request_seconds)
        self._incoming: dict[tuple[int, int], Prepared] = {}
        self._last_leader_loss = float("-inf")
        self._space_exceeded = asyncio.Event()
        self._stopping = False
        self.removed = asyncio.Event()

    # ---- what servers ask

    @property
    def leader_id(self) -> int:
        return self.waits.leader_id

    @property
    def is_leader(self) -> bool:
        return self.role is Role.LEADER

    @property
    def applied(self) -> int:
        return self.applier.applied[0]

    def now(self) -> float:
        """The clock leases are counted by."""
        return asyncio.get_running_loop().time()

    async def propose(self, command: Command, *, only_in_term: int = 0) -> Result:
        """Have a command applied by the whole cluster; its result, or StoreError.

        With a term: unless another term begins before it is proposed.
        """
        refusal = self._refuse(command)
        if refusal is not None:
            raise StoreError(refusal)
        request_id = self.proposals.next_id()
        data = codec.encode_command(request_id, command)
        if len(data) > self.limits.request_bytes:
            raise StoreError(Refusal.REQUEST_TOO_LARGE)
        result: Result = await self._submit(request_id, data, only_in_term=only_in_term)
        return result

    async def change_membership(self, kind: ConfChangeType, member: Any) -> None:
        """Add, remove or update a member."""
        request_id = self.proposals.next_id()
        context = command_pb2.MembershipChange(request_id=request_id, member=member).SerializeToString()
        await self._submit(request_id, b"", ConfChange(kind, member.ID, context))

    async def publish(self, name: str, client_urls: list[str]) -> None:
        """Tell the cluster this member's name and client URLs, however long it takes to be heard."""
        attributes = rpc_pb2.Member(ID=self.member_id, name=name, clientURLs=client_urls)
        while not self.members.knows(attributes) and not self._stopping:
            request_id = self.proposals.next_id()
            command = command_pb2.Command(request_id=request_id, member_attributes=attributes)
            try:
                await self._submit(request_id, command.SerializeToString())
            except StoreError as error:
                log.warning("not published yet", why=str(error))

    async def linearizable_read(self) -> None:
        """Return when the state here holds everything acknowledged before the call."""
        try:
            async with asyncio.timeout(self.limits.request_seconds):
                await self.waits.read()
        except TimeoutError:
            self.failed_read_count += 1
            raise StoreError(self._why_timeout()) from None

    async def compaction_done(self) -> None:
        """Return when no rows of a compaction are left to drop."""
        while self.store.is_compacting:  # noqa: ASYNC110 # the store is a core: it has no events
            await asyncio.sleep(COMPACTION_PAUSE_SECONDS)

    async def move_leader(self, to: int) -> None:
        """Hand leadership to another voter; StoreError if this member does not lead, or it takes too long."""
        if not self.is_leader:
            raise StoreError(Refusal.NOT_LEADER)
        if to not in self.members.conf_state.voters:
            raise StoreError(Refusal.BAD_LEADER_TRANSFEREE)
        self.raft.transfer_leader(to)
        self._wake.set()
        deadline = self.now() + self.limits.request_seconds
        while self.leader_id != to:
            if self.now() >= deadline:
                raise StoreError(Refusal.TIMEOUT)
            await asyncio.sleep(TICK_SECONDS)

    # ---- what the transport tells

    def receive(self, message: Message) -> None:
        self.raft.step(message)
        self._wake.set()

    def snapshot_received(self, message: Message, prepared: Prepared) -> None:
        assert message.snapshot is not None, "a SNAP message has a snapshot"
        metadata = message.snapshot.metadata
        self.received_snapshot_count += 1
        self._drop_incoming()
        self._incoming[metadata.index, metadata.term] = prepared
        self.receive(message)

    def peer_stream_closed(self, member_id: int) -> None:
        self.raft.leader_stream_closed(member_id)
        self._wake.set()

    def peer_unreachable(self, member_id: int) -> None:
        self.raft.report_unreachable(member_id)

    def snapshot_sent(self, member_id: int, is_ok: bool) -> None:
        self.sent_snapshots[member_id, is_ok] += 1
        self.raft.report_snapshot(member_id, is_ok)
        self._wake.set()

    def told_removed(self) -> None:
        if not self.removed.is_set():
            log.warning("removed from the cluster")
            self.removed.set()

    # ---- the loop

    async def run(self) -> None:
        """Everything this member does of itself, until cancelled; an error means the disk failed."""
        self._connect()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._ready_loop())
            tasks.create_task(self._tick_loop())
            tasks.create_task(self._compact_loop())
            tasks.create_task(self._alarm_loop())
            tasks.create_task(self.waits.run())
            tasks.create_task(self.leasing.run())

    async def stop(self) -> None:
        """Hand leadership on, if there is anyone to take it; new requests are refused from now on."""
        self._stopping = True
        if self.is_leader:
            others = [member for member in self.members.conf_state.voters if member != self.member_id]
            heir = max(others, key=self._match_of, default=NONE)
            if heir != NONE and self.transport.is_connected(heir):
                try:
                    async with asyncio.timeout(TRANSFER_SECONDS):
                        await self.move_leader(heir)
                except (TimeoutError, StoreError):
                    log.warning("leadership was not taken over", heir=f"{heir:x}")
        self.proposals.refuse_all(Refusal.STOPPED)

    async def close(self) -> None:
        """Let go of log and backend; `run` must have ended."""
        await self.transport.close()
        self.journal.close()
        self.backend.close()

    def _match_of(self, member_id: int) -> int:
        progress = self.raft.status().progress.get(member_id)
        return progress.match_index if progress else 0

    async def _tick_loop(self) -> None:
        """Ticks as time passes; those missed (a paused process, a busy machine) are not made up for.

        Time nobody was heard in because nobody listened is no reason to campaign.
        """
        loop = asyncio.get_running_loop()
        due = self.now()
        while True:
            due = max(due + TICK_SECONDS, self.now())
            future: asyncio.Future[None] = loop.create_future()
            loop.call_at(due, resolve, future)
            await future
            self.raft.tick()
            if self.raft.has_ready():
                self._wake.set()

    async def _ready_loop(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            self.proposals.give()
            while self.raft.has_ready():
                ready = self.raft.ready()
                await self._handle(ready)
                self.raft.advance(ready)
                if self.journal.is_long(self.applied):
                    self.journal.cut(self.applier.durable, self.members.conf_state)
                if ready.entries and self.space.look():
                    self._space_exceeded.set()
                    self.journal.cut(self.applier.durable, self.members.conf_state, is_disk_full=True)
                self.proposals.give()
            self._drop_incoming()

    async def _handle(self, ready: Ready) -> None:
        """Save, send, apply: the order is the safety of Raft."""
        hard_state = ready.hard_state
        is_term_kept = hard_state is None or hard_state.term == self.raft_term
        rest = ready.messages
        if self.is_leader and is_term_kept and ready.soft_state is None:
            self.transport.send(m for m in rest if m.type is MessageType.APP)
            rest = [m for m in rest if m.type is not MessageType.APP]
        if ready.snapshot is not None:
            await self._install(ready.snapshot.metadata)
        await self.journal.save(ready)
        if hard_state is not None:
            self.raft_term = hard_state.term
        if ready.soft_state is not None:
            self._role_changed(ready.soft_state.leader, ready.soft_state.role)
        self.transport.send(rest)
        if any(entry.type is EntryType.CONF_CHANGE for entry in ready.committed_entries):
            await self.journal.save_commit()
        self._apply_all(ready.committed_entries)
        for read_state in ready.read_states:
            self.waits.read_is(read_state)

    def _role_changed(self, leader: int, role: Role) -> None:
        now = self.now()
        if leader != self.leader_id:
            self.leader_changes += leader != NONE
            if self.leader_id != NONE:
                self._last_leader_loss = now
            log.info("leader changed", term=self.raft_term, leader=f"{leader:x}", was=f"{self.leader_id:x}")
        if role is not self.role:
            log.info("role changed", term=self.raft_term, role=role.name.lower())
            if role is Role.LEADER:
                self.lessor.promote(now, self.limits.election_seconds)
            elif self.role is Role.LEADER:
                self.lessor.demote()
        self.role = role
        self.waits.leader_is(leader)

    # ---- applying

    def _apply_all(self, entries: list[Entry]) -> None:
        if not entries:
            return
        term_before = self.applier.applied[1]
        for entry in entries:
            if entry.type is EntryType.CONF_CHANGE:
                self._apply_conf_change(entry)
            else:
                self._apply_command(entry)
        if self.applier.applied[1] > term_before:
            self.proposals.applied_term(self.applier.applied[1])
        self.waits.applied_is(self.applied)

    def _apply_command(self, entry: Entry) -> None:
        request_id, command = codec.decode_command(entry.data) if entry.data else (0, None)
        if isinstance(command, rpc_pb2.Member):
            self.members.publish(command)
            command = None
        result = self.applier.apply(entry.index, entry.term, command)
        self.proposals.answer(request_id, result)

    def _apply_conf_change(self, entry: Entry) -> None:
        change = ConfChange.decode(entry.data)
        context = command_pb2.MembershipChange.FromString(change.context)
        self.members.apply(change, context.member)
        conf_state = self.raft.apply_conf_change(change)
        assert conf_state == self.members.conf_state, "rows and Raft agree on the membership"
        self.applier.apply(entry.index, entry.term, None)
        self._connect()
        if self.member_id not in self.members.by_id:
            self.removed.set()
        log.info("membership changed", kind=change.type.name.lower(), member=f"{change.member_id:x}")
        self.proposals.answer(context.request_id, None)

    def _connect(self) -> None:
        urls = {member.ID: member.peerURLs[0] for member in self.members.by_id.values()}
        self.transport.set_members(urls)

    async def _install(self, metadata: SnapshotMetadata) -> None:
        """Put the leader's rows in place of ours: on disk before Raft counts on them."""
        prepared = self._incoming.pop((metadata.index, metadata.term))
        log.info("installing a snapshot", index=metadata.index, term=metadata.term)
        self.is_installing = True
        await self.backend.adopt(prepared)
        self.is_installing = False
        self.applier.restored()
        self.members.restored()
        assert self.applied == metadata.index, "a snapshot stands where it says"
        self.proposals.lose_track()
        self.waits.applied_is(self.applied)
        self._connect()

    # ---- refusing

    def _refuse(self, command: Command) -> Refusal | None:
        """What can be refused without asking the cluster."""
        if self._stopping:
            return Refusal.STOPPED
        if self.journal.storage.last_index() - self.applied > UNAPPLIED_MAX:
            return Refusal.TOO_MANY_REQUESTS
        is_full = self.space.is_low or self.backend.size_bytes > self.limits.quota_bytes
        if is_full and grows(command):
            self._space_exceeded.set()
            return Refusal.NO_SPACE
        return None

    async def _submit(
        self, request_id: int, data: bytes, conf_change: ConfChange | None = None, *, only_in_term: int = 0
    ) -> Any:
        try:
            async with asyncio.timeout(self.limits.request_seconds):
                result = await self.proposals.submit(request_id, data, conf_change, only_in_term=only_in_term)
        except TimeoutError:
            self.failed_proposal_count += 1
            raise StoreError(self._why_timeout()) from None
        if isinstance(result, Refusal):
            raise StoreError(result)
        return result

    def _why_timeout(self) -> Refusal:
        if self.now() - self._last_leader_loss < self.limits.request_seconds + self.limits.election_seconds:
            return Refusal.TIMEOUT_LEADER_FAILED
        return Refusal.TIMEOUT

    async def _alarm_loop(self) -> None:
        """Tell the whole cluster when this member's space is used up; only a client ends that alarm."""
        while True:
            await self._space_exceeded.wait()
            self._space_exceeded.clear()
            if AlarmMember(self.member_id, AlarmType.NOSPACE) not in self.applier.alarms:
                try:
                    await self.propose(AlarmRequest(AlarmAction.ACTIVATE, self.member_id, AlarmType.NOSPACE))
                except StoreError as error:
                    log.warning("the alarm could not be raised", why=str(error))

    # ---- forgetting

    async def _compact_loop(self) -> None:
        """Drop the rows a compaction left behind, a few at a time."""
        while True:
            await asyncio.sleep(COMPACTION_PAUSE_SECONDS if self.store.is_compacting else IDLE_SECONDS)
            if self.store.is_compacting:
                self.store.compact_step()
            if self.space.look():
                self._space_exceeded.set()

    def _drop_incoming(self) -> None:
        """Snapshots Raft had no use for; one it takes is in the next Ready, and here there is none."""
        for prepared in self._incoming.values():
            self.backend.discard(prepared)
        self._incoming.clear()
