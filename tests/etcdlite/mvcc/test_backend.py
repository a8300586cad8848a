"""The contract of a backend, kept by the disk and by its twin alike."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdlite.mvcc import long_keys
from etcdlite.mvcc.backend import BUCKETS, INDEX, KEY, META, Backend, MemoryBackend
from etcdlite.mvcc.backend_lmdb import LmdbBackend


@pytest.fixture(params=["memory", "lmdb"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    if request.param == "memory":
        yield MemoryBackend()
    else:
        lmdb = LmdbBackend(tmp_path / "state.lmdb", quota_bytes=1 << 20)
        yield lmdb
        lmdb.close()


async def spread(backend: Backend) -> None:
    """Rows in each place a row can be: on disk, overwritten, deleted, only in memory."""
    for key in (b"a", b"b", b"c", b"e"):
        backend.put(INDEX, key, b"old")
    await backend.flush()
    backend.put(INDEX, b"b", b"new")
    backend.delete(INDEX, b"c")
    backend.put(INDEX, b"d", b"new")


EXPECTED = [(b"a", b"old"), (b"b", b"new"), (b"d", b"new"), (b"e", b"old")]


async def test_reads_see_the_newest_write_wherever_it_is(backend: Backend) -> None:
    await spread(backend)
    for _ in range(2):
        assert list(backend.scan(INDEX)) == EXPECTED
        assert list(backend.scan(INDEX, reverse=True)) == EXPECTED[::-1]
        assert list(backend.scan(INDEX, b"b", b"e")) == EXPECTED[1:3]
        assert list(backend.scan(INDEX, b"b", b"e", reverse=True)) == EXPECTED[2:0:-1]
        assert [backend.get(INDEX, key) for key in (b"a", b"b", b"c", b"d", b"x")] == [
            b"old",
            b"new",
            None,
            b"new",
            None,
        ]
        await backend.flush()


async def test_ranges_that_hold_nothing(backend: Backend) -> None:
    await spread(backend)
    assert not list(backend.scan(INDEX, b"b", b"b"))
    assert not list(backend.scan(INDEX, b"d", b"b"))
    assert not list(backend.scan(INDEX, b"f"))
    assert not list(backend.scan(KEY))


async def test_buckets_do_not_mix(backend: Backend) -> None:
    backend.put(INDEX, b"a", b"1")
    backend.put(KEY, b"a", b"2")
    await backend.flush()
    assert (backend.get(INDEX, b"a"), backend.get(KEY, b"a")) == (b"1", b"2")


async def test_a_snapshot_stays_as_it_was_and_restores(backend: Backend) -> None:
    await spread(backend)
    await backend.flush()
    snapshot = backend.snapshot()
    backend.put(INDEX, b"late", b"1")
    backend.delete(INDEX, b"a")
    await backend.flush()
    assert snapshot.get(INDEX, b"a") == b"old"
    rows = list(snapshot.rows())
    snapshot.close()
    assert rows == [(INDEX, key, value) for key, value in EXPECTED]
    await backend.restore(iter(rows))
    assert list(backend.scan(INDEX)) == EXPECTED
    backend.put(INDEX, b"late", b"2")
    await backend.flush()
    assert backend.durable(INDEX, b"late") == b"2"


async def test_defragmenting_keeps_every_row_and_frees_the_rest(backend: Backend) -> None:
    for i in range(1000):
        backend.put(KEY, b"%04d" % i, b"x" * 1000)
    await backend.flush()
    before = backend.size_bytes
    for i in range(990):
        backend.delete(KEY, b"%04d" % i)
    defragmenting = asyncio.create_task(backend.defragment())
    await asyncio.sleep(0)
    backend.put(KEY, b"meanwhile", b"")
    await defragmenting
    backend.put(KEY, b"later", b"")
    assert [key for key, _ in backend.scan(KEY)] == [
        *(b"%04d" % i for i in range(990, 1000)),
        b"later",
        b"meanwhile",
    ]
    await backend.flush()
    assert backend.size_bytes < before
    assert backend.durable(KEY, b"later") == b""


async def test_sizes_grow(backend: Backend) -> None:
    before = backend.size_in_use_bytes
    for i in range(100):
        backend.put(KEY, b"%03d" % i, b"x" * 1000)
    await backend.flush()
    assert backend.size_in_use_bytes >= before + 100_000
    assert backend.size_bytes >= backend.size_in_use_bytes


async def test_what_is_flushed_survives_and_the_rest_is_flushed_at_close(tmp_path: Path) -> None:
    path = tmp_path / "state.lmdb"
    lmdb = LmdbBackend(path, 1 << 20)
    lmdb.put(META, b"a", b"1")
    assert lmdb.durable(META, b"a") is None
    await lmdb.flush()
    assert lmdb.durable(META, b"a") == b"1"
    lmdb.put(META, b"b", b"2")
    lmdb.close()
    again = LmdbBackend(path, 1 << 20)
    assert list(again.scan(META)) == [(b"a", b"1"), (b"b", b"2")]
    again.close()


P = long_keys.PLAIN_SIZE_MAX
LONG = [
    b"k" * (P - 1),
    b"k" * P,
    b"k" * P + b"\0",
    b"k" * P + b"\0\0",
    b"k" * (P + 300),
    b"k" * (P - 1) + b"l",
]


async def test_keys_of_any_length_keep_their_order(backend: Backend) -> None:
    for key in LONG[::-1]:
        backend.put(INDEX, key, key[-3:])
    await backend.flush()
    backend.put(INDEX, LONG[3], b"new")
    backend.delete(INDEX, LONG[2])
    expected = [(key, b"new" if key is LONG[3] else key[-3:]) for key in LONG if key is not LONG[2]]
    for _ in range(2):
        assert list(backend.scan(INDEX)) == expected
        assert list(backend.scan(INDEX, reverse=True)) == expected[::-1]
        assert list(backend.scan(INDEX, LONG[3], LONG[4])) == [(LONG[3], b"new")]
        assert list(backend.scan(INDEX, LONG[2], LONG[5], reverse=True)) == expected[3:1:-1]
        assert backend.get(INDEX, LONG[2]) is None
        assert backend.get(INDEX, LONG[4]) == LONG[4][-3:]
        await backend.flush()
    for key in LONG:
        backend.delete(INDEX, key)
    await backend.flush()
    assert not list(backend.scan(INDEX))


@given(
    st.dictionaries(
        st.binary(min_size=1, max_size=4).map(lambda rest: b"p" * P + rest), st.binary(), max_size=8
    )
)
def test_a_group_of_long_keys_is_a_sorted_mapping(rows: dict[bytes, bytes]) -> None:
    group = b""
    for key, value in rows.items():
        group = long_keys.changed(long_keys.stored(key), group, key, value)
    assert long_keys.rows_of(b"p" * P + b"\0", group) == sorted(rows.items())
    for key in rows:
        group = long_keys.changed(long_keys.stored(key), group, key, None)
    assert group == b""


def test_every_bucket_is_known() -> None:
    assert len(set(BUCKETS)) == len(BUCKETS)
