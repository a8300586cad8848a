"""A state machine on its way to another member: damaged, cut off, resumed, of a newer release."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from random import Random

import pytest

from etcdlite import rows
from etcdlite.apply import APPLIED, POSITION
from etcdlite.mvcc.backend import KEY, META, MemoryBackend, SnapshotGone
from etcdlite.mvcc.backend_lmdb import LmdbBackend
from etcdlite.mvcc.format import FORMAT, FORMAT_KEY
from etcdlite.raft.messages import Message, MessageType, Snapshot, SnapshotMetadata
from etcdlite.snapshots import SnapshotRefused, Snapshots
from tests.etcdlite.test_transport import ME, OTHER, Node, pair  # noqa: F401 -- pair is a fixture
from tests.support.wait import until_async

ROW_COUNT = 400


class Wire:
    """A relay to a member: flips a bit after so many bytes, or ends the connection there."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.flip_at = self.cut_at = 1 << 40
        self.passed: list[int] = []  # bytes of each connection
        self.ends: list[asyncio.StreamWriter] = []
        self.tasks: list[asyncio.Task] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.append(asyncio.current_task())
        back_reader, forth = await asyncio.open_connection("127.0.0.1", self._port)
        self.ends += (writer, forth)
        back = asyncio.ensure_future(self._pump(back_reader, writer))
        number = len(self.passed)
        self.passed.append(0)
        while data := bytearray(await reader.read(65536)):
            at, self.passed[number] = self.passed[number], self.passed[number] + len(data)
            if at <= self.flip_at < at + len(data):
                data[self.flip_at - at] ^= 1
            if at + len(data) > self.cut_at:
                break
            forth.write(data)
            await forth.drain()
        forth.close()
        await asyncio.wait((back,))
        writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)


@asynccontextmanager
async def wire_to(node: Node):
    """A wire and its address."""
    wire = Wire(node.port)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    yield wire, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    for end in wire.ends:
        end.close()
    await asyncio.gather(*wire.tasks, return_exceptions=True)


def fill(node: Node) -> None:
    node.backend.put(META, APPLIED, POSITION.pack(9, 4))
    for number in range(ROW_COUNT):
        node.backend.put(KEY, b"%03d" % number, bytes(10_000))


def send(node: Node, index: int = 5) -> None:
    asked = Snapshot(SnapshotMetadata(index, 3, node.members.conf_state))
    node.transport.send([Message(MessageType.SNAP, to=OTHER, from_=ME, term=4, snapshot=asked)])


def all_rows(node: Node) -> dict:
    return {(bucket, key): value for bucket, key, value in node.backend.snapshot().rows()}


async def test_a_snapshot_damaged_on_the_way_is_refused_and_comes_whole_the_second_time(pair, tmp_path):  # noqa: F811
    me, other = pair
    fill(me)
    async with wire_to(other) as (wire, url):
        me.transport.set_members({OTHER: url})
        wire.flip_at = 2_000_000
        send(me)
        await until_async("the refusal", lambda: me.sent == [(OTHER, False)])
        assert not other.received
        assert list((tmp_path / str(OTHER)).iterdir()) == [], "nothing is kept of it"
        wire.flip_at = 1 << 40
        send(me)
        await until_async("the snapshot", lambda: len(me.sent) == 2)
        assert me.sent[1] == (OTHER, True)
        assert other.rows == all_rows(me)


async def test_a_snapshot_cut_off_goes_on_from_there(pair):  # noqa: F811
    me, other = pair
    fill(me)
    before = all_rows(me)
    async with wire_to(other) as (wire, url):
        me.transport.set_members({OTHER: url})
        wire.cut_at = 3_000_000
        send(me)
        await until_async("the failure", lambda: me.sent == [(OTHER, False)])
        wire.cut_at = 1 << 40
        me.backend.put(KEY, b"later", b"")
        me.backend.put(META, APPLIED, POSITION.pack(10, 4))
        send(me, index=9)
        await until_async("the snapshot", lambda: len(me.sent) == 2)
        assert me.sent[1] == (OTHER, True)
        assert other.rows == before, "the rows of the first transfer, for they are as new as asked"
        assert wire.passed[-1] < 2_000_000, "what was there was not sent again"


