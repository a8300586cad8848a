"""Shell: the rows on disk, in LMDB; one worker thread owns every write transaction.

    put, delete --> active overlay --(cut)--> flushing overlay --(worker thread: one synced commit)--> LMDB
    get, scan   <-- active, then flushing, then a read transaction renewed after each commit

A batch is cut about every 100 ms, always between two applied entries, so each commit holds whole entries
and the applied index they end at. Nobody waits for it: what is acknowledged stands in the WAL, which is
replayed from the last durable applied index.

Invariants: one overlay at most is being flushed; the overlay is dropped in the same step that renews the
reader.
Absent: the decision what may be forgotten of the WAL (node.py asks `durable`).
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import count, groupby
from operator import itemgetter
from pathlib import Path
from time import perf_counter
from typing import Any

import lmdb

from etcdlite.mvcc import long_keys
from etcdlite.mvcc.backend import BUCKETS, BucketRow, Prepared, Row, SnapshotGone
from etcdlite.mvcc.overlay import Overlay, present
from etcdlite.stats import DEFRAG_BOUNDS, DISK_BOUNDS, Histogram
from etcdlite.worker import Worker

FLUSH_INTERVAL_SECONDS = 0.1  # etcd's batch interval: what a restart has to replay at most
FLUSH_ROW_COUNT = 10_000  # etcd's batch limit: flush earlier than the interval
RESTORE_ROW_COUNT, RESTORE_BYTES = 10_000, 8 << 20  # of one transaction while a snapshot is restored
MAP_SLACK_BYTES = 1 << 30  # the map beyond twice the quota: free pages, and rows the quota does not refuse


class LmdbBackend:
    """A backend in one LMDB file. `run` must be running; an error it raises means the disk failed."""

    def __init__(self, path: Path, quota_bytes: int) -> None:
        self._path = path
        self._map_size_bytes = 2 * quota_bytes + MAP_SLACK_BYTES
        self._worker = Worker("backend")
        self._preparer = Worker("snapshot")  # which takes long: flushes need not wait for it
        self._numbers = count()
        self.commit_seconds = Histogram(DISK_BOUNDS)
        self.defragment_seconds = Histogram(DEFRAG_BOUNDS)
        self.is_defragmenting = False
        self._active = Overlay()
        self._flushing: Overlay | None = None
        self._dirty = asyncio.Event()
        self._flush_lock = asyncio.Lock()
        for left_over in path.parent.glob(f"{path.name}.fresh*"):
            left_over.unlink()
        self._open()

    def _open(self) -> None:
        self._env, self._dbs = _open(self._path, self._map_size_bytes)
        self._read_anew()

    def _read_anew(self) -> None:
        self._reader = self._env.begin()
        self.size_bytes = _size_bytes(self._env)

    # ---- rows

    def get(self, bucket: str, key: bytes) -> bytes | None:
        for overlay in (self._active, self._flushing):
            if overlay is not None and key in overlay.buckets[bucket]:
                value: bytes | None = overlay.buckets[bucket][key]
                return value
        return self.durable(bucket, key)

    def durable(self, bucket: str, key: bytes) -> bytes | None:
        """The row as it is on disk."""
        return _get(self._reader, self._dbs[bucket], key)

    def scan(
        self, bucket: str, start: bytes = b"", end: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[Row]:
        if end is not None and end <= start:
            return iter(())
        rows: Iterator[Any] = _scan(self._reader, self._dbs[bucket], start, end, reverse)
        merged = rows
        for overlay in (self._flushing, self._active):
            if overlay is not None:
                merged = overlay.over(merged, bucket, start, end, reverse)
        return rows if merged is rows else present(merged)

    def put(self, bucket: str, key: bytes, value: bytes) -> None:
        self._active.buckets[bucket][key] = value
        self._dirty.set()

    def delete(self, bucket: str, key: bytes) -> None:
        self._active.buckets[bucket][key] = None
        self._dirty.set()

    # ---- the disk

    async def run(self) -> None:
        """Flush what is written, in batches, until cancelled."""
        while True:
            await self._dirty.wait()
            deadline = asyncio.get_running_loop().time() + FLUSH_INTERVAL_SECONDS
            while self._active.row_count < FLUSH_ROW_COUNT:
                remaining = deadline - asyncio.get_running_loop().time()
                if remaining <= 0:
                    break
                await asyncio.sleep(min(remaining, FLUSH_INTERVAL_SECONDS / 4))
            await self.flush()

    async def flush(self) -> None:
        """Bring everything written so far to disk, whoever gives up waiting."""
        await asyncio.shield(self._flush())

    async def _flush(self) -> None:
        async with self._flush_lock:
            await self._flush_locked()

    async def _flush_locked(self) -> None:
        if self._dirty.is_set():
            await self._worker.do(self._write, self._cut())
            self._landed()

    def _cut(self) -> Overlay:
        assert self._flushing is None, "one batch at a time"
        self._flushing, self._active = self._active, Overlay()
        self._dirty.clear()
        return self._flushing

    def _landed(self) -> None:
        self._reader.abort()
        self._read_anew()
        self._flushing = None

    def _write(self, batch: Overlay) -> None:
        """Worker thread: one batch, one synced commit."""
        started_at = perf_counter()
        with self._env.begin(write=True) as txn:
            for bucket, rows in batch.buckets.items():
                _write_rows(txn, self._dbs[bucket], rows)
        self.commit_seconds.observe(perf_counter() - started_at)

    def close(self) -> None:
        """Flush the rest and let go of the file."""
        self._worker.stop()
        self._preparer.stop()
        if self._flushing is not None:
            self._landed()
        if self._dirty.is_set():
            self._write(self._cut())
        self._reader.abort()
        self._env.close()

    @property
    def size_in_use_bytes(self) -> int:
        page_size_bytes = int(self._env.stat()["psize"])
        return sum(_pages(self._reader.stat(db)) for db in self._dbs.values()) * page_size_bytes

    # ---- snapshots

    def snapshot(self) -> LmdbSnapshot:
        return LmdbSnapshot(self._env.begin(), self._dbs)

    async def restore(self, rows: Iterable[BucketRow]) -> None:
        await self.adopt(await self.prepare(rows))

    async def prepare(self, rows: Iterable[BucketRow]) -> Prepared:
        """Write the rows to a file of their own."""
        fresh = self._fresh()
        await self._make(self._preparer, fresh, _fill, fresh, self._map_size_bytes, rows)
        return fresh

    async def adopt(self, prepared: Prepared) -> None:
        async with self._flush_lock:
            self._active = Overlay()
            self._dirty.clear()
            await self._replace(prepared)

    def discard(self, prepared: Prepared) -> None:
        prepared.unlink()

    async def defragment(self) -> None:
        """Copy the rows into a file without holes and put it in this one's place; writes may go on.

        OSError if there is no room for the copy: then everything is as before.
        """
        started_at = perf_counter()
        self.is_defragmenting = True
        try:
            async with self._flush_lock:
                await self._flush_locked()
                fresh = self._fresh()
                await self._make(self._worker, fresh, _copy, self._env, fresh)
                await self._replace(fresh)
        finally:
            self.is_defragmenting = False
        self.defragment_seconds.observe(perf_counter() - started_at)

    def _fresh(self) -> Path:
        return self._path.with_name(f"{self._path.name}.fresh{next(self._numbers)}")

    async def _make(self, worker: Worker, path: Path, *work: Any) -> None:
        """Have a file made; where that fails nothing of it stays."""
        try:
            await worker.do(*work)
        except BaseException as error:
            _remove(path)
            if isinstance(error, lmdb.Error):
                raise OSError(errno.EIO, f"{path}: {error}") from error
            raise

    async def _replace(self, fresh: Path) -> None:
        """Put the fresh file in the place of this one, in one step that outlasts a power cut."""
        self._reader.abort()
        self._env.close()
        os.replace(fresh, self._path)
        self._open()
        await self._worker.do(_sync, self._path.parent)


class LmdbSnapshot:
    """A read transaction of its own over the durable rows; usable from one thread at a time."""

    def __init__(self, txn: Any, dbs: dict[str, Any]) -> None:
        self._txn = txn
        self._dbs = dbs

    def get(self, bucket: str, key: bytes) -> bytes | None:
        return _get(self._txn, self._dbs[bucket], key)

    def rows(self) -> Iterator[BucketRow]:
        try:
            for bucket, db in self._dbs.items():
                for key, value in _scan(self._txn, db, b"", None, reverse=False):
                    yield bucket, key, value
        except lmdb.Error as error:  # defragmented, or another snapshot took its place
            raise SnapshotGone(str(error)) from error

    def close(self) -> None:
        self._txn.abort()


def _open(path: Path, map_size_bytes: int, *, sync: bool = True) -> tuple[Any, dict[str, Any]]:
    env = lmdb.open(
        str(path), map_size=map_size_bytes, subdir=False, max_dbs=len(BUCKETS), max_readers=126, sync=sync
    )
    with env.begin(write=True) as txn:
        return env, {bucket: env.open_db(bucket.encode(), txn) for bucket in BUCKETS}


def _lock_file(path: Path) -> Path:
    return path.with_name(path.name + "-lock")


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _lock_file(path).unlink(missing_ok=True)


def _copy(env: Any, path: Path) -> None:
    """Worker thread: the rows of an environment in a file without holes, on disk."""
    path.unlink(missing_ok=True)
    env.copy(str(path), compact=True)
    _sync(path)


def _fill(path: Path, map_size_bytes: int, rows: Iterable[BucketRow]) -> None:
    """Worker thread: a new file with exactly these rows."""
    path.unlink(missing_ok=True)
    env, dbs = _open(path, map_size_bytes, sync=False)
    with closing(env):
        for part in _parts(rows):
            with env.begin(write=True) as txn:
                for bucket, found in groupby(part, key=itemgetter(0)):
                    _write_rows(txn, dbs[bucket], {key: value for _, key, value in found})
        env.sync(True)
    _lock_file(path).unlink()


def _parts(rows: Iterable[BucketRow]) -> Iterator[list[BucketRow]]:
    """The rows in lists that bear being written at once."""
    part: list[BucketRow] = []
    size_bytes = 0
    for row in rows:
        part.append(row)
        size_bytes += len(row[1]) + len(row[2])
        if len(part) >= RESTORE_ROW_COUNT or size_bytes >= RESTORE_BYTES:
            yield part
            part, size_bytes = [], 0
    yield part


def _sync(path: Path) -> None:
    """Worker thread: make a file, or the names in a folder, outlast a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _get(txn: Any, db: Any, key: bytes) -> bytes | None:
    row: bytes | None = txn.get(long_keys.stored(key), db=db) if key else None
    if row is None or not long_keys.is_long(key):
        return row
    return dict(long_keys.rows_of(long_keys.stored(key), row)).get(key)


