"""One run: each tick deliver, pass time, ask, work, check; first under faults, then in peace.

Phase 1 asks only for safety. Phase 2 repairs everything and asks for liveness: a leader, an answered call,
all members in one state, and watches that have heard of it, within a bounded number of ticks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from etcdlite.mvcc.backend import BucketRow
from etcdlite.node import TICK_SECONDS
from etcdlite.raft.messages import ConfChangeType, Entry
from tests.sim import faults, wire
from tests.sim.checkers import liveness
from tests.sim.checkers.linearizability import Call
from tests.sim.checkers.watch_guarantees import Watching
from tests.sim.clients import Clients
from tests.sim.disk import Disk, scratch_folder
from tests.sim.member import FOUNDING, Listener, Member, first_rows, member_row
from tests.sim.promises import Promises
from tests.sim.watchers import Watchers

FAULTY_TICKS = 500
PEACEFUL_TICKS = 250
SETTLED_TICKS = 50
MEMBERS_MAX = 7
CRASH_STEPS_MAX = 12
COPY_TICKS_MAX = 5


class World(Listener):
    def __init__(self, seed: int, folder: Path, given: Mapping[str, Any]) -> None:
        self._random = Random(seed)
        self._folder = folder
        self.faults = replace(faults.draw(self._random), **given)
        self.now = 0
        self.trace = hashlib.sha256()
        self.is_peaceful = False
        founders = [member_row(number) for number in range(1, self.faults.size + 1)]
        self.wire = wire.Wire(self._random, self.faults)
        self.promises = Promises(first_rows(founders, FOUNDING))
        self.history = self.promises.history
        self.clients = Clients(self._random, self.faults, self.promises.asked, self._answered)
        self.watchers = Watchers(self._random, self.faults, self._heard)
        self.members: dict[int, Member] = {}
        for founder in founders:
            self._add(founder.ID, first_rows(founders, FOUNDING))
        self.promises.tick(0, [], {})

    def _add(self, member_id: int, rows: list[BucketRow]) -> None:
        random = Random(self._random.getrandbits(64))
        disk = Disk(self._folder, member_id, random, self._sync_seconds, self._copy_seconds)
        member = Member(member_id, rows, disk, self.faults, random, self._send, self)
        self.members[member_id] = member

    def close(self) -> None:
        for member in self.up:
            member.crash()

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
        for _ in range(PEACEFUL_TICKS - SETTLED_TICKS):
            self._tick()
        settled_revision = self.history.revision
        for _ in range(SETTLED_TICKS):
            self._tick()
        self._check_end(settled_revision)
        return self.trace.hexdigest()

    def _tick(self) -> None:
        self.now += 1
        self._deliver()
        for member in self.members.values():
            member.pass_time(self._seconds_passed())
        clocks = {member.id: member.seconds for member in self.members.values()}
        self.promises.tick(self.now, self.up, clocks)
        for member in self.running:
            is_due = self.is_peaceful or self._random.random() < self.faults.checkpoint
            if is_due and not member.disk.errors_left:
                member.backend.checkpoint()
        asked = self._asked()
        self.clients.act(self.now, asked)
        self.watchers.act(self.now, asked)
        for member in self.running:
            if not member.work():
                self._crash(member, "disk")
                continue
            self._welcome(member)
            if (term := self.promises.looked_at(member)) is not None:
                self._note("leads", member.id, term)
        self.clients.collect(self.now)
        self.watchers.collect(self.now)

    def _asked(self) -> list[Member]:
        """In peace nobody asks a member that was removed: it does not know, and its answers never come."""
        leader = next((member for member in self.up if member.is_leader), None)
        if not self.is_peaceful or leader is None:
            return self.running
        return [self.members[member_id] for member_id in leader.conf_state.members]

    def _seconds_passed(self) -> float:
        """Clocks run apart: now and then one stands still, or hurries, or jumps far ahead."""
        if self.is_peaceful:
            return TICK_SECONDS
        if self._random.random() < self.faults.clock_jump:
            return TICK_SECONDS * self._random.randint(2, self.faults.clock_jump_ticks_max)
        if self._random.random() < self.faults.clock_skew:
            return TICK_SECONDS * self._random.choice((0, 0, 2, 5))
        return TICK_SECONDS

    def _deliver(self) -> None:
        for packet in self.wire.arriving(self.now):
            to = self.members.get(packet.to)
            if to is not None and to.is_up and to.paused_until > self.now:
                self.wire.keep(packet, to.paused_until)
                continue
            is_up = to is not None and to.is_up and (packet.source, packet.to) not in self.wire.cut
            if to is not None and is_up:
                self._note("deliver", packet.source, packet.to, packet.data.hex())
                to.receive(packet.source, packet.frame, packet.rows)
            if packet.rows is not None and self.members[packet.source].is_up:
                self.members[packet.source].node.snapshot_sent(packet.to, is_up)

    # ---- what members and clients do to the world

    def _send(self, source: int, to: int, frame: Any, carried: list[BucketRow] | None) -> bool:
        return self.wire.send(self.now, source, to, frame, carried)

    def _sync_seconds(self) -> float:
        if self.is_peaceful or self._random.random() >= self.faults.slow_disk:
            return 0.0
        return TICK_SECONDS * self._random.randint(0, self.faults.slow_disk_ticks_max)

    def _copy_seconds(self) -> float:
        return 0.0 if self.is_peaceful else TICK_SECONDS * self._random.randint(0, COPY_TICKS_MAX)

    def applied(self, member: Member, entry: Entry) -> None:
        self._note("apply", member.id, entry.index, entry.term, entry.data.hex())
        self.promises.applied(self.now, member, entry)

    def installed(self, member: Member) -> None:
        self._note("install", member.id, member.applied)

    def _answered(self, call: Call) -> None:
        self._note("answer", call.id, call.response.header.revision)
        self.promises.answered(call)

    def _heard(self, watching: Watching, response: Any) -> None:
        self._note("heard", watching.name, response.header.revision, len(response.events))
        self.promises.heard(watching, response)

    # ---- faults

    def _act(self) -> None:
        chance = self._random.random
        power_fails = chance() < self.faults.power_loss
        for member in list(self.members.values()):
            if member.is_up and (power_fails or chance() < self.faults.crash):
                self._crash(member, "kill", self._random.randint(0, CRASH_STEPS_MAX))
            elif not member.is_up and chance() < self.faults.restart:
                self._restart(member)
            if chance() < self.faults.pause:
                member.paused_until = self.now + self._random.randint(1, self.faults.pause_ticks_max)
            if chance() < self.faults.disk_error:
                member.disk.errors_left = self._random.randint(1, self.faults.disk_errors_max)
        if chance() < self.faults.partition:
            self.wire.partition(sorted(self.members))
        if chance() < self.faults.heal:
            self.wire.cut.clear()
        for member in self.up:
            if member.is_leader and chance() < self.faults.transfer:
                member.node.raft.transfer_leader(self._random.choice(sorted(self.members)))
            if member.is_leader and chance() < self.faults.conf_change:
                self._change_membership(member)

    def _crash(self, member: Member, why: str, steps: int = 0) -> None:
        self._note("crash", member.id, why)
        member.crash(steps if member.paused_until <= self.now else 0)
        self.clients.abandon(self.now, member.id)
        self.watchers.abandon(member.id)
        for other in self.up:
            if self._random.random() < self.faults.stream_closed:
                other.node.peer_stream_closed(member.id)

    def _restart(self, member: Member) -> None:
        is_started = member.start()
        self._note("restart", member.id, is_started)
        self.promises.restarted(member)

    def _change_membership(self, leader: Member) -> None:
        """Add a new member, as voter or learner, promote a learner, or remove someone, the leader perhaps."""
        conf_state = leader.conf_state
        next_id = max(self.members) + 1
        options = [(ConfChangeType.ADD_MEMBER, learner) for learner in conf_state.learners]
        if next_id <= MEMBERS_MAX:
            options += [(ConfChangeType.ADD_MEMBER, next_id), (ConfChangeType.ADD_LEARNER, next_id)]
        if len(conf_state.voters) > 1:
            options += [(ConfChangeType.REMOVE_MEMBER, member_id) for member_id in conf_state.members]
        if not options:
            return
        kind, target = self._random.choice(options)
        row = member_row(target, is_learner=kind is ConfChangeType.ADD_LEARNER)
        leader.change_membership(kind, row)
        self._note("change", kind.name, target)

    def _welcome(self, whoever: Member) -> None:
        """Start those whom the cluster has added, with what a member says about who belongs to it."""
        for member_id in whoever.conf_state.members:
            if member_id not in self.members:
                self._note("joins", member_id)
                self._add(member_id, first_rows(whoever.node.members.by_id.values(), None))

    # ---- peace

    def _repair(self) -> None:
        self.is_peaceful = self.clients.is_calm = self.watchers.is_calm = True
        self.wire.calm()
        for member in self.members.values():
            member.paused_until = 0
            member.disk.errors_left = 0
            if not member.is_up:
                self._restart(member)

    def _check_end(self, settled_revision: int) -> None:
        belonging = liveness.check_members(self.members, 5 * self.faults.client_count)
        liveness.check_clients(self.now, self.clients.last_answer_at)
        watchings = [watcher.watching for watcher in self.watchers.all]
        self.promises.check_end(belonging, watchings, settled_revision)

    def _note(self, *facts: object) -> None:
        self.trace.update(f"{self.now} {facts}\n".encode())


def run(seed: int, **given: Any) -> str:
    """One run; the hash of its trace. A broken promise is an AssertionError that names the seed.

    What goes wrong is drawn from the seed, but for what is given.
    """
    with scratch_folder() as folder:
        world = World(seed, Path(folder), given)
        try:
            return world.run()
        except Exception as error:
            raise AssertionError(f"seed={seed} tick={world.now}: {error!r} ({world.faults})") from error
        finally:
            world.close()
