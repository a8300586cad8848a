"""The store with one rule left out at a time: what the checkers must notice, or they prove nothing.

Each function takes `monkeypatch` and breaks one promise of the store's own code, the way a plausible bug
would. MUTATIONS is the table of them, with the checker that notices, its words, and a seed where it does;
without the mutation the same seed passes. Rules whose breach shows once in many thousand runs (Figure 8, a
forgotten vote) are not here, but in the tests of the paper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from etcdlite import leasing, node, txn
from etcdlite.apply import Applier
from etcdlite.commands import LeaseRevokeResult
from etcdlite.errors import Refusal
from etcdlite.journal import Journal
from etcdlite.lease.lessor import Lessor
from etcdlite.mvcc.backend import META
from etcdlite.mvcc.key_index import KeyIndex
from etcdlite.mvcc.watch import Cursors
from etcdlite.proposals import Proposals
from etcdlite.raft import leader, log, quorum, replication
from etcdlite.raft.messages import NONE, EntryType, ReadState
from etcdlite.raft.state import State
from etcdlite.raft.storage import recover
from etcdlite.server.answers import header
from etcdlite.server.kv import KvServicer
from etcdlite.server.watch import ALL_WATCHES, WatchStream
from tests.sim import member

# ---- Raft


def votes_for_any_log(patch: Any) -> None:
    """Without Raft 5.4.1: the vote does not depend on the candidate's log."""
    patch.setattr(log.RaftLog, "is_up_to_date", lambda self, index, term: True)


def reads_without_asking(patch: Any) -> None:
    """Without the heartbeat round of ReadIndex: a leader trusts that it still leads."""

    def read_index(state: State, context: bytes, requester: int = NONE) -> None:
        if requester in (NONE, state.id):
            state.read_states.append(ReadState(state.log.committed, context))

    patch.setattr(leader, "read_index", read_index)


def reads_before_its_first_commit(patch: Any) -> None:
    """Without Raft 8: a new leader answers reads before it knows the newest commit index."""

    def read_index(state: State, context: bytes, requester: int = NONE) -> None:
        read_only = state.lead().read_only
        read_only.open_round(context, requester, state.log.committed)
        leader._confirm_reads(state)
        replication.broadcast_heartbeat(state)

    patch.setattr(leader, "read_index", read_index)


