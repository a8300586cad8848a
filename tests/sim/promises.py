"""All checkers together: what each of them must hear of what happens in the world."""

from __future__ import annotations

from typing import Any

from etcdlite.mvcc.backend import BucketRow
from etcdlite.raft.messages import Entry, EntryType
from tests.sim.checkers import leader_completeness, log_matching
from tests.sim.checkers.acknowledged import Acknowledged
from tests.sim.checkers.election_safety import ElectionSafety
from tests.sim.checkers.history import History
from tests.sim.checkers.leases import Leases
from tests.sim.checkers.linearizability import Call, Linearizability
from tests.sim.checkers.state_hash import StateHash
from tests.sim.checkers.state_machine_safety import StateMachineSafety
from tests.sim.checkers.watch_guarantees import WatchGuarantees, Watching
from tests.sim.member import Member

MATCHING_EVERY = 10


class Promises:
    """One method for each kind of thing that happens."""

    def __init__(self, founding: list[BucketRow]) -> None:
        self.history = History()
        self.elections = ElectionSafety()
        self.safety = StateMachineSafety()
        self.state_hash = StateHash(founding)
        self.linearizability = Linearizability(self.history)
        self.acknowledged = Acknowledged(self.history)
        self.leases = Leases()
        self.watches = WatchGuarantees(self.history)

    # ---- members

    def applied(self, now: int, member: Member, entry: Entry) -> None:
        if self.safety.applied(member.id, entry):
            self.state_hash.committed(entry)
            if entry.data and entry.type is EntryType.NORMAL:
                self.leases.committed(now, member.node.store, entry)
        self.state_hash.applied(member, entry.index)

    def looked_at(self, member: Member) -> int | None:
        """A member after its work of a tick; the term, if it has just become leader of one."""
        status = member.node.raft.status()
        self.safety.committed(member.id, status.commit)
        if not self.elections.check(status):
            return None
        leader_completeness.check(member, status.term, self.safety.entries)
        return status.term

    def restarted(self, member: Member) -> None:
        self.safety.restarted(member.id)

    def tick(self, now: int, members: list[Member], clocks: dict[int, float]) -> None:
        self.leases.clocks.append(clocks)
        if now % MATCHING_EVERY == 0:
            log_matching.check(members)

    # ---- clients

    def asked(self, call: Call) -> None:
        self.linearizability.asked(call)
        self.leases.asked(call)

    def answered(self, call: Call) -> None:
        self.linearizability.answered(call)
        self.acknowledged.answered(call)
        self.leases.answered(call)

    def heard(self, watching: Watching, response: Any) -> None:
        self.watches.heard(watching, response)

    # ---- the end

    def check_end(self, belonging: list[Member], watchings: list[Watching], settled_revision: int) -> None:
        """In peace: all are equal, nothing is lost, and every watch has heard what is not brand new."""
        self.linearizability.check_end()
        for member in belonging:
            self.state_hash.check(member)
            self.acknowledged.check_end(member, settled_revision)
        for watching in watchings:
            self.watches.check_end(watching, settled_revision)
