"""Log Matching: if two logs hold an entry of the same index and term, they are equal up to it (Raft 5.3)."""

from __future__ import annotations

from itertools import combinations

from etcdlite.raft.messages import Entry
from tests.sim.member import Member


def saved_log(member: Member) -> dict[int, Entry]:
    storage = member.storage
    entries = storage.entries(storage.first_index(), storage.last_index() + 1, 1 << 60)
    return {entry.index: entry for entry in entries}


def whole_log(member: Member) -> dict[int, Entry]:
    """As Raft sees it, with what is still to be saved."""
    log = member.node.raft._state.log
    return {entry.index: entry for entry in log.entries(log.first_index(), log.last_index() + 1, 1 << 60)}


def check(members: list[Member]) -> None:
    logs = [(member.id, saved_log(member)) for member in members]
    for log_id, log in logs:
        terms = [entry.term for entry in log.values()]
        assert terms == sorted(terms), f"the terms in the log of {log_id} go back"
    for (id_a, a), (id_b, b) in combinations(logs, 2):
        shared = sorted(a.keys() & b.keys(), reverse=True)
        agreed = next((i for i in shared if a[i].term == b[i].term), 0)
        for index in shared:
            if index <= agreed:
                assert a[index] == b[index], f"members {id_a} and {id_b} differ at {index}, agree at {agreed}"
