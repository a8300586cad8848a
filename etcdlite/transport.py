"""Shell: how Raft's messages reach the other members, and theirs this one.

Each member opens one stream to every other and sends its messages down it in batches; answers come up the
stream the other one opened. A queue in between is bounded: Raft survives lost messages, not lost memory. A
stream that breaks is opened again after a pause, and the end of an incoming stream is news of its own: had
it come from the leader, the leader is probably gone.

    node -> send -> queue per peer -> stream ~~> PeerService -> Receiver (the node)

Invariants: a call from another cluster, or meant for another member, is refused; over a link that was cut on
purpose (links.py) nothing passes and nothing is told.
Absent: retries of single messages; Raft's own time-outs do that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import grpc
import grpc.aio

from etcdlite import codec
from etcdlite.coalesce import coalesce
from etcdlite.links import Links
from etcdlite.log import logger
from etcdlite.pb import peer_pb2, peer_pb2_grpc
from etcdlite.raft.messages import Message, MessageType

log = logger("transport")

QUEUE_MESSAGES_MAX = 4096
BATCH_MESSAGES_MAX = 64
RECONNECT_SECONDS = 0.1
REMOVED = "the member has been permanently removed from the cluster"
ASK_SECONDS = 2.0
CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", 5_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.use_local_subchannel_pool", 1),
]


class Receiver(Protocol):
    """What the transport tells the node."""

    def receive(self, message: Message) -> None: ...
    def snapshot_received(self, message: Message, rows: Path) -> None: ...
    def peer_stream_closed(self, member_id: int) -> None: ...
    def peer_unreachable(self, member_id: int) -> None: ...
    def snapshot_sent(self, member_id: int, is_ok: bool) -> None: ...
    def told_removed(self) -> None: ...


class LeaseAnswers(Protocol):
    """Who answers about leases, if this member leads."""

    def renew_here(self, lease_id: int) -> int | None: ...
    def remaining_here(self, lease_id: int) -> float | None: ...


class Roster(Protocol):
    """Who belongs to the cluster, by id, and who did."""

    by_id: dict[int, Any]
    removed: set[int]


class Snapshots(Protocol):
    """How a whole state machine becomes chunks, and chunks a file."""

    def outgoing(self, message: Message) -> AsyncIterator[Any]: ...
    async def incoming(self, chunks: AsyncIterator[Any]) -> tuple[Message, Path] | None: ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Who speaks, as the metadata of every call says it."""

    cluster_id: int
    member_id: int

    def metadata(self, to: int) -> tuple[tuple[str, str], ...]:
        return (("cluster", f"{self.cluster_id:x}"), ("from", f"{self.member_id:x}"), ("to", f"{to:x}"))


