"""Rows as bytes: what was written comes back, and nothing else does."""

from __future__ import annotations

import hashlib
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdlite import rows
from etcdlite.mvcc.backend import BUCKETS, KEY
from etcdlite.rows import RowsDamaged

ROWS = st.lists(st.tuples(st.sampled_from(BUCKETS), st.binary(), st.binary()), max_size=8)


def encoded(found) -> bytes:
    return b"".join(rows.chunks(found))


def read(data: bytes, digest: bytes):
    return list(rows.read(BytesIO(data), len(data), digest))


@given(ROWS)
def test_rows_come_back(found):
    data = encoded(found)
    assert read(data, hashlib.sha256(data).digest()) == found


@given(ROWS.filter(bool), st.data())
def test_whatever_changes_is_noticed(found, draw):
    data = encoded(found)
    digest = hashlib.sha256(data).digest()
    at = draw.draw(st.integers(0, len(data) - 1))
    bit = 1 << draw.draw(st.integers(0, 7))
    with pytest.raises(RowsDamaged):
        read(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :], digest)
    with pytest.raises(RowsDamaged):
        read(data[:at], digest)


def test_chunks_are_bounded_and_the_same_every_time():
    found = [(KEY, b"%04d" % number, bytes(1000)) for number in range(1000)]
    first = list(rows.chunks(found))
    assert list(rows.chunks(found)) == first
    assert max(map(len, first)) < rows.CHUNK_BYTES + 5000
    assert len(first) > 3
