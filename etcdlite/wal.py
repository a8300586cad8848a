"""Shell: the write-ahead log: what Raft was promised to remember, in files that are only ever appended to.

    segment file = record*      record = length, kind, crc of the payload, crc of these three | payload
    kinds: IDENTITY (whose log this is, and its format), HARD_STATE, ENTRY,
           SNAPSHOT (the state machine holds all up to here)

A segment begins with identity, newest snapshot mark and hard state, so the ones before it can be deleted as
soon as no entry in them is needed. One `save` is one write and one fdatasync, however many records.

A crash can leave the last write half done. Such a tail was never acknowledged and is cut at open: a record
that runs past the end of the file, or one with a sector of zeros (the file grew before its data came) and no
sound record after it. Any other record that contradicts its crc was damaged later, and the log is refused
with file and offset.

Invariants: an entry is acknowledged only after its save returned; an entry replaces those at its index and
after it.
Absent: threads (the node calls `save` from a worker), the entries themselves after `open`.
After: etcd server/storage/wal.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from time import perf_counter

from etcdlite import codec
from etcdlite.mvcc.format import encode_format, refuse_format
from etcdlite.raft.messages import Entry, HardState, SnapshotMetadata
from etcdlite.stats import DISK_BOUNDS, Histogram

SEGMENT_BYTES = 64 << 20
SECTOR_BYTES = 512
HEAD = struct.Struct("<IIII")


class WalDamaged(Exception):
    """The log cannot be trusted; the text names file and offset."""


class WalTooNew(Exception):
    """A newer release wrote the log; the text says which."""


class Kind(IntEnum):
    """What a record holds."""

    IDENTITY = 1
    HARD_STATE = 2
    ENTRY = 3
    SNAPSHOT = 4


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose log this is."""

    cluster_id: int
    member_id: int


@dataclass(slots=True)
class Contents:
    """What a log says, all segments together; `entries` begin at the oldest one still there."""

    identity: Identity | None = None
    hard_state: HardState = field(default_factory=HardState)
    snapshot: SnapshotMetadata = field(default_factory=SnapshotMetadata)
    entries: list[Entry] = field(default_factory=list)

    def take(self, kind: Kind, payload: bytes) -> None:
        """One more record."""
        if kind is Kind.IDENTITY:
            self.identity = _decode_identity(payload)
        elif kind is Kind.HARD_STATE:
            self.hard_state = codec.decode_hard_state(payload)
        elif kind is Kind.SNAPSHOT:
            self.snapshot = codec.decode_snapshot_metadata(payload)
            self._drop_contradicting(self.snapshot)
        else:
            self._replace_from(codec.decode_entry(payload))

    def _drop_contradicting(self, snapshot: SnapshotMetadata) -> None:
        """A snapshot of the leader replaces a log that does not contain its last entry."""
        if self.entries and snapshot.index >= self.entries[0].index:
            at = snapshot.index - self.entries[0].index
            if at >= len(self.entries) or self.entries[at].term != snapshot.term:
                self.entries.clear()

    def _replace_from(self, entry: Entry) -> None:
        if self.entries:
            kept = entry.index - self.entries[0].index
            if not 0 <= kept <= len(self.entries):
                raise WalDamaged(f"entry {entry.index} does not follow entry {self.entries[-1].index}")
            del self.entries[kept:]
        self.entries.append(entry)


IDENTITY = struct.Struct("<QQ")


def _encode_identity(identity: Identity) -> bytes:
    return IDENTITY.pack(identity.cluster_id, identity.member_id) + encode_format()


def _decode_identity(payload: bytes) -> Identity:
    problem = refuse_format(payload[IDENTITY.size :] or None)
    if problem:
        raise WalTooNew(problem)
    return Identity(*IDENTITY.unpack_from(payload))


def encode_record(kind: Kind, payload: bytes) -> bytes:
    """A record with its checksums."""
    head = struct.pack("<III", len(payload), kind, zlib.crc32(payload))
    return head + zlib.crc32(head).to_bytes(4, "little") + payload