class Transport:
    """The streams to all other members."""

    def __init__(
        self, identity: Identity, credentials: grpc.ChannelCredentials | None, snapshots: Snapshots
    ) -> None:
        self.identity = identity
        self.snapshots = snapshots
        self.links = Links()
        self._credentials = credentials
        self._peers: dict[int, Peer] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self.receiver: Receiver

    def set_members(self, urls: dict[int, str]) -> None:
        """Talk to exactly these members (but oneself), at these addresses."""
        wanted = {member: url for member, url in urls.items() if member != self.identity.member_id}
        for member, peer in list(self._peers.items()):
            if wanted.get(member) != peer.url:
                del self._peers[member]
                peer.stop()
        for member, url in wanted.items():
            if member not in self._peers:
                self._peers[member] = Peer(member, url, self.identity, self._credentials, self.receiver)

    def send(self, messages: Iterable[Message]) -> None:
        """Queue messages for their members; those to members unknown are dropped."""
        for message in messages:
            peer = self._peers.get(message.to)
            if peer is None:
                continue
            if not self.links.passes(message.to):
                self._lose(message)
            elif message.type is MessageType.SNAP:
                task = asyncio.ensure_future(self._send_snapshot(peer, message))
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)
            else:
                peer.send(message)

    def is_connected(self, member_id: int) -> bool:
        """Whether the stream to a member stands."""
        return member_id == self.identity.member_id or (
            member_id in self._peers and self._peers[member_id].is_connected and self.links.passes(member_id)
        )

    async def ask_lease(self, member_id: int, method: str, lease_id: int) -> Any:
        """Ask the leader about a lease; None if it does not answer, or no longer leads."""
        peer = self._peers.get(member_id)
        if peer is None or not self.links.passes(member_id):
            return None
        request = peer_pb2.LeaseQuestion(id=lease_id)
        metadata = self.identity.metadata(member_id)
        try:
            return await getattr(peer.stub, method)(request, timeout=ASK_SECONDS, metadata=metadata)
        except grpc.aio.AioRpcError:
            return None

    async def close(self) -> None:
        """Close every stream."""
        for task in self._sending:
            task.cancel()
        for peer in self._peers.values():
            peer.stop()
        await asyncio.gather(*(peer.task for peer in self._peers.values()), return_exceptions=True)
        self._peers.clear()

    def _lose(self, message: Message) -> None:
        """What a cut link swallows; only a snapshot is waited for, and would have failed in the end."""
        if message.type is MessageType.SNAP:
            self.receiver.snapshot_sent(message.to, False)

    async def _send_snapshot(self, peer: Peer, message: Message) -> None:
        is_ok = False
        try:
            chunks = self.snapshots.outgoing(message)
            await peer.stub.InstallSnapshot(chunks, metadata=self.identity.metadata(peer.member_id))
            is_ok = True
        except grpc.aio.AioRpcError as error:
            log.warning("a snapshot was not sent", to=f"{peer.member_id:x}", why=error.details())
        finally:
            self.receiver.snapshot_sent(peer.member_id, is_ok)


async def ask_members(url: str, credentials: grpc.ChannelCredentials | None) -> Any:
    """Who belongs to the cluster, as the member at this URL says; None if it says nothing."""
    async with _channel(url, credentials) as channel:
        try:
            question = peer_pb2.MembersQuestion()
            return await peer_pb2_grpc.PeerStub(channel).Members(question, timeout=ASK_SECONDS)
        except grpc.aio.AioRpcError:
            return None


def _channel(url: str, credentials: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
    target = url.split("://", 1)[-1]
    if credentials is None:
        return grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS)
    return grpc.aio.secure_channel(target, credentials, options=CHANNEL_OPTIONS)


class Peer:
    """The stream to one other member."""

    def __init__(
        self,
        member_id: int,
        url: str,
        identity: Identity,
        credentials: grpc.ChannelCredentials | None,
        receiver: Receiver,
    ) -> None:
        self.member_id = member_id
        self.url = url
        self.is_connected = False
        self._identity = identity
        self._receiver = receiver
        self._queue: deque[Message] = deque()
        self._wake = asyncio.Event()
        self._channel = _channel(url, credentials)
        self.stub = peer_pb2_grpc.PeerStub(self._channel)
        self.task = asyncio.ensure_future(self._run())

    def send(self, message: Message) -> None:
        """Queue a message, or drop it when the queue is full."""
        if len(self._queue) < QUEUE_MESSAGES_MAX:
            self._queue.append(message)
            self._wake.set()
        else:
            self._receiver.peer_unreachable(self.member_id)

    def stop(self) -> None:
        """Close the stream for good."""
        self.task.cancel()

    async def _run(self) -> None:
        try:
            while True:
                call = self.stub.Messages(metadata=self._identity.metadata(self.member_id))
                try:
                    await call.wait_for_connection()
                    self.is_connected = True
                    await self._pump(call)
                except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    if await self._is_refused_for_good(call):
                        self._receiver.told_removed()
                    self.is_connected = False
                    self._keep_proposals()
                    self._receiver.peer_unreachable(self.member_id)
                finally:
                    call.cancel()
                await asyncio.sleep(RECONNECT_SECONDS)
        finally:
            self.is_connected = False
            await self._channel.close(None)

    async def _is_refused_for_good(self, call: Any) -> bool:
        """Whether the other side said that this member was removed: its own log may never tell it."""
        return bool(call.done() and await call.details() == REMOVED)

    def _keep_proposals(self) -> None:
        """What waited is out of date once the stream stands again; but a proposal is made only once."""
        proposals = [message for message in self._queue if message.type is MessageType.PROP]
        self._queue = deque(proposals)
        self._wake.set()

    async def _pump(self, call: Any) -> None:
        """Send what is queued, many messages at once, until the stream breaks."""
        ended = asyncio.ensure_future(call.code())
        ended.add_done_callback(lambda _: self._wake.set())
        try:
            while not ended.done():
                await self._wake.wait()
                self._wake.clear()
                while self._queue and not ended.done():
                    count = min(len(self._queue), BATCH_MESSAGES_MAX)
                    batch = coalesce(self._queue.popleft() for _ in range(count))
                    await call.write(peer_pb2.MessageBatch(messages=map(codec.message_to_pb, batch)))
            raise asyncio.InvalidStateError("the other member closed the stream")
        finally:
            ended.cancel()