def counts_one_of_two_as_a_majority(patch: Any) -> None:
    """Half of the members decide, where it takes more than half."""
    patch.setattr(quorum, "majority", lambda voter_count: max(1, voter_count // 2))


# ---- the disk


def acknowledges_without_sync(patch: Any) -> None:
    """No fsync: the log is written, and nobody waits until it is on the disk."""

    async def careless(self: Any, ready: Any) -> None:
        metadata = ready.snapshot.metadata if ready.snapshot else None
        self.wal.save(ready.hard_state, ready.entries, metadata, sync=False)
        if ready.snapshot is not None:
            self.storage.apply_snapshot(ready.snapshot)
        if ready.hard_state is not None:
            self.storage.set_hard_state(ready.hard_state)
        self.storage.append(ready.entries)

    patch.setattr(Journal, "save", careless)


def sends_before_saving(patch: Any) -> None:
    """Without the owner's first duty: every message leaves at once, saved or not."""
    handle = node.Node._handle

    async def hasty(self: Any, ready: Any) -> None:
        self.transport.send(ready.messages)
        await handle(self, replace(ready, messages=[]))

    patch.setattr(node.Node, "_handle", hasty)


def shrugs_off_a_failed_sync(patch: Any) -> None:
    """The disk says that it failed; the member tries once more and believes the second answer."""
    do = member.DiskWorker.do

    async def stubborn(self: Any, save: Any, *arguments: Any) -> None:
        try:
            await do(self, save, *arguments)
        except OSError:
            await do(self, lambda *_, sync: None)

    patch.setattr(member.DiskWorker, "do", stubborn)


def forgets_the_commit_index_of_a_new_membership(patch: Any) -> None:
    """A member that counts by a new membership may find only the old one after a crash."""

    async def forgetful(self: Any) -> None: ...

    patch.setattr(Journal, "save_commit", forgetful)


def does_not_tell_the_log_of_a_snapshot(patch: Any) -> None:
    """After a crash between a snapshot and its mark in the log, entries follow that the log cannot place."""
    patch.setattr(
        member, "resume", lambda _, contents, at: recover(contents.hard_state, contents.entries, at)
    )


# ---- the state machine


def applies_before_commit(patch: Any) -> None:
    """What is saved here is applied and answered, before a majority has it."""
    save, apply_all = Journal.save, node.Node._apply_all

    async def eager(self: Any, ready: Any) -> None:
        await save(self, ready)
        self.saved = [entry for entry in ready.entries if entry.type is EntryType.NORMAL]

    def both(self: Any, entries: Any) -> None:
        due = [entry for entry in (*entries, *self.journal.saved) if entry.index == self.applied + 1]
        while due:
            apply_all(self, due[:1])
            due = [entry for entry in (*entries, *self.journal.saved) if entry.index == self.applied + 1]

    patch.setattr(Journal, "saved", [], raising=False)
    patch.setattr(Journal, "save", eager)
    patch.setattr(node.Node, "_apply_all", both)


def applies_twice_after_a_restart(patch: Any) -> None:
    """The applied index is not written with the changes, but every other time only."""
    apply = Applier.apply

    def late(self: Any, index: int, term: int, command: Any) -> Any:
        before = self._backend.get(META, b"applied")
        result = apply(self, index, term, command)
        if index % 2 and before is not None:
            self._backend.put(META, b"applied", before)
        return result

    patch.setattr(Applier, "apply", late)


def proposes_again_in_the_same_term(patch: Any) -> None:
    """Any applied entry counts as proof that what waits is lost."""
    applied_term = Proposals.applied_term

    def hasty(self: Any, term: int) -> None:
        applied_term(self, term + 1)

    def always(self: Any, entries: Any) -> None:
        apply_all(self, entries)
        if entries:
            self.proposals.applied_term(self.applier.applied[1])

    apply_all = node.Node._apply_all
    patch.setattr(Proposals, "applied_term", hasty)
    patch.setattr(node.Node, "_apply_all", always)


def applies_by_the_leaders_clock(patch: Any) -> None:
    """Whether a put's lease still lives is asked of deadlines that only the leader has."""

    def refuse(lessor: Any, put: Any) -> Refusal | None:
        lease = lessor.get(put.lease)
        if put.lease and (lease is None or lease.deadline is not None):
            return Refusal.LEASE_NOT_FOUND
        return None

    patch.setattr(txn, "_refuse_lease", refuse)


def compacts_what_is_still_seen(patch: Any) -> None:
    """A compaction takes a key's newest version for one that a newer one hides."""
    previous = KeyIndex.previous

    def wrong(self: Any, key_id: Any, at: bytes) -> Any:
        return previous(self, key_id, at + b"\0")

    patch.setattr(KeyIndex, "previous", wrong)


def reads_its_own_store_at_once(patch: Any) -> None:
    """A linearizable read is answered like a serializable one."""
    read = KvServicer.Range

    async def careless(self: Any, request: Any, context: Any) -> Any:
        request.serializable = True
        return await read(self, request, context)

    patch.setattr(KvServicer, "Range", careless)


# ---- leases


def revokes_without_asking(patch: Any) -> None:
    """A leader that was deposed meanwhile ends leases that the new one has renewed."""
    propose = node.Node.propose

    async def end(self: Any, expired: list[int]) -> None:
        for lease_id in expired:
            await self._revoke(lease_id)

    async def in_any_term(self: Any, command: Any, *, only_in_term: int = 0) -> Any:
        return await propose(self, command)

    patch.setattr(leasing.Leasing, "_end", end)
    patch.setattr(node.Node, "propose", in_any_term)


def leaves_the_keys_of_a_lease(patch: Any) -> None:
    """A revoke forgets the lease, and not its keys."""

    def revoke(self: Any, request: Any) -> Any:
        if self._lessor.get(request.id) is None:
            return Refusal.LEASE_NOT_FOUND
        self._lessor.revoke(request.id)
        return LeaseRevokeResult(self._store.revision)

    patch.setattr(Applier, "_revoke", revoke)


def counts_on_from_the_last_leader(patch: Any) -> None:
    """A new leader gives leases only a moment, not their whole time again."""
    promote = Lessor.promote

    def stingy(self: Any, now: float, extend_seconds: float) -> None:
        promote(self, now - 1.0, 0.0)

    patch.setattr(Lessor, "promote", stingy)


def renews_in_words_only(patch: Any) -> None:
    """A renewal is answered, and the deadline stays."""

    def renew(self: Any, lease_id: int, now: float) -> int:
        lease = self.get(lease_id)
        return 0 if lease is None else lease.ttl

    patch.setattr(Lessor, "renew", renew)


# ---- watches


def forgets_watches_at_a_snapshot(patch: Any) -> None:
    """Watches are not told that the store jumped: what lies between never reaches them."""
    patch.setattr(Cursors, "restored", lambda self: None)


def splits_a_revision(patch: Any) -> None:
    """The last event of a poll comes with the next one, be it of the same revision."""
    poll = Cursors.poll

    def halved(self: Any, cursor: Any) -> Any:
        events = poll(self, cursor)
        if (
            isinstance(events, list)
            and len(events) > 1
            and events[-1].mod_revision == events[-2].mod_revision
        ):
            cursor.next_revision = events[-1].mod_revision
            cursor.is_behind = True
            return events[:-1]
        return events

    patch.setattr(Cursors, "poll", halved)


def tells_progress_before_events(patch: Any) -> None:
    """Who asks for progress is answered at once, though events wait (etcd issue 15220)."""
    write_events = WatchStream._write_events

    async def hasty(self: Any, watch: Any) -> None:
        if self._progress_asked:
            self._progress_asked = False
            self._respond(ALL_WATCHES, header(self._node).revision)
            await self._context.write(self._controls.pop())
        await write_events(self, watch)

    patch.setattr(WatchStream, "_write_events", hasty)


def begins_one_revision_late(patch: Any) -> None:
    """A watch from a revision on begins after it."""
    begin = Cursors.open

    def late(self: Any, key: bytes, range_end: bytes, start_revision: int, *rest: Any, **more: Any) -> Any:
        return begin(self, key, range_end, start_revision + 1 if start_revision else 0, *rest, **more)

    patch.setattr(Cursors, "open", late)


def drops_an_event_of_a_busy_watch(patch: Any) -> None:
    """A watch that is behind already takes no note, and what it reads next begins at the newest change."""
    committed = Cursors.committed

    def forgetful(self: Any, at_revision: int, changes: Any) -> None:
        committed(self, at_revision, changes)
        for cursor in self._interests.all():
            if cursor.is_behind and at_revision % 3 == 0:
                cursor.next_revision = at_revision

    patch.setattr(Cursors, "committed", forgetful)


@dataclass(frozen=True)
class Mutation:
    """`complaint` is a pattern in what `checker` says on `seed`.

    A checker is a module of tests/sim/checkers, or one of the store that refuses to go on. `faults` are those
    that bring the bug to light, where chance alone would seldom do.
    """

    plant: Callable[[Any], None]
    where: str
    checker: str
    complaint: str
    seed: int
    faults: Mapping[str, Any] = field(default_factory=dict)


BUSY = {"size": 3, "client_count": 6, "client_pause_max": 0, "delay_max": 1, "loss": 0.0, "slow_disk": 0.0}
PAUSES = BUSY | {"pause": 0.02, "pause_ticks_max": 80, "clock_skew": 0.0}
CRASHES = BUSY | {"crash": 0.02, "restart": 0.1, "clock_skew": 0.0}
SNAPSHOTS = PAUSES | CRASHES | {"snapshot_count": 3, "catch_up_entries": 0, "checkpoint": 0.3}
SLOW = {"delay_max": 5, "slow_disk": 0.5, "slow_disk_ticks_max": 4}
CHANGES = {"size": 1, "conf_change": 0.1, "crash": 0.02, "restart": 0.5, "checkpoint": 0.02}

MUTATIONS = (
    Mutation(votes_for_any_log, "raft/log.py", "leader_completeness", "lacks committed", 1),
    Mutation(reads_without_asking, "raft/leader.py", "linearizability", "was answered before", 5),
    Mutation(
        reads_before_its_first_commit,
        "raft/leader.py",
        "linearizability",
        "was answered before",
        3,
        CRASHES | SLOW,
    ),
    Mutation(counts_one_of_two_as_a_majority, "raft/quorum.py", "election_safety", "both lead term", 0),
    Mutation(acknowledges_without_sync, "journal.py", "leader_completeness", "lacks committed", 9),
    Mutation(sends_before_saving, "node.py", "log", "beyond the end", 9),
    Mutation(shrugs_off_a_failed_sync, "worker.py", "leader_completeness", "lacks committed", 32),
    Mutation(
        forgets_the_commit_index_of_a_new_membership,
        "journal.py",
        "leader_completeness",
        "lacks committed",
        7,
        CHANGES,
    ),
    Mutation(does_not_tell_the_log_of_a_snapshot, "boot.py", "wal", "does not follow", 12, SNAPSHOTS),
    Mutation(applies_before_commit, "node.py", "state_machine_safety", "another", 24),
    Mutation(applies_twice_after_a_restart, "apply.py", "state_hash", "in another state", 8),
    Mutation(proposes_again_in_the_same_term, "proposals.py", "state_machine_safety", "was applied at", 0),
    Mutation(applies_by_the_leaders_clock, "txn.py", "state_hash", "in another state", 2),
    Mutation(compacts_what_is_still_seen, "mvcc/key_index.py", "linearizability", "the history says", 10),
    Mutation(reads_its_own_store_at_once, "server/kv.py", "linearizability", "was answered before", 0),
    Mutation(revokes_without_asking, "leasing.py", "leases", "has ended after", 6, PAUSES),
    Mutation(leaves_the_keys_of_a_lease, "apply.py", "leases", "live on", 0),
    Mutation(counts_on_from_the_last_leader, "lease/lessor.py", "leases", "has ended after", 12, CRASHES),
    Mutation(renews_in_words_only, "lease/lessor.py", "leases", "has ended after", 1),
    Mutation(forgets_watches_at_a_snapshot, "mvcc/watch.py", "watch_guarantees", "reliable|resumable", 12),
    Mutation(splits_a_revision, "mvcc/watch.py", "watch_guarantees", "atomic", 0),
    Mutation(tells_progress_before_events, "server/watch.py", "watch_guarantees", "bookmarkable", 0),
    Mutation(begins_one_revision_late, "mvcc/watch.py", "watch_guarantees", "resumable", 2),
    Mutation(drops_an_event_of_a_busy_watch, "mvcc/watch.py", "watch_guarantees", "reliable|resumable", 0),
)
