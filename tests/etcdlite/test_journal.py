"""When the log is cut, and what stays of it."""

from __future__ import annotations

from pathlib import Path

from etcdlite import wal as wal_files
from etcdlite.journal import Journal
from etcdlite.limits import Limits
from etcdlite.raft.messages import ConfState, Entry, HardState, SnapshotMetadata
from etcdlite.raft.raw_node import Ready
from etcdlite.raft.storage import MemoryStorage

FOUNDERS = ConfState((1,))
FIRST = 2


def journal(folder: Path, limits: Limits) -> Journal:
    mark = SnapshotMetadata(1, 1, FOUNDERS)
    wal = wal_files.Wal.create(folder, wal_files.Identity(1, 1), HardState(1, 1, 1), mark)
    return Journal(wal, MemoryStorage(FOUNDERS), limits)


async def write(journal: Journal, count: int, size: int) -> int:
    """Save so many entries; the index of the last."""
    first = journal.storage.last_index() + 1
    entries = [Entry(1, index, data=bytes(size)) for index in range(first, first + count)]
    await journal.save(Ready(entries=entries, must_sync=True))
    return journal.storage.last_index()


async def test_a_log_of_many_entries_keeps_a_tail_for_slow_members(tmp_path: Path) -> None:
    one = journal(tmp_path, Limits(snapshot_count=10, catch_up_entries=3))
    assert not one.is_long(await write(one, 9, 0))
    last = await write(one, 1, 0)
    assert one.is_long(last)
    one.cut((last, 1), FOUNDERS)
    assert (one.storage.first_index(), one.storage.last_index()) == (last - 2, last)
    assert not one.is_long(last)
    one.close()


async def test_a_log_of_large_entries_is_cut_to_half_of_its_limit(tmp_path: Path) -> None:
    one = journal(tmp_path, Limits(log_bytes=10_000))
    last = await write(one, 9, 1000)
    assert not one.is_long(last)
    last = await write(one, 1, 1000)
    assert one.is_long(last)
    one.cut((last, 1), FOUNDERS)
    assert one.storage.first_index() == last - 3
    assert 4 * 1000 < one.storage.size_bytes <= 5000
    one.close()


async def test_what_the_backend_has_not_on_disk_stays_whatever_its_size(tmp_path: Path) -> None:
    one = journal(tmp_path, Limits(log_bytes=1000))
    last = await write(one, 10, 1000)
    one.cut((1, 1), FOUNDERS)
    assert one.storage.first_index() == FIRST
    one.cut((4, 1), FOUNDERS)
    assert (one.storage.first_index(), one.storage.last_index()) == (5, last)
    assert one.is_long(last)
    one.close()
