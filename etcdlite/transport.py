"""Shell: how Raft's messages reach the other members.

Each member opens one connection to every other and sends its messages down it; answers come up the one the
other opened (peer_server.py), or back on the same one if the other does not know whom to call. What the
socket does not take is kept, up to a bound: Raft survives lost messages, not lost memory. A connection that
breaks is opened again after a pause.

    node -> send -> coalesce -> Peer -> frames ~~> PeerServer -> Receiver (the node)

Invariants: over a link that was cut on purpose (links.py) nothing passes and nothing is told.
Absent: retries of single messages; Raft's own time-outs do that.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

from etcdlite import codec
from etcdlite.coalesce import coalesce
from etcdlite.frames import ConnectionEnded, Frames, connect
from etcdlite.links import Links
from etcdlite.log import logger
from etcdlite.mvcc.backend import Prepared, SnapshotGone
from etcdlite.pb import peer_pb2
from etcdlite.raft.messages import Message, MessageType
from etcdlite.snapshots import Outgoing, Snapshots

log = logger("transport")

QUEUE_MESSAGES_MAX = 4096  # while there is no connection
UNSENT_BYTES_MAX = 64 << 20  # on one that does not take them
RECONNECT_SECONDS = 0.1
PING_SECONDS = 4.0
REMOVED = "the member has been permanently removed from the cluster"
ASK_SECONDS = 2.0
PING = peer_pb2.Frame(ping=peer_pb2.Ping())


class Receiver(Protocol):
    """What the transport tells the node."""

    def receive(self, message: Message) -> None: ...
    def snapshot_received(self, message: Message, prepared: Prepared) -> None: ...
    def peer_stream_closed(self, member_id: int) -> None: ...
    def peer_unreachable(self, member_id: int) -> None: ...
    def snapshot_sent(self, member_id: int, is_ok: bool) -> None: ...
    def told_removed(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Who speaks."""

    cluster_id: int
    member_id: int

    def hello(self, to: int, *, is_snapshot: bool = False) -> Any:
        """The frame that begins a connection."""
        hello = peer_pb2.Hello(cluster_id=self.cluster_id, to=to, is_snapshot=is_snapshot)
        setattr(hello, "from", self.member_id)
        return peer_pb2.Frame(hello=hello)