class Wal:
    """An open log at its end. Make one with `create` or `open_wal`."""

    def __init__(self, folder: Path, identity: Identity, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._identity = identity
        self._segment_bytes = segment_bytes
        self._hard_state = HardState()
        self._snapshot = SnapshotMetadata()
        self._last_index = 0
        self._last_index_of: dict[int, int] = {}  # closed segment's number -> last index it may hold
        self.sync_seconds = Histogram(DISK_BOUNDS)
        self.written_bytes = 0
        self._number = 0
        self._file = -1
        self._size = 0

    @classmethod
    def create(
        cls,
        folder: Path,
        identity: Identity,
        hard_state: HardState,
        snapshot: SnapshotMetadata,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> Wal:
        """Begin a log whose first entry will follow the snapshot."""
        folder.mkdir(parents=True, exist_ok=True)
        wal = cls(folder, identity, segment_bytes)
        wal._hard_state, wal._snapshot, wal._last_index = hard_state, snapshot, snapshot.index
        wal._begin_segment(1)
        return wal

    def save(
        self,
        hard_state: HardState | None,
        entries: Sequence[Entry],
        snapshot: SnapshotMetadata | None = None,
        *,
        sync: bool = True,
    ) -> None:
        """Append, and return when it is on the disk. Blocks: call it from a worker thread."""
        records = []
        if snapshot is not None:
            self._snapshot = snapshot
            self._last_index = max(self._last_index, snapshot.index)
            records.append(encode_record(Kind.SNAPSHOT, codec.encode_snapshot_metadata(snapshot)))
        records.extend(encode_record(Kind.ENTRY, codec.encode_entry(entry)) for entry in entries)
        if entries:
            self._last_index = max(self._last_index, entries[-1].index)
        if hard_state is not None:
            self._hard_state = hard_state
            records.append(encode_record(Kind.HARD_STATE, codec.encode_hard_state(hard_state)))
        self._append(b"".join(records))
        if sync:
            started_at = perf_counter()
            os.fdatasync(self._file)
            self.sync_seconds.observe(perf_counter() - started_at)
        if self._size >= self._segment_bytes:
            self.roll()

    def release(self, index: int) -> None:
        """Delete the segments of which no entry after `index` needs to be read again."""
        for number, last_index in sorted(self._last_index_of.items()):
            if last_index > index:
                break
            segment_path(self._folder, number).unlink()
            del self._last_index_of[number]

    def roll(self) -> None:
        """Begin a new segment, so that the present one can be released, too."""
        os.fdatasync(self._file)
        self._last_index_of[self._number] = self._last_index
        self._begin_segment(self._number + 1)

    def close(self) -> None:
        """Let go of the file; what was saved stays saved."""
        os.close(self._file)

    def _append(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]
        self._size += len(data)
        self.written_bytes += len(data)

    def _begin_segment(self, number: int) -> None:
        """Make the next file under another name, then rename: a segment is whole from its first moment."""
        path = segment_path(self._folder, number)
        fresh = path.with_suffix(".new")
        head = encode_record(Kind.IDENTITY, _encode_identity(self._identity))
        head += encode_record(Kind.SNAPSHOT, codec.encode_snapshot_metadata(self._snapshot))
        head += encode_record(Kind.HARD_STATE, codec.encode_hard_state(self._hard_state))
        if self._file >= 0:
            os.close(self._file)
        self._file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        self._number, self._size = number, 0
        self._append(head)
        os.fsync(self._file)
        fresh.replace(path)
        sync_folder(self._folder)

    def _continue(self, segments: list[tuple[int, int]], contents: Contents) -> None:
        """Go on at the end of the last segment read; each comes with the last index up to its end."""
        self._hard_state, self._snapshot = contents.hard_state, contents.snapshot
        *closed, (self._number, self._last_index) = segments
        self._last_index_of = dict(closed)
        path = segment_path(self._folder, self._number)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND)
        self._size = path.stat().st_size


def open_wal(folder: Path, segment_bytes: int = SEGMENT_BYTES) -> tuple[Wal, Contents]:
    """Read the whole log, cut a torn tail, and go on after it."""
    numbers = sorted(int(path.stem) for path in folder.glob("*.wal"))
    if not numbers:
        raise WalDamaged(f"{folder}: no segment of a write-ahead log here")
    if numbers != list(range(numbers[0], numbers[-1] + 1)):
        raise WalDamaged(f"{folder}: a segment between {numbers[0]} and {numbers[-1]} is missing")
    contents, segments = Contents(), []
    highest = 0
    for number in numbers:
        path = segment_path(folder, number)
        is_last = number == numbers[-1]
        for kind, payload in read_segment(path, may_be_torn=is_last):
            contents.take(kind, payload)
            if kind is Kind.ENTRY:
                highest = max(highest, contents.entries[-1].index)
        highest = max(highest, contents.snapshot.index)
        segments.append((number, highest))
    if contents.identity is None:
        raise WalDamaged(f"{folder}: the log does not say whose it is")
    wal = Wal(folder, contents.identity, segment_bytes)
    wal._continue(segments, contents)
    return wal, contents


def exists(folder: Path) -> bool:
    """Whether a log was begun here."""
    return any(folder.glob("*.wal"))


def segment_path(folder: Path, number: int) -> Path:
    """The file of a segment."""
    return folder / f"{number:016d}.wal"


def sync_folder(folder: Path) -> None:
    """Make names created in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_segment(path: Path, *, may_be_torn: bool) -> Iterator[tuple[Kind, bytes]]:
    """The records of one file; a torn tail is cut off it, if there may be one."""
    data = path.read_bytes()
    at = 0
    while at < len(data):
        problem, end, is_torn = _check(data, at)
        if problem:
            if not (may_be_torn and is_torn):
                raise WalDamaged(f"{path}: damaged at offset {at}: {problem}")
            _cut(path, at)
            return
        kind = Kind(HEAD.unpack_from(data, at)[1])
        yield kind, data[at + HEAD.size : end]
        at = end


def _check(data: bytes, at: int) -> tuple[str, int, bool]:
    """What is wrong with the record at an offset ("" if nothing), its end, whether a crash explains it."""
    if len(data) - at < HEAD.size:
        return "the record's head is cut short", len(data), True
    length, kind, payload_crc, head_crc = HEAD.unpack_from(data, at)
    if zlib.crc32(data[at : at + HEAD.size - 4]) != head_crc:
        return (
            "the record's head contradicts its checksum",
            len(data),
            _has_zero_sector(data, at, at + HEAD.size),
        )
    end = at + HEAD.size + length
    if end > len(data):
        return "the record is cut short", len(data), True
    if zlib.crc32(data[at + HEAD.size : end]) != payload_crc:
        is_torn = _has_zero_sector(data, at, end) and (end == len(data) or bool(_check(data, end)[0]))
        return "the record contradicts its checksum", end, is_torn
    if kind not in Kind._value2member_map_:
        return f"a record of unknown kind {kind}", end, False
    return "", end, False


def _has_zero_sector(data: bytes, start: int, end: int) -> bool:
    """Whether some sector's part of [start, end) is all zero: it grew the file but was never written."""
    while start < end:
        sector_end = min(end, (start // SECTOR_BYTES + 1) * SECTOR_BYTES)
        if not any(data[start:sector_end]):
            return True
        start = sector_end
    return False


def _cut(path: Path, size: int) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.ftruncate(descriptor, size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