def _scan(txn: Any, db: Any, start: bytes, end: bytes | None, reverse: bool) -> Iterator[Row]:
    """The rows of [start, end) with groups of long keys opened up."""
    cursor = txn.cursor(db)
    if reverse:
        at_end = cursor.last() if end is None or not cursor.set_range(long_keys.stored(end)) else True
        rows = cursor.iterprev() if at_end else iter(())
    else:
        rows = cursor.iternext() if cursor.set_range(long_keys.stored(start)) else iter(())
    for key, value in rows:
        opened = long_keys.rows_of(key, value) if long_keys.is_group(key) else ((key, value),)
        for row in reversed(opened) if reverse else opened:
            if start <= row[0] and (end is None or row[0] < end):
                yield row
            elif (row[0] < start) if reverse else (row[0] >= start):
                return


def _write_rows(txn: Any, db: Any, rows: dict[bytes, bytes | None]) -> None:
    """Put or delete the rows, which come in the order of their keys."""
    plain = []
    for key, value in rows.items():
        assert key, "a row without a key"
        if long_keys.is_long(key):
            group_key = long_keys.stored(key)
            group = long_keys.changed(group_key, txn.get(group_key, b"", db=db), key, value)
            if group:
                txn.put(group_key, group, db=db)
            else:
                txn.delete(group_key, db=db)
        elif value is None:
            txn.delete(key, db=db)
        else:
            plain.append((key, value))
    if plain:
        txn.cursor(db).putmulti(plain)


def _size_bytes(env: Any) -> int:
    return int((env.info()["last_pgno"] + 1) * env.stat()["psize"])


def _pages(stat: dict[str, int]) -> int:
    return stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]
