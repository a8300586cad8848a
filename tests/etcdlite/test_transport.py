"""Streams between members on loopback: what arrives, who is refused, what the end of a stream tells."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import grpc.aio
import pytest

from etcdlite.apply import APPLIED, POSITION
from etcdlite.members import Members
from etcdlite.mvcc.backend import KEY, META, MemoryBackend
from etcdlite.pb import peer_pb2, peer_pb2_grpc, rpc_pb2
from etcdlite.raft.messages import Entry, Message, MessageType, Snapshot, SnapshotMetadata
from etcdlite.snapshots import Snapshots, read_rows
from etcdlite.transport import REMOVED, Identity, PeerService, Transport, ask_members
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
        self.transport = Transport(Identity(CLUSTER, member_id), None, Snapshots(self.backend, folder))
        self.transport.receiver = self
        self.server = grpc.aio.server()
        service = PeerService(self.transport, self, self, self.members)
        peer_pb2_grpc.add_PeerServicer_to_server(service, self.server)
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.received: list[Message] = []
        self.closed: list[int] = []
        self.unreachable: list[int] = []
        self.sent: list[tuple[int, bool]] = []
        self.rows: dict[tuple[str, bytes], bytes] = {}
        self.is_removed = False
        self.ttl: int | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def receive(self, message: Message) -> None:
        self.received.append(message)

    def snapshot_received(self, message: Message, rows: Path) -> None:
        self.rows = {(bucket, key): value for bucket, key, value in read_rows(rows)}
        self.received.append(message)

    def peer_stream_closed(self, member_id: int) -> None:
        self.closed.append(member_id)

    def peer_unreachable(self, member_id: int) -> None:
        self.unreachable.append(member_id)

    def snapshot_sent(self, member_id: int, is_ok: bool) -> None:
        self.sent.append((member_id, is_ok))

    def told_removed(self) -> None:
        self.is_removed = True

    def renew_here(self, lease_id: int) -> int | None:
        return self.ttl

    def remaining_here(self, lease_id: int) -> float | None:
        return None if self.ttl is None else self.ttl - 0.5


@pytest.fixture
async def pair(tmp_path):
    nodes = []
    for member_id in (ME, OTHER):
        node = Node(member_id, tmp_path / str(member_id))
        nodes.append(node)
        await node.server.start()
    me, other = nodes
    me.transport.set_members({ME: me.url, OTHER: other.url})
    yield me, other
    for node in nodes:
        await node.transport.close()
        await node.server.stop(0)


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


async def test_the_end_of_a_stream_is_told(pair):
    me, other = pair
    me.transport.send([append(2)])
    await until_async("the message", lambda: other.received)
    await me.transport.close()
    await until_async("the end", lambda: other.closed == [ME])


async def test_a_proposal_outlives_a_member_that_is_not_there_yet(pair):
    me, other = pair
    await other.server.stop(0)
    await until_async("the loss", lambda: not me.transport.is_connected(OTHER))
    me.unreachable.clear()
    me.transport.send([
        Message(MessageType.HEARTBEAT_RESP, to=OTHER, from_=ME),
        Message(MessageType.PROP, to=OTHER, from_=ME, term=3, entries=(Entry(0, 0, data=b"x"),)),
    ])  # fmt: skip
    await until_async("another attempt", lambda: me.unreachable)
    other.server = grpc.aio.server()
    service = PeerService(other.transport, other, other, other.members)
    peer_pb2_grpc.add_PeerServicer_to_server(service, other.server)
    other.server.add_insecure_port(f"127.0.0.1:{other.port}")
    await other.server.start()
    await until_async("the proposal", lambda: other.received)
    assert [message.type for message in other.received] == [MessageType.PROP]


async def test_strangers_are_refused(pair):
    me, _ = pair
    async with grpc.aio.insecure_channel(me.url.removeprefix("http://")) as channel:
        stub = peer_pb2_grpc.PeerStub(channel)
        for identity, to, why in (
            (Identity(8, OTHER), ME, "cluster ID mismatch"),
            (Identity(CLUSTER, OTHER), 5, "member ID mismatch"),
        ):
            with pytest.raises(grpc.aio.AioRpcError, match=why):
                await stub.LeaseRenew(peer_pb2.LeaseQuestion(id=1), metadata=identity.metadata(to))


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
    await other.server.stop(0)
    me.backend.put(META, APPLIED, POSITION.pack(9, 4))
    asked = Snapshot(SnapshotMetadata(5, 3, me.members.conf_state))
    me.transport.send([Message(MessageType.SNAP, to=OTHER, from_=ME, term=4, snapshot=asked)])
    await until_async("the news", lambda: me.sent == [(OTHER, False)])


async def test_questions_about_leases_go_to_the_leader(pair):
    me, other = pair
    assert await me.transport.ask_lease(OTHER, "LeaseRenew", 1) is None
    other.ttl = 60
    assert (await me.transport.ask_lease(OTHER, "LeaseRenew", 1)).ttl == 60
    assert (await me.transport.ask_lease(OTHER, "LeaseRemaining", 1)).seconds == 59.5
    assert await me.transport.ask_lease(99, "LeaseRenew", 1) is None


async def test_a_newcomer_asks_who_is_there(pair):
    me, _ = pair
    answer = await ask_members(me.url, None)
    assert answer.cluster_id == CLUSTER
    assert {member.ID for member in answer.members} == {ME, OTHER}
    await me.server.stop(0)
    assert await asyncio.wait_for(ask_members(me.url, None), 30) is None


async def test_a_cut_link_is_silent_in_both_directions(pair):
    me, other = pair
    me.transport.send([append(2)])
    await until_async("the first message", lambda: len(other.received) == 1)
    me.transport.links.cut([OTHER])
    me.transport.send([append(3)])
    other.transport.set_members({ME: me.url, OTHER: other.url})
    other.transport.send([Message(MessageType.HEARTBEAT_RESP, to=ME, from_=OTHER)])
    assert not me.transport.is_connected(OTHER)
    assert await other.transport.ask_lease(ME, "LeaseRenew", 5) is None
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