async def test_a_snapshot_cut_off_starts_over_when_newer_rows_are_asked_for(pair):  # noqa: F811
    me, other = pair
    fill(me)
    async with wire_to(other) as (wire, url):
        me.transport.set_members({OTHER: url})
        wire.cut_at = 3_000_000
        send(me)
        await until_async("the failure", lambda: me.sent == [(OTHER, False)])
        wire.cut_at = 1 << 40
        me.backend.put(KEY, b"later", b"")
        me.backend.put(META, APPLIED, POSITION.pack(10, 4))
        send(me, index=10)
        await until_async("the snapshot", lambda: len(me.sent) == 2)
        assert other.rows == all_rows(me)
        assert wire.passed[-1] > 4_000_000


async def received(files: Snapshots, source: Snapshots, message: Message):
    """Everything of a transfer but its end."""
    outgoing = source.outgoing(message)
    incoming = files.incoming(outgoing.head(message))
    async for chunk in outgoing.chunks(0):
        incoming.take(chunk)
    outgoing.close()
    return incoming


@pytest.fixture
def ends(tmp_path):
    """A sender and a receiver with real files, and what is asked for."""
    (tmp_path / "to").mkdir()
    node = Node(ME, tmp_path / "from")
    fill(node)
    backend = LmdbBackend(tmp_path / "to" / "db", quota_bytes=1 << 24)
    files = Snapshots(backend, tmp_path / "to" / "snapshots", Random(1))
    asked = Snapshot(SnapshotMetadata(5, 3, node.members.conf_state))
    yield node, files, Message(MessageType.SNAP, to=OTHER, from_=ME, term=4, snapshot=asked)
    backend.close()


async def test_a_file_damaged_on_disk_is_refused_before_it_replaces_anything(ends, tmp_path):
    node, files, message = ends
    files.backend.put(KEY, b"mine", b"1")
    incoming = await received(files, node.transport.snapshots, message)
    incoming.file.flush()
    data = bytearray(incoming.partial.path.read_bytes())
    data[-5] ^= 1
    incoming.partial.path.write_bytes(data)
    with pytest.raises(SnapshotRefused, match=r"0\.rows.*SHA-256"):
        await incoming.finish()
    incoming.close()
    assert sorted(path.name for path in (tmp_path / "to").glob("db*")) == ["db", "db-lock"]
    assert list((tmp_path / "to" / "snapshots").iterdir()) == []
    assert files.backend.get(KEY, b"mine") == b"1"


async def test_what_is_whole_is_put_in_place(ends, tmp_path):
    node, files, message = ends
    incoming = await received(files, node.transport.snapshots, message)
    await files.backend.adopt(await incoming.finish())
    incoming.close()
    assert list(files.backend.snapshot().rows()) == list(node.backend.snapshot().rows())
    assert sorted(path.name for path in (tmp_path / "to").glob("db*")) == ["db", "db-lock"]


async def test_rows_of_a_newer_release_are_refused(ends):
    node, files, message = ends
    node.backend.put(META, FORMAT_KEY, (FORMAT + 1).to_bytes(4, "big"))
    incoming = await received(files, node.transport.snapshots, message)
    with pytest.raises(SnapshotRefused, match="newer release"):
        await incoming.finish()
    incoming.close()


async def test_a_snapshot_outlived_by_its_file_says_so(tmp_path):
    backend = LmdbBackend(tmp_path / "db", quota_bytes=1 << 20)
    for number in range(10):
        backend.put(KEY, b"%d" % number, bytes(10))
    await backend.flush()
    snapshot = backend.snapshot()
    found = snapshot.rows()
    next(found)
    await backend.defragment()
    with pytest.raises(SnapshotGone):
        list(found)
    snapshot.close()
    backend.close()


async def test_a_disk_without_room_for_a_copy_leaves_all_as_it_was(tmp_path, monkeypatch):
    backend = LmdbBackend(tmp_path / "db", quota_bytes=1 << 20)
    backend.put(KEY, b"k", b"v")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("etcdlite.mvcc.backend_lmdb._copy", refuse)
    with pytest.raises(OSError, match="No space"):
        await backend.defragment()
    assert backend.get(KEY, b"k") == b"v"
    backend.put(KEY, b"k", b"w")
    await backend.flush()
    assert backend.durable(KEY, b"k") == b"w"
    backend.close()


async def test_the_twin_in_memory_prepares_and_discards_alike():
    backend = MemoryBackend()
    backend.put(KEY, b"k", b"v")
    backend.discard(await backend.prepare([(KEY, b"other", b"")]))
    assert list(backend.scan(KEY)) == [(b"k", b"v")]
    assert list(rows.chunks(backend.snapshot().rows()))
