"""Streams between members on loopback: what arrives, who is refused, what the end of a stream tells."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from etcdlite.apply import APPLIED, POSITION
from etcdlite.frames import ConnectionEnded, connect
from etcdlite.members import Members
from etcdlite.mvcc.backend import KEY, META, MemoryBackend, Prepared
from etcdlite.pb import peer_pb2, rpc_pb2
from etcdlite.peer_server import PeerServer
from etcdlite.raft.messages import Entry, Message, MessageType, Snapshot, SnapshotMetadata
from etcdlite.snapshots import Snapshots
from etcdlite.transport import REMOVED, Identity, Transport, ask_members
from tests.support.wait import until_async

CLUSTER, ME, OTHER = 7, 1, 2


class Node:
    """What one member's transport told, and its parts."""

    def __init__(self, member_id: int, folder: Path) -> None:
        self.member_id = member_id
        self.backend = MemoryBackend()
        self.members = Members(self.backend)
        for founder in (ME, OTHER):
            self.members.put(rpc_pb2.Member(ID=founder, peerURLs=[f"http://member-{founder}"]))
        files = Snapshots(self.backend, folder, Random(member_id))
        self.transport = Transport(Identity(CLUSTER, member_id), None, files)
        self.transport.receiver = self
        self.port = 0
        self.received: list[Message] = []
        self.closed: list[int] = []
        self.unreachable: list[int] = []
        self.sent: list[tuple[int, bool]] = []
        self.rows: dict[tuple[str, bytes], bytes] = {}
        self.is_removed = False
        self.ttl: int | None = None

    async def listen(self) -> None:
        self.server = PeerServer(self.transport, self, self, self.members)
        self.port = await self.server.listen(f"http://127.0.0.1:{self.port}", None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def receive(self, message: Message) -> None:
        self.received.append(message)

    def snapshot_received(self, message: Message, prepared: Prepared) -> None:
        self.rows = {(bucket, key): row for bucket, found in prepared.items() for key, row in found.items()}
        self.received.append(message)

    def peer_stream_closed(self, member_id: int) -> None:
        self.closed.append(member_id)

    def peer_unreachable(self, member_id: int) -> None:
        self.unreachable.append(member_id)

    def snapshot_sent(self, member_id: int, is_ok: bool) -> None:
        self.sent.append((member_id, is_ok))

    def told_removed(self) -> None:
        self.is_removed = True

    async def renew_here(self, lease_id: int) -> int | None:
        return self.ttl

    async def remaining_here(self, lease_id: int) -> float | None:
        return None if self.ttl is None else self.ttl - 0.5


@pytest.fixture
async def pair(tmp_path):
    nodes = []
    for member_id in (ME, OTHER):
        node = Node(member_id, tmp_path / str(member_id))
        nodes.append(node)
        await node.listen()
    me, other = nodes
    me.transport.set_members({ME: me.url, OTHER: other.url})
    yield me, other
    for node in nodes:
        await node.transport.close()
        await node.server.close()


def append(index: int) -> Message:
    return Message(
        MessageType.APP, to=OTHER, from_=ME, term=3, index=index - 1, log_term=3, entries=(Entry(3, index),)
    )


async def test_messages_arrive_in_order(pair):
    me, other = pair
    me.transport.send(append(index) for index in range(2, 300))
    await until_async("all entries", lambda: sum(len(m.entries) for m in other.received) == 298)
    entries = [entry.index for message in other.received for entry in message.entries]
    assert entries == list(range(2, 300))
    assert me.transport.is_connected(OTHER)


async def test_a_member_unknown_is_not_sent_to(pair):
    me, _ = pair
    me.transport.send([Message(MessageType.HEARTBEAT, to=99, from_=ME)])
    assert not me.transport.is_connected(99)


async def test_a_member_not_known_yet_is_answered_where_it_called(pair):
    me, other = pair
    answer = Message(MessageType.HEARTBEAT_RESP, to=ME, from_=OTHER)
    other.transport.send([answer])
    me.transport.send([append(2)])
    await until_async("the message", lambda: other.received)
    other.transport.send([answer])
    await until_async("the answer", lambda: me.received)
    assert me.received == [answer]


async def test_the_end_of_a_stream_is_told(pair):
    me, other = pair
    me.transport.send([append(2)])
    await until_async("the message", lambda: other.received)
    await me.transport.close()
    await until_async("the end", lambda: other.closed == [ME])


async def test_a_proposal_outlives_a_member_that_is_not_there_yet(pair):
    me, other = pair
    await other.server.close()
    await until_async("the loss", lambda: not me.transport.is_connected(OTHER))
    me.unreachable.clear()
    me.transport.send([
        Message(MessageType.HEARTBEAT_RESP, to=OTHER, from_=ME),
        Message(MessageType.PROP, to=OTHER, from_=ME, term=3, entries=(Entry(0, 0, data=b"x"),)),
    ])  # fmt: skip
    await until_async("another attempt", lambda: me.unreachable)
    await other.listen()
    await until_async("the proposal", lambda: other.received)
    assert [message.type for message in other.received] == [MessageType.PROP]


async def test_strangers_are_refused(pair):
    me, _ = pair
    for identity, to, why in (
        (Identity(8, OTHER), ME, "cluster ID mismatch"),
        (Identity(CLUSTER, OTHER), 5, "member ID mismatch"),
    ):
        frames = await connect(me.url, None)
        frames.send(identity.hello(to))
        assert (await frames.receive()).refusal == why
        with pytest.raises(ConnectionEnded):
            await frames.receive()
        frames.close()


@pytest.mark.parametrize("junk", [b"GET / HTTP/1.1\r\n\r\n", b"\xff\xff\xff\xff", b"\0\0\0\2\xff\xff", b"\0"])
async def test_what_is_no_frame_ends_the_connection(pair, junk):
    me, other = pair
    reader, writer = await asyncio.open_connection("127.0.0.1", me.port)
    writer.write(junk)
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    me.transport.send([append(2)])
    await until_async("the message", lambda: other.received)


async def test_a_connection_stays_up_while_pings_are_answered(pair, monkeypatch):
    monkeypatch.setattr("etcdlite.transport.PING_SECONDS", 0.01)
    me, other = pair
    me.transport.send([append(2)])
    await until_async("the message", lambda: other.received)
    frames = await connect(me.url, None)
    frames.send(Identity(CLUSTER, OTHER).hello(ME))
    for _ in range(3):
        frames.send(peer_pb2.Frame(ping=peer_pb2.Ping()))
        assert (await frames.receive()).HasField("ping")
    frames.close()
    assert me.transport.is_connected(OTHER)
    assert other.closed == []


async def test_a_member_that_answers_no_ping_counts_as_gone(tmp_path, monkeypatch):
    monkeypatch.setattr("etcdlite.transport.PING_SECONDS", 0.01)
    me = Node(ME, tmp_path)
    callers: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: callers.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    me.transport.set_members({OTHER: f"http://127.0.0.1:{port}"})
    await until_async("the loss", lambda: me.unreachable)
    await me.transport.close()
    silent.close()
    for caller in callers:
        caller.close()


async def test_a_removed_member_is_told(pair):
    me, other = pair
    me.transport.send([append(2)])
    await until_async("the message", lambda: other.received)
    other.members.removed.add(ME)
    me.transport.send([append(3)])
    await until_async("the refusal", lambda: me.is_removed)
    assert REMOVED
    assert len(other.received) == 1


async def test_a_snapshot_travels_with_the_position_of_its_rows(pair):
    me, other = pair
    me.backend.put(META, APPLIED, POSITION.pack(9, 4))
    for number in range(100):
        me.backend.put(KEY, b"%d" % number, bytes(10_000))
    asked = Snapshot(SnapshotMetadata(5, 3, me.members.conf_state))
    me.transport.send([Message(MessageType.SNAP, to=OTHER, from_=ME, term=4, snapshot=asked)])
    await until_async("the snapshot", lambda: me.sent)
    assert me.sent == [(OTHER, True)]
    (message,) = other.received
    assert message.snapshot is not None
    assert message.snapshot.metadata == SnapshotMetadata(9, 4, me.members.conf_state)
    assert other.rows == {(bucket, key): value for bucket, key, value in me.backend.snapshot().rows()}


async def test_a_snapshot_that_cannot_be_sent_is_told(pair):
    me, other = pair
    await other.server.close()
    me.backend.put(META, APPLIED, POSITION.pack(9, 4))
    asked = Snapshot(SnapshotMetadata(5, 3, me.members.conf_state))
    me.transport.send([Message(MessageType.SNAP, to=OTHER, from_=ME, term=4, snapshot=asked)])
    await until_async("the news", lambda: me.sent == [(OTHER, False)])


async def test_questions_about_leases_go_to_the_leader(pair):
    me, other = pair
    other.transport.set_members({ME: me.url, OTHER: other.url})
    await until_async(
        "both ways", lambda: me.transport.is_connected(OTHER) and other.transport.is_connected(ME)
    )
    assert await me.transport.ask_lease(OTHER, 1, renew=True) is None
    other.ttl = 60
    assert await me.transport.ask_lease(OTHER, 1, renew=True) == 60
    assert await me.transport.ask_lease(OTHER, 1, renew=False) == 59.5
    other.ttl = 0
    assert await me.transport.ask_lease(OTHER, 1, renew=True) == 0


async def test_questions_to_a_member_that_is_not_there_have_no_answer(pair, monkeypatch):
    monkeypatch.setattr("etcdlite.transport.ASK_SECONDS", 0.01)
    me, _ = pair
    assert await me.transport.ask_lease(99, 1, renew=True) is None


async def test_a_newcomer_asks_who_is_there(pair):
    me, _ = pair
    answer = await ask_members(me.url, None)
    assert answer.cluster_id == CLUSTER
    assert {member.ID for member in answer.members} == {ME, OTHER}
    await me.server.close()
    assert await asyncio.wait_for(ask_members(me.url, None), 30) is None


async def test_a_cut_link_is_silent_in_both_directions(pair, monkeypatch):
    me, other = pair
    me.transport.send([append(2)])
    await until_async("the first message", lambda: len(other.received) == 1)
    me.transport.links.cut([OTHER])
    me.transport.send([append(3)])
    other.transport.set_members({ME: me.url, OTHER: other.url})
    await until_async("the other's connection", lambda: other.transport.is_connected(ME))
    other.transport.send([Message(MessageType.HEARTBEAT_RESP, to=ME, from_=OTHER)])
    assert not me.transport.is_connected(OTHER)
    monkeypatch.setattr("etcdlite.transport.ASK_SECONDS", 0.01)
    assert await other.transport.ask_lease(ME, 5, renew=True) is None
    me.transport.links.heal([])
    me.transport.send([append(4)])
    other.transport.send([Message(MessageType.HEARTBEAT, to=ME, from_=OTHER)])
    await until_async("what is sent after the healing", lambda: len(other.received) == 2 and me.received)
    assert [message.index for message in other.received] == [1, 3]
    assert [message.type for message in me.received] == [MessageType.HEARTBEAT]


async def test_the_end_of_a_stream_is_not_told_over_a_cut_link(pair):
    me, other = pair
    me.transport.send([append(2)])
    await until_async("the message", lambda: other.received)
    other.transport.links.cut([ME])
    await me.transport.close()
    await until_async("the end", lambda: not other.transport.is_connected(ME))
    assert other.closed == []


async def test_a_snapshot_over_a_cut_link_has_failed(pair, tmp_path):
    me, _ = pair
    me.transport.links.cut([OTHER])
    mark = SnapshotMetadata(7, 3, me.members.conf_state)
    me.transport.send([Message(MessageType.SNAP, to=OTHER, from_=ME, snapshot=Snapshot(mark))])
    assert me.sent == [(OTHER, False)]