class Transport:
    """The connections to all other members."""

    def __init__(self, identity: Identity, tls: ssl.SSLContext | None, snapshots: Snapshots) -> None:
        self.identity = identity
        self.snapshots = snapshots
        self.links = Links()
        self._tls = tls
        self._peers: dict[int, Peer] = {}
        self._callers: dict[int, Frames] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._asked: dict[int, asyncio.Future[float | None]] = {}
        self._numbers = count(1)
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
                self._peers[member] = Peer(member, url, self.identity, self._tls, self.links, self.receiver)

    def send(self, messages: Iterable[Message]) -> None:
        """Send messages to their members; those to members unknown, that have not called, are dropped."""
        by_member: dict[int, list[Message]] = {}
        for message in messages:
            if message.to not in self._peers and message.to not in self._callers:
                continue
            if not self.links.passes(message.to):
                self._lose(message)
            elif message.type is MessageType.SNAP:
                task = asyncio.ensure_future(self._send_snapshot(self._peers[message.to], message))
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)
            else:
                by_member.setdefault(message.to, []).append(message)
        for member_id, batch in by_member.items():
            if member_id in self._peers:
                self._peers[member_id].send(batch)
            else:
                self._callers[member_id].send(_frame_of(batch))

    def called_by(self, member_id: int, frames: Frames) -> None:
        """A member opened a connection; whoever does not know it yet answers on that.

        It may have joined after the last entry that this one has. Unanswered it could not even lead this one
        to the entry that tells of it.
        """
        self._callers[member_id] = frames

    def left_by(self, member_id: int, frames: Frames) -> None:
        """Its connection ended."""
        if self._callers.get(member_id) is frames:
            del self._callers[member_id]

    def is_connected(self, member_id: int) -> bool:
        """Whether the connection to a member stands."""
        return member_id == self.identity.member_id or (
            member_id in self._peers and self._peers[member_id].is_connected and self.links.passes(member_id)
        )

    def sent_bytes(self, member_id: int) -> int:
        """What was sent to a member since this one started, as long as both belong to the cluster."""
        return self._peers[member_id].sent_bytes if member_id in self._peers else 0

    async def ask_lease(self, member_id: int, lease_id: int, *, renew: bool) -> float | None:
        """Ask the leader about a lease; None if it does not answer, or no longer leads."""
        number = next(self._numbers)
        self._asked[number] = answer = asyncio.get_running_loop().create_future()
        question = peer_pb2.LeaseQuestion(number=number, lease_id=lease_id, renew=renew)
        try:
            self._tell(member_id, peer_pb2.Frame(lease_question=question))
            await asyncio.wait((answer,), timeout=ASK_SECONDS)
            return answer.result() if answer.done() else None
        finally:
            del self._asked[number]

    def answer_lease(self, member_id: int, number: int, seconds: float | None) -> None:
        """Answer another member's question; None: this member does not lead."""
        self._tell(member_id, peer_pb2.Frame(lease_answer={"number": number, "seconds": seconds}))

    def lease_answered(self, number: int, seconds: float | None) -> None:
        """The leader answered a question of ours."""
        if number in self._asked and not self._asked[number].done():
            self._asked[number].set_result(seconds)

    async def close(self) -> None:
        """Close every connection."""
        for task in self._sending:
            task.cancel()
        self.snapshots.close()
        for peer in self._peers.values():
            peer.stop()
        await asyncio.gather(*(peer.task for peer in self._peers.values()), return_exceptions=True)
        self._peers.clear()

    def _tell(self, member_id: int, frame: Any) -> None:
        if self.is_connected(member_id) and member_id in self._peers:
            self._peers[member_id].tell(frame)

    def _lose(self, message: Message) -> None:
        """What a cut link swallows; only a snapshot is waited for, and would have failed in the end."""
        if message.type is MessageType.SNAP:
            self.receiver.snapshot_sent(message.to, False)

    async def _send_snapshot(self, peer: Peer, message: Message) -> None:
        is_ok = False
        outgoing = self.snapshots.outgoing(message)
        try:
            await peer.send_snapshot(outgoing.head(message), outgoing)
            is_ok = True
        except SnapshotGone:
            outgoing.close()  # the next one begins anew
        except ConnectionEnded as error:
            log.warning("a snapshot was not sent", to=f"{peer.member_id:x}", why=str(error))
        finally:
            self.snapshots.ended(peer.member_id, outgoing, is_ok)
            self.receiver.snapshot_sent(peer.member_id, is_ok)


async def ask_members(url: str, tls: ssl.SSLContext | None) -> Any:
    """Who belongs to the cluster, as the member at this URL says; None if it says nothing."""
    try:
        frames = await connect(url, tls)
        try:
            frames.send(peer_pb2.Frame(members_question=peer_pb2.MembersQuestion()))
            async with asyncio.timeout(ASK_SECONDS):
                return (await frames.receive()).members_answer
        finally:
            frames.close()
    except (ConnectionEnded, TimeoutError):
        return None


def _frame_of(messages: list[Message]) -> Any:
    batch = peer_pb2.MessageBatch(messages=map(codec.message_to_pb, coalesce(messages)))
    return peer_pb2.Frame(messages=batch)


async def _answer(frames: Frames, kind: str) -> Any:
    """The answer of this kind; ConnectionEnded if it is a refusal."""
    answer = await frames.receive()
    if not answer.HasField(kind):
        raise ConnectionEnded(answer.refusal)
    return getattr(answer, kind)


