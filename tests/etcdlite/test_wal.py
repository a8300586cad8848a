"""The write-ahead log: what was saved comes back, a torn tail is cut, damage is named."""

from __future__ import annotations

import os
import shutil
from itertools import count
from pathlib import Path

import pytest

from etcdlite import wal as wal_files
from etcdlite.raft.messages import ConfState, Entry, HardState, SnapshotMetadata
from etcdlite.wal import Identity, Wal, WalDamaged, open_wal, segment_path

IDENTITY = Identity(7, 11)
MARK = SnapshotMetadata(1, 1, ConfState((11, 12, 13)))
BEGIN = HardState(1, 0, 1)


def entries(first: int, last: int, term: int = 2) -> list[Entry]:
    return [Entry(term, index, data=b"entry %d" % index) for index in range(first, last + 1)]


def new(folder, **options) -> Wal:
    return Wal.create(folder, IDENTITY, BEGIN, MARK, **options)


def reopened(folder):
    wal, contents = open_wal(folder)
    wal.close()
    return contents


def test_what_was_saved_comes_back(tmp_path):
    wal = new(tmp_path)
    wal.save(HardState(2, 12, 1), entries(2, 4))
    wal.save(HardState(2, 12, 3), [])
    wal.close()
    contents = reopened(tmp_path)
    assert contents.identity == IDENTITY
    assert contents.snapshot == MARK
    assert contents.hard_state == HardState(2, 12, 3)
    assert contents.entries == entries(2, 4)


def test_a_later_entry_replaces_all_from_its_index(tmp_path):
    wal = new(tmp_path)
    wal.save(None, entries(2, 9))
    wal.save(None, entries(5, 6, term=3))
    wal.close()
    assert reopened(tmp_path).entries == entries(2, 4) + entries(5, 6, term=3)


def test_an_opened_log_goes_on(tmp_path):
    wal = new(tmp_path)
    wal.save(None, entries(2, 3))
    wal.close()
    wal, _ = open_wal(tmp_path)
    wal.save(None, entries(4, 5))
    wal.close()
    assert reopened(tmp_path).entries == entries(2, 5)


def test_a_snapshot_of_the_leader_replaces_a_log_that_differs(tmp_path):
    wal = new(tmp_path)
    wal.save(None, entries(2, 9))
    wal.save(HardState(5, 0, 6), (), SnapshotMetadata(6, 5, MARK.conf_state))
    wal.close()
    assert reopened(tmp_path).entries == []


def test_our_own_snapshot_mark_keeps_what_follows_it(tmp_path):
    wal = new(tmp_path)
    wal.save(None, entries(2, 9))
    wal.save(None, (), SnapshotMetadata(6, 2, MARK.conf_state))
    wal.close()
    contents = reopened(tmp_path)
    assert contents.snapshot.index == 6
    assert contents.entries == entries(2, 9)


def test_segments_are_released_once_nothing_in_them_is_needed(tmp_path):
    wal = new(tmp_path, segment_bytes=200)
    for index in range(2, 40):
        wal.save(None, entries(index, index))
    count = len(list(tmp_path.iterdir()))
    assert count > 5
    wal.save(None, (), SnapshotMetadata(30, 2, MARK.conf_state))
    wal.release(20)
    wal.close()
    assert 2 < len(list(tmp_path.iterdir())) < count
    contents = reopened(tmp_path)
    assert contents.entries[0].index <= 21
    assert contents.entries == entries(contents.entries[0].index, 39)
    assert contents.hard_state == BEGIN
    assert contents.snapshot.index == 30


def test_release_goes_on_after_a_restart(tmp_path):
    wal = new(tmp_path, segment_bytes=200)
    for index in range(2, 20):
        wal.save(None, entries(index, index))
    wal.close()
    wal, _ = open_wal(tmp_path)
    before = len(list(tmp_path.iterdir()))
    wal.release(10)
    wal.close()
    assert len(list(tmp_path.iterdir())) < before
    assert reopened(tmp_path).entries[0].index <= 11


def test_a_missing_segment_is_noticed(tmp_path):
    wal = new(tmp_path, segment_bytes=100)
    for index in range(2, 9):
        wal.save(None, entries(index, index))
    wal.close()
    segment_path(tmp_path, 2).unlink()
    with pytest.raises(WalDamaged, match="missing"):
        open_wal(tmp_path)


@pytest.fixture
def small(tmp_path):
    """A log of five entries in one file, and where each record of it ends."""
    folder = tmp_path / "small"
    wal = new(folder)
    path = segment_path(folder, 1)
    ends = [path.stat().st_size]
    for index in range(2, 7):
        wal.save(None, entries(index, index))
        ends.append(path.stat().st_size)
    wal.close()
    return folder, path, ends


