"""State Machine Safety and Leader Completeness (Raft 5.4): what anyone applied stays where it is, for ever.

Every entry applied anywhere is remembered. Whoever applies that index applies the same entry and reaches the
same state; whoever is elected later holds it in its log or snapshot.
"""

from __future__ import annotations

from etcdlite import codec
from etcdlite.raft.messages import Entry, EntryType
from tests.sim import rows
from tests.sim.checkers.log_matching import saved_log
from tests.sim.member import Member

HASH_EVERY = 10


class Committed:
    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}
        self.hashes: dict[int, str] = {}
        self.commit_of: dict[int, int] = {}
        self.index_of_request: dict[int, int] = {}

    def applied(self, member: Member, entry: Entry) -> None:
        known = self.entries.setdefault(entry.index, entry)
        assert known == entry, f"member {member.id} applied {entry}, another {known}"
        self._check_once(entry)
        if entry.index % HASH_EVERY == 0:
            self.check_state(member)

    def _check_once(self, entry: Entry) -> None:
        """However often a request was proposed, it stands in the log once."""
        if entry.data and entry.type is EntryType.NORMAL:
            request_id = codec.decode_command(entry.data)[0]
            index = self.index_of_request.setdefault(request_id, entry.index)
            assert index == entry.index, f"request {request_id} was applied at {index} and {entry.index}"

    def check_state(self, member: Member) -> None:
        index = member.applied
        found = rows.state_hash(member.store)
        known = self.hashes.setdefault(index, found)
        assert known == found, f"member {member.id} is in another state at {index}"

    def elected(self, member: Member, term: int) -> None:
        """A new leader's log, saved or not, holds all that was committed before."""
        log = saved_log(member)
        unsaved = member.saving.ready.entries if member.saving else []
        log |= {entry.index: entry for entry in unsaved}
        first = member.storage.first_index()
        for index, entry in self.entries.items():
            if index >= first and entry.term < term:
                held = log.get(index)
                assert held == entry, f"leader {member.id} of term {term} lacks committed {entry}"

    def commit_grows(self, member: Member, commit: int) -> None:
        """While it runs a member never takes back a commit index."""
        assert commit >= self.commit_of.get(member.id, 0), f"member {member.id} took back its commit index"
        self.commit_of[member.id] = commit

    def restarted(self, member: Member) -> None:
        self.commit_of.pop(member.id, None)