class Peer:
    """The connection to one other member; `_waiting` is what came while there is none."""

    def __init__(
        self,
        member_id: int,
        url: str,
        identity: Identity,
        tls: ssl.SSLContext | None,
        links: Links,
        receiver: Receiver,
    ) -> None:
        self.member_id = member_id
        self.url = url
        self._identity = identity
        self._tls = tls
        self._links = links
        self._receiver = receiver
        self._waiting: deque[Message] = deque()
        self._frames: Frames | None = None
        self._sent_before = 0  # on connections that ended
        self.task = asyncio.ensure_future(self._run())

    @property
    def is_connected(self) -> bool:
        return self._frames is not None

    @property
    def sent_bytes(self) -> int:
        return self._sent_before + (self._frames.sent_bytes if self._frames else 0)

    def send(self, messages: list[Message]) -> None:
        """Send messages, or keep them for the connection to come, or drop them if they are too many."""
        if self._frames is not None and self._frames.unsent_bytes <= UNSENT_BYTES_MAX:
            self._frames.send(_frame_of(messages))
        elif self._frames is None and len(self._waiting) < QUEUE_MESSAGES_MAX:
            self._waiting += messages
        else:
            self._receiver.peer_unreachable(self.member_id)

    def tell(self, frame: Any) -> None:
        """Send a frame of another kind."""
        assert self._frames is not None, "only to a member that is connected"
        self._frames.send(frame)

    async def send_snapshot(self, head: Any, outgoing: Outgoing) -> None:
        """Send a snapshot on a connection of its own, so that messages need not wait behind it."""
        frames = await connect(self.url, self._tls)
        try:
            frames.send(self._identity.hello(self.member_id, is_snapshot=True))
            frames.send(peer_pb2.Frame(snapshot_chunk=head))
            held = await _answer(frames, "snapshot_held")
            async for chunk in outgoing.chunks(held.chunk_count):
                frames.send(peer_pb2.Frame(snapshot_chunk=chunk))
                await frames.drain()
            await _answer(frames, "snapshot_installed")
        finally:
            frames.abort()

    def stop(self) -> None:
        """Close the connection for good."""
        self.task.cancel()

    async def _run(self) -> None:
        while True:
            try:
                frames = await connect(self.url, self._tls)
                try:
                    await self._use(frames)
                finally:
                    self._frames = None
                    self._sent_before += frames.sent_bytes
                    frames.abort()
            except ConnectionEnded:
                self._keep_proposals()
                self._receiver.peer_unreachable(self.member_id)
            await asyncio.sleep(RECONNECT_SECONDS)

    def _keep_proposals(self) -> None:
        """What waited is out of date once the connection stands again; but a proposal is made only once."""
        self._waiting = deque(message for message in self._waiting if message.type is MessageType.PROP)

    async def _use(self, frames: Frames) -> None:
        """Let messages pass until the other side closes the connection, or answers no ping."""
        frames.send(self._identity.hello(self.member_id))
        self._frames = frames
        if self._waiting:
            self.send(list(self._waiting))
            self._waiting.clear()
        answer = asyncio.ensure_future(frames.receive())
        try:
            while True:
                await asyncio.wait((answer,), timeout=PING_SECONDS)
                if not answer.done():
                    frames.send(PING)
                    await asyncio.wait((answer,), timeout=PING_SECONDS)
                if not answer.done():
                    raise ConnectionEnded("it answers no ping")
                self._heed(answer.result())
                answer = asyncio.ensure_future(frames.receive())
        finally:
            answer.cancel()

    def _heed(self, answer: Any) -> None:
        """The other side may say that this member was removed: its own log may never tell it.

        Messages come this way from one that does not know this member yet.
        """
        if self._links.passes(self.member_id):
            for pb in answer.messages.messages:
                self._receiver.receive(codec.message_from_pb(pb))
        if answer.refusal == REMOVED:
            self._receiver.told_removed()
        if answer.refusal:
            raise ConnectionEnded(answer.refusal)
