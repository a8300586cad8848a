"""One run: each tick deliver, tick, ask, work, check; first under faults, then in peace.

Phase 1 asks only for safety. Phase 2 repairs everything and asks for liveness: a leader, an answered call,
and all members in one state, within a bounded number of ticks.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from random import Random
from typing import Any

from etcdlite.pb import command_pb2, rpc_pb2
from etcdlite.raft.messages import ConfChange, ConfChangeType, ConfState, Entry, Message, MessageType
from etcdlite.raft.raw_node import ProposalDropped
from tests.sim import faults, wire
from tests.sim.checkers import log_matching
from tests.sim.checkers.committed import Committed
from tests.sim.checkers.election_safety import ElectionSafety
from tests.sim.checkers.linearizability import History, Linearizability
from tests.sim.clients import Clients
from tests.sim.disk import Disk, scratch_folder
from tests.sim.member import Member

FAULTY_TICKS = 500
PEACEFUL_TICKS = 250
MATCHING_EVERY = 10
MEMBERS_MAX = 7


class World:
    def __init__(self, seed: int, folder: Path) -> None:
        self._random = Random(seed)
        self._folder = folder
        self.faults = faults.draw(self._random)
        self.now = 0
        self.wire = wire.Wire(self._random, self.faults)
        self.clients = Clients(self._random, self.faults)
        self.history = History()
        self.elections = ElectionSafety()
        self.committed = Committed()
        self.linearizability = Linearizability(self.history)
        self.trace = hashlib.sha256()
        self.is_peaceful = False
        self.members: dict[int, Member] = {}
        self.founders = ConfState(tuple(range(1, self.faults.size + 1)))
        for member_id in self.founders.voters:
            self._add(member_id, self.founders)

    def _add(self, member_id: int, founders: ConfState) -> None:
        disk = Disk(self._folder, member_id, self._random)
        random = Random(self._random.getrandbits(64))
        member = Member(
            member_id, founders, disk, self.faults, random, self._send, self._applied, self._installed
        )
        member.store.listeners.append(self.history)
        self.members[member_id] = member

    def close(self) -> None:
        for member in self.members.values():
            member.disk.close()

    @property
    def up(self) -> list[Member]:
        return [member for member in self.members.values() if member.is_up]

    @property
    def running(self) -> list[Member]:
        """Those whose process is not stopped just now."""
        return [member for member in self.up if member.paused_until <= self.now]

    # ---- the two phases

    def run(self) -> str:
        """Both phases; the hash of all that happened."""
        for _ in range(FAULTY_TICKS):
            self._act()
            self._tick()
        self._repair()
        for _ in range(PEACEFUL_TICKS):
            self._tick()
        self._check_liveness()
        return self.trace.hexdigest()

    def _tick(self) -> None:
        self.now += 1
        self._deliver()
        for member in self.running:
            for _ in range(self._tick_count()):
                member.node.tick()
        self.clients.act(self.now, self._asked())
        self.linearizability.asked(list(self.clients.waiting.values()))
        for member in self.running:
            self.clients.propose_again(member)
            member.work(self.now)
            member.drop_compacted_rows()
            for call in self.clients.finish_reads(self.now, member):
                self.linearizability.answered(call)
            self._check(member)
        if self.now % MATCHING_EVERY == 0:
            log_matching.check(self.up)

    def _asked(self) -> list[Member]:
        """In peace nobody asks a member that was removed: it does not know, and its answers never come."""
        leader = next((member for member in self.up if member.is_leader), None)
        if not self.is_peaceful or leader is None:
            return self.running
        return [self.members[member_id] for member_id in leader.members.conf_state.members]

    def _tick_count(self) -> int:
        """Clocks run apart: now and then a member's stands still, or hurries."""
        if not self.is_peaceful and self._random.random() < self.faults.clock_skew:
            return self._random.choice((0, 0, 2, 5))
        return 1

    def _deliver(self) -> None:
        for packet in self.wire.arriving(self.now):
            to = self.members.get(packet.to)
            if to is not None and to.is_up and to.paused_until > self.now:
                self.wire.keep(packet, to.paused_until)
                continue
            is_up = to is not None and to.is_up and (packet.source, packet.to) not in self.wire.cut
            if to is not None and is_up:
                self._note("deliver", packet.source, packet.to, packet.data.hex())
                to.receive(wire.decode(packet), packet.rows)
            if packet.rows is not None:
                self._report_snapshot(packet.source, packet.to, is_up)

    def _check(self, member: Member) -> None:
        status = member.node.status()
        if self.elections.check(status):
            self._note("leads", member.id, status.term)
            self.committed.elected(member, status.term)
        self.committed.commit_grows(member, status.commit)

    # ---- what members do to the world

    def _send(self, message: Message, rows: Any) -> None:
        is_on_its_way = self.wire.send(self.now, message, rows)
        if message.type is MessageType.SNAP and not is_on_its_way:
            self._report_snapshot(message.from_, message.to, False)
        elif not is_on_its_way and self._random.random() < 0.1:
            self.members[message.from_].node.report_unreachable(message.to)

    def _report_snapshot(self, source: int, to: int, is_ok: bool) -> None:
        if self.members[source].is_up:
            self.members[source].node.report_snapshot(to, is_ok)

    def _applied(self, member: Member, entry: Entry, result: Any) -> None:
        self._note("apply", member.id, entry.index, entry.term, entry.data.hex())
        self.committed.applied(member, entry)
        call = self.clients.applied(self.now, member, entry, result)
        if call is not None:
            self.linearizability.answered(call)

    def _installed(self, member: Member) -> None:
        self._note("install", member.id, member.applied)
        self.clients.abandon(self.now, member.id)

    # ---- faults

    def _act(self) -> None:
        chance = self._random.random
        power_fails = chance() < self.faults.power_loss
        for member in list(self.members.values()):
            if member.is_up and (power_fails or chance() < self.faults.crash):
                self._crash(member)
            elif not member.is_up and chance() < self.faults.restart:
                self._restart(member)
            if chance() < self.faults.pause:
                member.paused_until = self.now + self._random.randint(1, self.faults.pause_ticks_max)
            if member.is_up and chance() < self.faults.checkpoint:
                member.checkpoint()
            if member.is_up and chance() < self.faults.compaction:
                member.compact()
        if chance() < self.faults.partition:
            self.wire.partition(sorted(self.members))
        if chance() < self.faults.heal:
            self.wire.cut.clear()
        for member in self.up:
            if member.is_leader and chance() < self.faults.transfer:
                member.node.transfer_leader(self._random.choice(sorted(self.members)))
            if member.is_leader and chance() < self.faults.conf_change:
                self._change_membership(member)

    def _crash(self, member: Member) -> None:
        self._note("crash", member.id)
        member.crash()
        self.clients.abandon(self.now, member.id)
        for other in self.up:
            if self._random.random() < self.faults.stream_closed:
                other.node.leader_stream_closed(member.id)

    def _restart(self, member: Member) -> None:
        self._note("restart", member.id)
        member.start()
        member.store.listeners.append(self.history)
        self.committed.restarted(member)

    def _change_membership(self, leader: Member) -> None:
        """Add a new member, as voter or learner, promote a learner, or remove someone, the leader perhaps."""
        conf_state = leader.members.conf_state
        next_id = max(self.members) + 1
        options = [(ConfChangeType.ADD_MEMBER, learner) for learner in conf_state.learners]
        if next_id <= MEMBERS_MAX:
            options += [(ConfChangeType.ADD_MEMBER, next_id), (ConfChangeType.ADD_LEARNER, next_id)]
        if len(conf_state.voters) > 1:
            options += [(ConfChangeType.REMOVE_MEMBER, member_id) for member_id in conf_state.members]
        if not options:
            return
        kind, target = self._random.choice(options)
        row = rpc_pb2.Member(ID=target, isLearner=kind is ConfChangeType.ADD_LEARNER)
        context = command_pb2.MembershipChange(member=row).SerializeToString()
        try:
            leader.node.propose_conf_change(ConfChange(kind, target, context))
        except ProposalDropped:
            return
        self._note("change", kind.name, target)
        if target not in self.members:
            self._add(target, ConfState())

    # ---- peace

    def _repair(self) -> None:
        self.is_peaceful = True
        for member in self.members.values():
            member.is_disk_slow = False
            member.paused_until = 0
        self.wire.calm()
        for member in self.members.values():
            if not member.is_up:
                self._restart(member)

    def _check_liveness(self) -> None:
        """Of the members that still belong, all are level; and calls were answered lately."""
        leader = next((m for m in self.up if m.is_leader), None)
        assert leader is not None, "peace, and nobody leads"
        belonging = [self.members[member_id] for member_id in leader.members.conf_state.members]
        lag = max(m.applied for m in belonging) - min(m.applied for m in belonging)
        assert lag <= 5 * self.faults.client_count, f"peace, and {lag} entries behind"
        newest = max((call.answered_at or 0 for call in self.clients.answered), default=0)
        assert newest > self.now - 100, f"peace since {FAULTY_TICKS}, and the last answer came at {newest}"
        for member in belonging:
            self.committed.check_state(member)

    def _note(self, *facts: object) -> None:
        self.trace.update(f"{self.now} {facts}\n".encode())


def run(seed: int) -> str:
    """One run; the hash of its trace. A broken promise is an AssertionError that names the seed."""
    with scratch_folder() as folder:
        world = World(seed, Path(folder))
        try:
            return world.run()
        except Exception as error:
            raise AssertionError(f"seed={seed} tick={world.now}: {error!r} ({world.faults})") from error
        finally:
            world.close()
