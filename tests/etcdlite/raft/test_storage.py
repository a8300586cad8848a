"""What storage answers, and what a restart makes of a crash between two writes."""

from __future__ import annotations

import pytest

from etcdlite.raft.messages import ConfState, Entry, HardState, SnapshotMetadata
from etcdlite.raft.storage import Compacted, LogDoesNotFit, MemoryStorage, Unavailable, recover

FOUNDERS = ConfState((1, 2, 3))


def log(*terms: int, first: int = 2) -> list[Entry]:
    return [Entry(term, first + i) for i, term in enumerate(terms)]


def kept(storage: MemoryStorage) -> list[tuple[int, int]]:
    low, high = storage.first_index(), storage.last_index() + 1
    return [(e.index, e.term) for e in storage.entries(low, high, 2**60)]


def test_entries_replace_what_stood_at_their_indexes() -> None:
    storage = MemoryStorage(FOUNDERS)
    storage.append(log(1, 1, 1))
    storage.append(log(2, first=3))
    assert kept(storage) == [(2, 1), (3, 2)]


def test_outside_the_log() -> None:
    storage = MemoryStorage(FOUNDERS)
    storage.append(log(1, 1, 2))
    storage.create_snapshot(3, FOUNDERS)
    storage.compact(3)
    assert storage.term(3) == 1
    assert kept(storage) == [(4, 2)]
    with pytest.raises(Compacted):
        storage.entries(3, 5, 100)
    with pytest.raises(Compacted):
        storage.term(2)
    with pytest.raises(Unavailable):
        storage.term(5)


def test_a_limit_never_hides_the_first_entry() -> None:
    storage = MemoryStorage(FOUNDERS)
    storage.append([Entry(1, 2, data=b"x" * 100), Entry(1, 3, data=b"x" * 100)])
    assert len(storage.entries(2, 4, 1)) == 1
    assert len(storage.entries(2, 4, 232)) == 2


def test_recover_after_founding() -> None:
    storage = recover(HardState(), [], SnapshotMetadata(1, 0, FOUNDERS))
    assert storage.initial_state() == (HardState(0, 0, 1), FOUNDERS)
    assert (storage.first_index(), storage.last_index()) == (2, 1)


def test_recover_keeps_older_entries_for_those_who_lag() -> None:
    storage = recover(HardState(2, 1, 5), log(1, 1, 2, 2, 2), SnapshotMetadata(4, 2, FOUNDERS))
    assert kept(storage) == [(3, 1), (4, 2), (5, 2), (6, 2)]
    assert storage.term(2) == 1
    assert storage.snapshot().metadata.index == 4
    assert storage.initial_state()[0] == HardState(2, 1, 5)


def test_recover_when_the_state_machine_is_ahead_of_the_log() -> None:
    """A snapshot was installed; the crash came before the log noted it, and the term in which it was sent."""
    storage = recover(HardState(1, 3, 2), log(1, 1), SnapshotMetadata(9, 4, FOUNDERS))
    assert kept(storage) == []
    assert (storage.first_index(), storage.term(9)) == (10, 4)
    assert storage.initial_state()[0] == HardState(4, 0, 9)


def test_recover_when_the_log_contradicts_the_state_machine() -> None:
    """The log holds a deposed leader's entries where the installed snapshot holds others."""
    storage = recover(HardState(3, 0, 2), log(1, 2, 2, 2), SnapshotMetadata(4, 3, FOUNDERS))
    assert kept(storage) == []
    assert storage.term(4) == 3


def test_recover_from_a_torn_hard_state() -> None:
    """Entries of a new term reached the disk and the term did not: it is taken over, without a vote."""
    storage = recover(HardState(2, 2, 2), log(1, 5), SnapshotMetadata(2, 1, FOUNDERS))
    assert storage.initial_state()[0] == HardState(5, 0, 2)


def test_recover_refuses_a_gap() -> None:
    with pytest.raises(LogDoesNotFit, match="the log begins at 9"):
        recover(HardState(1, 0, 1), log(1, first=9), SnapshotMetadata(4, 1, FOUNDERS))


def test_recover_refuses_a_log_that_lost_committed_entries() -> None:
    with pytest.raises(LogDoesNotFit, match="entry 7 was committed"):
        recover(HardState(1, 0, 7), log(1, 1), SnapshotMetadata(2, 1, FOUNDERS))


def test_the_size_follows_what_is_kept() -> None:
    storage = MemoryStorage(FOUNDERS)
    storage.append([Entry(1, index, data=bytes(84)) for index in range(2, 12)])
    assert storage.size_bytes == 1000
    storage.append([Entry(2, 10, data=bytes(184))])  # in place of two
    assert storage.size_bytes == 1000
    assert storage.tail_within(1000) == 1
    assert storage.tail_within(399) == 8
    assert storage.tail_within(0) == 10
    storage.create_snapshot(10, FOUNDERS)
    storage.compact(8)
    assert storage.size_bytes == 300
    assert (
        recover(HardState(2, 1, 9), storage.entries(9, 11, 2**60), SnapshotMetadata(8, 1)).size_bytes == 300
    )