def test_every_truncation_leaves_whole_entries(small):
    """Wherever the file ends: what is whole comes back, the rest is cut off, and the log goes on."""
    folder, path, ends = small
    whole = path.read_bytes()
    for size in range(ends[0], len(whole)):
        path.write_bytes(whole[:size])
        survivors = sum(end <= size for end in ends) - 1
        wal, contents = open_wal(folder)
        assert contents.entries == entries(2, 1 + survivors), size
        assert path.stat().st_size == ends[survivors]
        wal.save(None, entries(2 + survivors, 2 + survivors, term=9), sync=False)
        wal.close()
        assert reopened(folder).entries[-1].term == 9


def test_every_flipped_bit_is_noticed_and_named(small):
    """A flipped bit is no torn write, not even in the last record: the log is refused."""
    folder, path, ends = small
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :])
        with pytest.raises(WalDamaged) as caught:
            open_wal(folder)
        assert str(path) in str(caught.value)
        assert (
            f"offset {max((end for end in ends if end <= at), default=0)}" in str(caught.value)
            or at < ends[0]
        )


def test_a_file_that_grew_before_its_data_came_is_cut(small):
    folder, path, ends = small
    with path.open("ab") as file:
        file.write(bytes(3000))
    assert reopened(folder).entries == entries(2, 6)
    assert path.stat().st_size == ends[-1]


def test_a_big_record_of_which_a_sector_is_missing_is_cut(small):
    folder, path, ends = small
    wal, _ = open_wal(folder)
    wal.save(None, [Entry(2, 7, data=b"x" * 4000)])
    wal.close()
    data = bytearray(path.read_bytes())
    sector = (ends[-1] // 512 + 3) * 512
    data[sector : sector + 512] = bytes(512)
    path.write_bytes(data)
    assert reopened(folder).entries == entries(2, 6)


def test_zeros_before_a_sound_record_are_damage(small):
    folder, path, ends = small
    wal, _ = open_wal(folder)
    wal.save(None, [Entry(2, 7, data=b"x" * 4000)])
    wal.save(None, entries(8, 8))
    wal.close()
    data = bytearray(path.read_bytes())
    sector = (ends[-1] // 512 + 3) * 512
    data[sector : sector + 512] = bytes(512)
    path.write_bytes(data)
    with pytest.raises(WalDamaged, match=f"offset {ends[-1]}"):
        open_wal(folder)


def test_only_the_last_segment_may_be_torn(tmp_path):
    wal = new(tmp_path, segment_bytes=100)
    for index in range(2, 9):
        wal.save(None, entries(index, index))
    wal.close()
    first = segment_path(tmp_path, 1)
    first.write_bytes(first.read_bytes()[:-1])
    with pytest.raises(WalDamaged, match="cut short"):
        open_wal(tmp_path)


def test_no_log_is_said(tmp_path):
    assert not wal_files.exists(tmp_path)
    with pytest.raises(WalDamaged, match="no segment"):
        open_wal(tmp_path)


def test_a_segment_half_made_is_ignored(small):
    folder, path, _ = small
    shutil.copy(path, path.with_suffix(".new"))
    assert reopened(folder).entries == entries(2, 6)


class Killed(BaseException):
    """The process ends here, as kill -9 would end it."""


@pytest.mark.parametrize("is_half_written", [False, True])
def test_what_was_saved_survives_a_kill_at_every_step_on_the_disk(tmp_path, monkeypatch, is_half_written):
    """Every system call of a life with segments, cuts and releases is in turn the last one."""
    calls = {name: getattr(os, name) for name in ("write", "fsync", "fdatasync", "open")}
    replace, unlink = Path.replace, Path.unlink
    left = 0

    def step(call, *arguments):
        nonlocal left
        left -= 1
        if left < 0:
            if is_half_written and call is calls["write"]:
                call(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
            raise Killed
        return call(*arguments)

    for name, call in calls.items():
        monkeypatch.setattr(os, name, lambda *a, call=call: step(call, *a))
    monkeypatch.setattr(Path, "replace", lambda *a: step(replace, *a))
    monkeypatch.setattr(Path, "unlink", lambda *a, **_: step(unlink, *a))

    def live(folder, saved: list[int]) -> None:
        wal = new(folder, segment_bytes=300)
        saved.append(1)
        for index in range(2, 30):
            wal.save(HardState(2, 11, index - 1), entries(index, index))
            saved.append(index)
            if index % 7 == 0:
                wal.save(None, (), SnapshotMetadata(index - 3, 2, MARK.conf_state), sync=False)
                wal.release(index - 5)

    for steps in count():
        folder, saved = tmp_path / str(steps), []
        left = steps
        try:
            live(folder, saved)
            break
        except Killed:
            left = 1 << 30
        if not wal_files.exists(folder):
            assert not saved
            continue
        wal, contents = open_wal(folder)
        last = contents.entries[-1].index if contents.entries else 1
        assert last >= max(saved, default=1), f"killed at step {steps}"
        assert contents.hard_state.commit >= max(saved, default=2) - 1
        assert contents.identity == IDENTITY
        wal.save(None, entries(last + 1, last + 1))
    assert steps > 100