class PeerService(peer_pb2_grpc.PeerServicer):  # type: ignore[misc]  # the stubs are untyped
    """What other members may ask of this one."""

    def __init__(
        self, transport: Transport, receiver: Receiver, leases: LeaseAnswers, roster: Roster
    ) -> None:
        self._identity = transport.identity
        self._links = transport.links
        self._snapshots = transport.snapshots
        self._receiver = receiver
        self._leases = leases
        self._roster = roster
        self._streams: dict[int, object] = {}

    async def Messages(self, requests: AsyncIterator[Any], context: Any) -> Any:  # noqa: N802
        """Take messages as they come; the end of the newest stream of a member is told to the node."""
        sender = await self._check(context)
        stream = self._streams[sender] = object()
        try:
            async for batch in requests:
                await self._refuse_removed(sender, context)
                for pb in batch.messages if self._links.passes(sender) else ():
                    self._receiver.receive(codec.message_from_pb(pb))
        finally:
            if self._streams.get(sender) is stream:
                del self._streams[sender]
                if self._links.passes(sender):
                    self._receiver.peer_stream_closed(sender)
        return peer_pb2.MessagesClosed()

    async def InstallSnapshot(self, requests: AsyncIterator[Any], context: Any) -> Any:  # noqa: N802
        """Collect the rows in a file, then hand over message and file."""
        await self._refuse_cut(await self._check(context), context)
        received = await self._snapshots.incoming(requests)
        if received is None:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the snapshot is not whole")
        assert received is not None
        self._receiver.snapshot_received(*received)
        return peer_pb2.SnapshotInstalled()

    async def Members(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Who belongs to the cluster; the asker does not know its id yet."""
        members = self._roster.by_id.values()
        return peer_pb2.MembersAnswer(cluster_id=self._identity.cluster_id, members=members)

    async def LeaseRenew(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Renew a lease, if this member leads."""
        await self._refuse_cut(await self._check(context), context)
        ttl = self._leases.renew_here(request.id)
        if ttl is None:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not leader")
        return peer_pb2.LeaseRenewResponse(ttl=ttl)

    async def LeaseRemaining(self, request: Any, context: Any) -> Any:  # noqa: N802
        """How long a lease has, if this member leads; -1: there is none."""
        await self._refuse_cut(await self._check(context), context)
        remaining = self._leases.remaining_here(request.id)
        if remaining is None:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not leader")
        return peer_pb2.LeaseRemainingResponse(seconds=remaining)

    async def _check(self, context: Any) -> int:
        """Who calls; a stranger is refused."""
        metadata = dict(context.invocation_metadata() or ())
        if metadata.get("cluster") != f"{self._identity.cluster_id:x}":
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "cluster ID mismatch")
        if metadata.get("to") != f"{self._identity.member_id:x}":
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "member ID mismatch")
        sender = int(metadata.get("from", "0"), 16)
        await self._refuse_removed(sender, context)
        return sender

    async def _refuse_removed(self, sender: int, context: Any) -> None:
        if sender in self._roster.removed:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, REMOVED)

    async def _refuse_cut(self, sender: int, context: Any) -> None:
        if not self._links.passes(sender):
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the link is cut")
