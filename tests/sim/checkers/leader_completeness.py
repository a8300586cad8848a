"""Leader Completeness (Raft 5.4): whoever is elected holds every entry that was committed before its term."""

from __future__ import annotations

from collections.abc import Mapping

from etcdlite.raft.messages import Entry
from tests.sim.checkers.log_matching import whole_log
from tests.sim.member import Member


def check(leader: Member, term: int, applied: Mapping[int, Entry]) -> None:
    """The new leader's log, saved or not, holds all that anyone applied."""
    log = whole_log(leader)
    first = leader.storage.first_index()
    for index, entry in applied.items():
        if index >= first and entry.term < term:
            assert log.get(index) == entry, f"leader {leader.id} of term {term} lacks committed {entry}"
