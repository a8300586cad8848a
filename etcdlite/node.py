"""Shell: THE loop of a member: time and messages in, and what Raft then wants done, in the right order.

    ticks, proposals, messages --> RawNode --ready--> send appends (leader) | save to the WAL, one fdatasync
                                      ^                then send the rest, apply what is committed, answer
                                      '---advance------------------------------------------------'

While a save waits for the disk, proposals collect in Raft; the next Ready writes them all with one sync. That
is the group commit. Who waits for a proposal or a read waits on a future; the state machine itself is changed
in this loop only, between two awaits, so every reader sees whole entries.

A proposal is sent to the leader of the term it was made in, and to no other. Once an entry of a later term is
applied, one that is still missing can never come: it is proposed again. So a caller rides out the loss of a
leader, and nothing is applied twice.

Invariants: nothing is acknowledged before it is on disk at a majority; WAL and entries are forgotten only up
to what the backend has on disk.
Absent: what requests mean (apply.py), how they come (server/), how members talk (transport.py).
After: etcd server/etcdserver/server.go and raft.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from etcdlite import codec, snapshots
from etcdlite.apply import Applier
from etcdlite.commands import (
    AlarmAction,
    AlarmMember,
    AlarmRequest,
    AlarmType,
    Command,
    LeaseRevokeRequest,
    Result,
)
from etcdlite.errors import Refusal, StoreError
from etcdlite.lease.lessor import Lessor
from etcdlite.log import logger
from etcdlite.members import Members
from etcdlite.mvcc.backend_lmdb import LmdbBackend
from etcdlite.mvcc.store import Store
from etcdlite.pb import command_pb2, rpc_pb2
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
from etcdlite.raft.raw_node import ProposalDropped, RawNode, Ready
from etcdlite.raft.storage import MemoryStorage
from etcdlite.transport import Transport
from etcdlite.txn import grows
from etcdlite.wal import Wal

TICK_SECONDS = 0.025
REQUEST_SECONDS = 5.0
READ_RETRY_SECONDS = 0.5
EXPIRY_SECONDS = 0.5
COMPACTION_PAUSE_SECONDS = 0.01
TRANSFER_SECONDS = 2.0
UNAPPLIED_MAX = 5000

log = logger("node")


@dataclass(frozen=True, slots=True)
class Limits:
    """What the flags say about size and time."""

    election_seconds: float = 1.0
    snapshot_count: int = 10_000
    catch_up_entries: int = 5_000
    quota_bytes: int = 2 << 30
    request_bytes: int = 1_572_864

    @property
    def request_seconds(self) -> float:
        """How long a request may wait: its own time and that of an election."""
        return REQUEST_SECONDS + 2 * self.election_seconds


@dataclass(slots=True)
class Pending:
    """A proposal somebody waits for; `term` is the term it was last proposed in, 0: not yet."""

    data: bytes
    future: asyncio.Future[Any]
    is_conf_change: ConfChange | None = None
    term: int = 0


class Node:
    """One member. `run` is the loop; everything else may be called from the same event loop at any time."""

    def __init__(
        self,
        *,
        member_id: int,
        cluster_id: int,
        raft: RawNode,
        storage: MemoryStorage,
        wal: Wal,
        backend: LmdbBackend,
        store: Store,
        lessor: Lessor,
        applier: Applier,
        members: Members,
        transport: Transport,
        limits: Limits,
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
        self.leader_id = NONE
        self.role = Role.FOLLOWER
        self.raft_term = raft.status().term
        self.leader_changes = 0
        self.sync_count = 0
        self._storage = storage
        self._wal = wal
        self._wal_worker = ThreadPoolExecutor(1, thread_name_prefix="wal")
        self._wake = asyncio.Event()
        self._pending: dict[int, Pending] = {}
        self._request_ids = count(first_request_id)
        self._next_read: asyncio.Future[None] | None = None
        self._read_wanted = asyncio.Event()
        self._read_states: dict[bytes, asyncio.Future[int]] = {}
        self._applied_waits: list[tuple[int, asyncio.Future[None]]] = []
        self._leader_waits: list[asyncio.Future[None]] = []
        self._incoming: dict[tuple[int, int], Path] = {}
        self._defragment_waits: list[asyncio.Future[None]] = []
        self._last_leader_loss = float("-inf")
        self._space_exceeded = asyncio.Event()
        self._was_dropped = False
        self._stopping = False

    # ---- what servers ask

    @property
    def is_leader(self) -> bool:
        return self.role is Role.LEADER

    @property
    def applied(self) -> int:
        return self.applier.applied[0]

    @property
    def pending_count(self) -> int:
        return len(self._pending)

    def now(self) -> float:
        """The clock leases are counted by."""
        return asyncio.get_running_loop().time()

    async def propose(self, command: Command) -> Result:
        """Have a command applied by the whole cluster; its result, or StoreError."""
        refusal = self._refuse(command)
        if refusal is not None:
            raise StoreError(refusal)
        request_id = next(self._request_ids)
        data = codec.encode_command(request_id, command)
        if len(data) > self.limits.request_bytes:
            raise StoreError(Refusal.REQUEST_TOO_LARGE)
        result = await self._wait_applied(request_id, Pending(data, self._future()))
        if isinstance(result, Refusal):
            raise StoreError(result)
        return result  # type: ignore[no-any-return]

    async def change_membership(self, kind: ConfChangeType, member: Any) -> None:
        """Add, remove or update a member."""
        request_id = next(self._request_ids)
        context = command_pb2.MembershipChange(request_id=request_id, member=member).SerializeToString()
        change = ConfChange(kind, member.ID, context)
        await self._wait_applied(request_id, Pending(b"", self._future(), change))

    async def publish(self, name: str, client_urls: list[str]) -> None:
        """Tell the cluster this member's name and client URLs."""
        member = rpc_pb2.Member(ID=self.member_id, name=name, clientURLs=client_urls)
        request_id = next(self._request_ids)
        data = command_pb2.Command(request_id=request_id, member_attributes=member).SerializeToString()
        await self._wait_applied(request_id, Pending(data, self._future()))

    async def publish_until_heard(self, name: str, client_urls: list[str]) -> None:
        """Publish, however long it takes until there is a leader."""
        known = self.members.by_id.get(self.member_id)
        while known is None or known.name != name or list(known.clientURLs) != client_urls:
            try:
                await self.publish(name, client_urls)
            except StoreError as error:
                if error.refusal is Refusal.STOPPED:
                    return
                log.warning("not published yet", why=str(error))
            known = self.members.by_id.get(self.member_id)

    async def linearizable_read(self) -> None:
        """Return when the state here holds everything acknowledged before the call; reads share rounds."""
        if self._next_read is None:
            self._next_read = self._future()
            self._read_wanted.set()
        try:
            async with asyncio.timeout(self.limits.request_seconds):
                await asyncio.shield(self._next_read)
        except TimeoutError:
            raise StoreError(self._why_timeout()) from None

    async def applied_to(self, index: int) -> None:
        """Return when the entry at this index is applied here."""
        if self.applied < index:
            future: asyncio.Future[None] = self._future()
            self._applied_waits.append((index, future))
            await future

    async def wait_leader(self, seconds: float) -> bool:
        """Whether a leader is known, at the latest after so long."""
        if self.leader_id == NONE:
            future: asyncio.Future[None] = self._future()
            self._leader_waits.append(future)
            await asyncio.wait((future,), timeout=seconds)
        return self.leader_id != NONE

    async def renew(self, lease_id: int) -> int:
        """Renew a lease, here or at the leader; its ttl, 0 if there is none."""
        answer: int = await self._at_leader(self.renew_here, "LeaseRenew", "ttl", lease_id)
        return answer

    async def remaining(self, lease_id: int) -> float | None:
        """How long a lease has, as the leader counts; None: there is none."""
        seconds = await self._at_leader(self.remaining_here, "LeaseRemaining", "seconds", lease_id)
        return None if seconds < 0 else seconds

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

    async def defragment(self) -> None:
        """Write the backend's rows to a new file without holes; nothing is applied meanwhile."""
        future: asyncio.Future[None] = self._future()
        self._defragment_waits.append(future)
        self._wake.set()
        await future

    # ---- what the transport tells

    def receive(self, message: Message) -> None:
        self.raft.step(message)
        self._wake.set()

    def snapshot_received(self, message: Message, rows: Path) -> None:
        assert message.snapshot is not None, "a SNAP message has a snapshot"
        metadata = message.snapshot.metadata
        self._incoming[metadata.index, metadata.term] = rows
        self.receive(message)

    def peer_stream_closed(self, member_id: int) -> None:
        self.raft.leader_stream_closed(member_id)
        self._wake.set()

    def peer_unreachable(self, member_id: int) -> None:
        self.raft.report_unreachable(member_id)

    def snapshot_sent(self, member_id: int, is_ok: bool) -> None:
        self.raft.report_snapshot(member_id, is_ok)
        self._wake.set()

    def renew_here(self, lease_id: int) -> int | None:
        return self.lessor.renew(lease_id, self.now()) if self.is_leader else None

    def remaining_here(self, lease_id: int) -> float | None:
        if not self.is_leader:
            return None
        remaining = self.lessor.remaining(lease_id, self.now())
        return -1.0 if remaining is None else max(remaining, 0.0)

    # ---- the loop

    async def run(self) -> None:
        """Everything this member does of itself, until cancelled; an error means the disk failed."""
        self._connect()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._ready_loop())
            tasks.create_task(self._tick_loop())
            tasks.create_task(self._read_loop())
            tasks.create_task(self._lease_loop())
            tasks.create_task(self._compact_loop())
            tasks.create_task(self._alarm_loop())

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
        self._fail_all(Refusal.STOPPED)

    async def close(self) -> None:
        """Let go of the log; `run` must have ended."""
        await self.transport.close()
        self._wal_worker.shutdown()
        self._wal.close()
        self.backend.close()

    def _match_of(self, member_id: int) -> int:
        progress = self.raft.status().progress.get(member_id)
        return progress.match_index if progress else 0

    async def _tick_loop(self) -> None:
        """Ticks as time passes; after a pause (of the process, say) not all that were missed."""
        loop = asyncio.get_running_loop()
        due = self.now()
        while True:
            due = max(due + TICK_SECONDS, self.now() - self.limits.election_seconds)
            future = loop.create_future()
            loop.call_at(due, _resolve, future, None)
            await future
            self.raft.tick()
            if self._was_dropped:
                self._propose_again()
            if self.raft.has_ready():
                self._wake.set()

    async def _ready_loop(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self.raft.has_ready():
                ready = self.raft.ready()
                await self._handle(ready)
                self.raft.advance(ready)
                self._maybe_compact_log()
            if self._defragment_waits:
                await self._defragment()

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
        await self._save(ready)
        if hard_state is not None:
            self.raft_term = hard_state.term
        if ready.soft_state is not None:
            self._role_changed(ready.soft_state.leader, ready.soft_state.role)
        self.transport.send(rest)
        self._apply_all(ready.committed_entries)
        for read_state in ready.read_states:
            waiting = self._read_states.pop(read_state.context, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(read_state.index)

    async def _save(self, ready: Ready) -> None:
        metadata = ready.snapshot.metadata if ready.snapshot else None
        if ready.hard_state is None and not ready.entries and metadata is None:
            return
        if ready.must_sync or metadata is not None:
            self.sync_count += 1
            await asyncio.get_running_loop().run_in_executor(
                self._wal_worker, self._wal.save, ready.hard_state, ready.entries, metadata
            )
        else:
            self._wal.save(ready.hard_state, ready.entries, sync=False)
        if ready.snapshot is not None:
            self._storage.apply_snapshot(ready.snapshot)
        if ready.hard_state is not None:
            self._storage.set_hard_state(ready.hard_state)
        self._storage.append(ready.entries)

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
        self.leader_id, self.role = leader, role
        if leader != NONE:
            for future in self._leader_waits:
                _resolve(future, None)
            self._leader_waits.clear()
            self._propose_again()

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
            self._propose_again()
        waits, self._applied_waits = self._applied_waits, []
        for index, future in waits:
            if index <= self.applied:
                _resolve(future, None)
            elif not future.done():
                self._applied_waits.append((index, future))

    def _apply_command(self, entry: Entry) -> None:
        request_id, command = codec.decode_command(entry.data) if entry.data else (0, None)
        if isinstance(command, rpc_pb2.Member):
            self.members.publish(command)
            command = None
        result = self.applier.apply(entry.index, entry.term, command)
        self._answer(request_id, result)

    def _apply_conf_change(self, entry: Entry) -> None:
        change = ConfChange.decode(entry.data)
        context = command_pb2.MembershipChange.FromString(change.context)
        self.members.apply(change, context.member)
        conf_state = self.raft.apply_conf_change(change)
        assert conf_state == self.members.conf_state, "rows and Raft agree on the membership"
        self.applier.apply(entry.index, entry.term, None)
        self._connect()
        log.info("membership changed", kind=change.type.name.lower(), member=f"{change.member_id:x}")
        self._answer(context.request_id, None)

    def _answer(self, request_id: int, result: Any) -> None:
        pending = self._pending.pop(request_id, None)
        if pending is not None:
            _resolve(pending.future, result)

    def _connect(self) -> None:
        urls = {member.ID: member.peerURLs[0] for member in self.members.by_id.values()}
        self.transport.set_members(urls)

    async def _install(self, metadata: SnapshotMetadata) -> None:
        """Put the leader's rows in place of ours: on disk before Raft counts on them."""
        rows = self._incoming.pop((metadata.index, metadata.term))
        log.info("installing a snapshot", index=metadata.index, term=metadata.term)
        await self.backend.restore(snapshots.read_rows(rows))
        rows.unlink()
        self.applier.restored()
        self.members.restored()
        assert self.applied == metadata.index, "a snapshot stands where it says"
        for pending in self._pending.values():
            if pending.term:  # it may be among what the snapshot holds, or not: nobody here can tell
                _resolve(pending.future, Refusal.TIMEOUT)
        self._connect()

    async def _defragment(self) -> None:
        waits, self._defragment_waits = self._defragment_waits, []
        await self.backend.flush()
        snapshot = self.backend.snapshot()
        try:
            await self.backend.restore(snapshot.rows())
        finally:
            snapshot.close()
        for future in waits:
            _resolve(future, None)

    def _maybe_compact_log(self) -> None:
        """Forget old entries: never one the backend does not have on disk."""
        snapshot = self._storage.snapshot().metadata
        if self.applied - snapshot.index < self.limits.snapshot_count:
            return
        index, term = self.applier.durable
        if index <= snapshot.index:
            return
        conf_state = self.members.conf_state
        self._storage.create_snapshot(index, conf_state)
        self._wal.save(None, (), SnapshotMetadata(index, term, conf_state), sync=False)
        keep_from = max(index - self.limits.catch_up_entries, 0)
        self._storage.compact(keep_from)
        self._wal.release(keep_from)
        log.info("compacted the log", snapshot=index, kept_from=keep_from)

    # ---- proposing

    def _refuse(self, command: Command) -> Refusal | None:
        """What can be refused without asking the cluster."""
        if self._stopping:
            return Refusal.STOPPED
        if self._storage.last_index() - self.applied > UNAPPLIED_MAX:
            return Refusal.TOO_MANY_REQUESTS
        if grows(command) and self.backend.size_bytes > self.limits.quota_bytes:
            self._space_exceeded.set()
            return Refusal.NO_SPACE
        return None

    async def _wait_applied(self, request_id: int, pending: Pending) -> Any:
        self._pending[request_id] = pending
        self._try_propose(pending)
        try:
            async with asyncio.timeout(self.limits.request_seconds):
                return await pending.future
        except TimeoutError:
            raise StoreError(self._why_timeout()) from None
        finally:
            self._pending.pop(request_id, None)

    def _try_propose(self, pending: Pending) -> None:
        """Give a proposal to the leader, if one is known; `_propose_again` does it later if not."""
        if self.leader_id == NONE:
            return
        try:
            if pending.is_conf_change is not None:
                pending.term = self.raft.propose_conf_change(pending.is_conf_change)
            else:
                pending.term = self.raft.propose(pending.data)
        except ProposalDropped:  # leadership is being handed on, or too much is under way
            self._was_dropped = True
            return
        self._wake.set()

    def _propose_again(self) -> None:
        """Propose what was never proposed, and what an applied entry of a later term shows to be lost."""
        self._was_dropped = False
        applied_term = self.applier.applied[1]
        for pending in list(self._pending.values()):
            if pending.term == 0 or pending.term < applied_term:
                self._try_propose(pending)

    def _why_timeout(self) -> Refusal:
        if self.now() - self._last_leader_loss < self.limits.request_seconds + self.limits.election_seconds:
            return Refusal.TIMEOUT_LEADER_FAILED
        return Refusal.TIMEOUT

    def _fail_all(self, refusal: Refusal) -> None:
        for pending in self._pending.values():
            if not pending.future.done():
                pending.future.set_result(refusal)

    # ---- reading

    async def _read_loop(self) -> None:
        """One round of ReadIndex after another; whoever asks meanwhile shares the next."""
        while True:
            await self._read_wanted.wait()
            self._read_wanted.clear()
            waiting, self._next_read = self._next_read, None
            assert waiting is not None, "a read is wanted by someone"
            await self.applied_to(await self._read_index())
            _resolve(waiting, None)

    async def _read_index(self) -> int:
        """The index up to which the state must be applied, as the leader confirmed; asks until it answers."""
        while True:
            context = next(self._request_ids).to_bytes(8, "big")
            future = self._read_states[context] = self._future()
            if self.leader_id != NONE and self.raft.read_index(context):
                self._wake.set()
                await asyncio.wait((future,), timeout=READ_RETRY_SECONDS)
            else:
                await self.wait_leader(READ_RETRY_SECONDS)
            self._read_states.pop(context, None)
            if future.done():
                index: int = future.result()
                return index

    # ---- leases and compaction

    async def _lease_loop(self) -> None:
        """Propose the end of expired leases; a leader first makes sure that it still leads."""
        while True:
            await asyncio.sleep(EXPIRY_SECONDS)
            if not self.is_leader:
                continue
            expired = self.lessor.expired(self.now())
            if not expired:
                continue
            try:
                await self.linearizable_read()
                if self.is_leader:
                    await asyncio.gather(*map(self._revoke, expired))
            except StoreError as error:
                log.warning("expired leases wait", count=len(expired), why=str(error))

    async def _revoke(self, lease_id: int) -> None:
        try:
            await self.propose(LeaseRevokeRequest(lease_id))
        except StoreError as error:
            if error.refusal is not Refusal.LEASE_NOT_FOUND:
                raise

    async def _compact_loop(self) -> None:
        """Drop the rows a compaction left behind, a few at a time."""
        while True:
            await asyncio.sleep(COMPACTION_PAUSE_SECONDS if self.store.is_compacting else EXPIRY_SECONDS)
            if self.store.is_compacting:
                self.store.compact_step()

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

    async def _at_leader(self, here: Callable[[int], Any], method: str, field: str, lease_id: int) -> Any:
        """Ask this member if it leads, else the one that does, until someone answers."""
        deadline = self.now() + self.limits.request_seconds
        while self.now() < deadline:
            answer: Any = here(lease_id)
            if answer is not None:
                return answer
            if await self.wait_leader(deadline - self.now()) and not self.is_leader:
                answer = await self.transport.ask_lease(self.leader_id, method, lease_id)
                if answer is not None:
                    return getattr(answer, field)
                await asyncio.sleep(READ_RETRY_SECONDS)  # it is gone, or no longer leads
        raise StoreError(self._why_timeout())

    def _future(self) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().create_future()


def _resolve(future: asyncio.Future[Any], result: Any) -> None:
    """Answer a caller, unless he gave up."""
    if not future.done():
        future.set_result(result)
