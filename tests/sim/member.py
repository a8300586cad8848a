"""A member on its simulated machine: the real node, with a simulated disk and wire under it.

Put together as etcdlite/boot.py does; what is real and what is not is told in `__init__.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from etcdlite import codec
from etcdlite.apply import APPLIED, POSITION, Applier
from etcdlite.boot import resume
from etcdlite.commands import Command
from etcdlite.errors import StoreError
from etcdlite.journal import Journal
from etcdlite.lease.lessor import Lessor
from etcdlite.limits import Limits
from etcdlite.members import Members
from etcdlite.mvcc.backend import META, BucketRow, MemoryBackend
from etcdlite.mvcc.key_value import KeyValue
from etcdlite.mvcc.store import Store
from etcdlite.mvcc.watch import Cursors
from etcdlite.node import TICK_SECONDS, Node
from etcdlite.pb import rpc_pb2
from etcdlite.raft.messages import ConfChangeType, ConfState, Entry, Message
from etcdlite.raft.raw_node import Config, RawNode
from etcdlite.server.kv import KvServicer
from etcdlite.server.lease import LeaseServicer
from etcdlite.server.watch import WatchServicer
from tests.sim.checkers.history import History
from tests.sim.disk import Disk, DiskBackend, DiskWorker, Room
from tests.sim.faults import Faults
from tests.sim.machine import Machine
from tests.sim.rows import position
from tests.sim.transport import Transport

FOUNDING = (1, 1)  # index and term of what precedes the first entry
ELECTION_TICKS = 10
HEARTBEAT_TICKS = 2
TAKEOVER_TICKS = 2
COMPACT_STEP_ROW_COUNT = 3


class Listener:
    """What the world hears of a member: everything it applies, and snapshots put in place."""

    history: History

    def applied(self, member: Member, entry: Entry) -> None: ...
    def installed(self, member: Member) -> None: ...


class SlowlyCompactedStore(Store):
    """Drops a few rows at a time, so that much can happen in between."""

    def compact_step(self, row_count: int = COMPACT_STEP_ROW_COUNT) -> None:
        super().compact_step(row_count)


class ObservedApplier(Applier):
    """Tells what was applied, just after."""

    tell: Callable[[int], None]

    def apply(self, index: int, term: int, command: Command | None) -> Any:
        result = super().apply(index, term, command)
        self.tell(index)
        return result


@dataclass
class Services:
    """What clients call."""

    kv: KvServicer
    lease: LeaseServicer
    watch: WatchServicer


class Member:
    """`seconds` is the machine's uptime, which leases are counted by; it goes on while no process runs."""

    def __init__(
        self,
        member_id: int,
        rows: list[BucketRow],
        disk: Disk,
        faults: Faults,
        random: Random,
        put_on_wire: Callable[[int, int, Any, list[BucketRow] | None], bool],
        listener: Listener,
    ) -> None:
        self.id = member_id
        self.disk = disk
        self._faults = faults
        self._random = random
        self._put_on_wire = put_on_wire
        self._listener = listener
        self.is_up = False
        self.paused_until = 0
        self.seconds = 0.0
        self.disk.rows = rows
        self.start()

    # ---- its life

    def start(self) -> bool:
        """Find what the crash left; whether the disk let it."""
        self.machine = Machine()
        try:
            self._open()
        except Exception as error:
            self.disk.crash()
            self.machine.halt()
            if isinstance(error, OSError):
                return False
            raise
        self.main = self.machine.spawn(self.node.run())
        self.is_up = True
        return True

    def _open(self) -> None:
        self.machine.pass_time(self.seconds)
        self.backend = DiskBackend(self.disk)
        at = position(self.backend.snapshot())
        contents = self.disk.open(at)
        wal: Any = self.disk
        self.storage = resume(wal, contents, at)
        self.transport = Transport(self.backend, self._send, self._random)
        self.node = self._node(at.index)
        self.transport.receiver = self.node
        lease = LeaseServicer(self.node, self._random)
        watch = WatchServicer(self.node, Cursors(self.node.store))
        self.services = Services(KvServicer(self.node), lease, watch)

    def _node(self, applied: int) -> Node:
        limits = Limits(
            election_seconds=ELECTION_TICKS * TICK_SECONDS,
            snapshot_count=self._faults.snapshot_count,
            catch_up_entries=self._faults.catch_up_entries,
        )
        config = Config(
            id=self.id,
            election_ticks=ELECTION_TICKS,
            heartbeat_ticks=HEARTBEAT_TICKS,
            storage=self.storage,
            random=self._random,
            pre_vote=self._faults.pre_vote,
            max_inflight_messages=self._faults.max_inflight,
            max_size_per_message=self._faults.max_size,
            takeover_ticks=TAKEOVER_TICKS,
            applied=applied,
        )
        # The node asks for the real ones; these have all that it uses of them.
        disk: Any = self.disk
        space: Any = Room()
        backend: Any = self.backend
        transport: Any = self.transport
        worker: Any = DiskWorker(self.disk)
        store, lessor = SlowlyCompactedStore(backend), Lessor(backend)
        store.listeners.append(self)
        applier = ObservedApplier(backend, store, lessor)
        applier.tell = self._applied
        return Node(
            member_id=self.id,
            cluster_id=1,
            raft=RawNode(config),
            journal=Journal(disk, self.storage, limits, worker),
            backend=backend,
            store=store,
            lessor=lessor,
            applier=applier,
            members=Members(backend),
            transport=transport,
            limits=limits,
            space=space,
            first_request_id=self._random.getrandbits(62),
        )

    def crash(self, steps: int = 0) -> None:
        """Die after so many more steps of the event loop."""
        if steps and not self.main.done():
            self.machine.step(steps)
        self.is_up = False
        self.disk.crash()
        self.machine.halt()

    def pass_time(self, seconds: float) -> None:
        self.seconds += seconds
        if self.is_up:
            self.machine.pass_time(seconds)

    def work(self) -> bool:
        """Do whatever is due; False if the disk failed, and the process with it. Other failures are bugs."""
        self.machine.work()
        for failure in self.machine.failures:
            raise AssertionError(f"member {self.id}: {failure}") from failure.get("exception")
        if not self.main.done():
            return True
        error = self.main.exception()
        assert isinstance(error, BaseExceptionGroup), f"member {self.id} ended: {error!r}"
        _, bugs = error.split(OSError)
        if bugs is not None:
            raise bugs
        return False

    def change_membership(self, kind: ConfChangeType, row: Any) -> None:
        """Ask for a change, and do not wait for it: it may be refused, or lost."""

        async def ask() -> None:
            with suppress(StoreError):
                await self.node.change_membership(kind, row)

        self.machine.spawn(ask())

    @property
    def applied(self) -> int:
        return self.node.applied

    @property
    def is_leader(self) -> bool:
        return self.is_up and self.node.is_leader

    @property
    def conf_state(self) -> ConfState:
        return self.node.members.conf_state

    # ---- what comes in, and goes out

    def receive(self, source: int, frame: Any, carried: list[BucketRow] | None) -> None:
        self.machine.call_soon(self._take, source, frame, carried)

    def _take(self, source: int, frame: Any, carried: list[BucketRow] | None) -> None:
        """As etcdlite/peer_server.py answers each kind of frame."""
        self.transport.heard_from(source)
        match frame.WhichOneof("kind"):
            case "messages":
                for pb in frame.messages.messages:
                    message = codec.message_from_pb(pb)
                    if carried is None:
                        self.node.receive(message)
                    else:
                        self.machine.spawn(self._prepare(message, carried))
            case "lease_question":
                self.machine.spawn(self._answer_lease(source, frame.lease_question))
            case "lease_answer":
                answer = frame.lease_answer
                seconds = answer.seconds if answer.HasField("seconds") else None
                self.transport.lease_answered(answer.number, seconds)

    async def _answer_lease(self, source: int, question: Any) -> None:
        ask = self.node.leasing.renew_here if question.renew else self.node.leasing.remaining_here
        self.transport.answer_lease(source, question.number, await ask(question.lease_id))

    async def _prepare(self, message: Message, carried: list[BucketRow]) -> None:
        self.node.snapshot_received(message, await self.backend.prepare(carried))

    def _send(self, to: int, frame: Any, carried: list[BucketRow] | None) -> bool:
        return self.is_up and self._put_on_wire(self.id, to, frame, carried)

    # ---- what the world is told, unless it is a last step of a process that is dead already

    def committed(self, at_revision: int, changes: list[KeyValue]) -> None:
        """The store made a revision."""
        if self.is_up:
            self._listener.history.committed(at_revision, changes)

    def restored(self) -> None:
        """A state put in place whole is checked by its hash."""
        if self.is_up:
            self._listener.installed(self)

    def _applied(self, index: int) -> None:
        if not self.is_up:
            return
        (entry,) = self.storage.entries(index, index + 1, 1 << 60)
        self._listener.applied(self, entry)


def first_rows(members: Iterable[Any], applied: tuple[int, int] | None) -> list[BucketRow]:
    """What a member begins with: whom it knows, and, if it is a founder, the entry that stands for that."""
    backend = MemoryBackend()
    for member in members:
        Members(backend).put(member)
    if applied is not None:
        backend.put(META, APPLIED, POSITION.pack(*applied))
    return list(backend.snapshot().rows())


def member_row(member_id: int, *, is_learner: bool = False) -> Any:
    return rpc_pb2.Member(ID=member_id, peerURLs=[f"http://member-{member_id}"], isLearner=is_learner)
