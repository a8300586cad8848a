"""Shell: where the other members call, and what each kind of call is answered.

    members_question        who belongs to the cluster: the asker does not know its id yet
    hello, messages ...     Raft's messages, one connection per member; questions about leases in between
    hello (snapshot) ...    the chunks of a state machine; what is there already, and a receipt, come back

The end of the newest connection of a member is news of its own: had it been the leader's, the leader is
probably gone.

Invariants: a call from another cluster, or meant for another member, is refused; over a link that was cut on
purpose (links.py) nothing passes and nothing is told.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Protocol
from urllib.parse import urlsplit

from etcdlite import codec
from etcdlite.frames import READ_AHEAD_BYTES, ConnectionEnded, Frames
from etcdlite.log import logger
from etcdlite.pb import peer_pb2
from etcdlite.snapshots import Incoming, SnapshotRefused
from etcdlite.transport import PING, REMOVED, Receiver, Transport

log = logger("peer server")


class LeaseAnswers(Protocol):
    """Who answers about leases, if this member leads."""

    async def renew_here(self, lease_id: int) -> int | None: ...
    async def remaining_here(self, lease_id: int) -> float | None: ...


class Roster(Protocol):
    """Who belongs to the cluster, by id, and who did."""

    by_id: dict[int, Any]
    removed: set[int]


class PeerServer:
    """The listening side of a member; `_newest` is each member's newest connection for messages."""

    def __init__(
        self, transport: Transport, receiver: Receiver, leases: LeaseAnswers, roster: Roster
    ) -> None:
        self._transport = transport
        self._receiver = receiver
        self._leases = leases
        self._roster = roster
        self._servers: list[asyncio.Server] = []
        self._connections: set[Frames] = set()
        self._newest: dict[int, Frames] = {}
        self._answering: set[asyncio.Task[None]] = set()

    async def listen(self, url: str, tls: ssl.SSLContext | None) -> int:
        """Begin to answer at this URL; the port."""
        parts = urlsplit(url)
        context = tls if parts.scheme == "https" else None
        server = await asyncio.start_server(
            self._serve, parts.hostname, parts.port, ssl=context, limit=READ_AHEAD_BYTES
        )
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening, and end what there is."""
        for server in self._servers:
            server.close()
        for frames in self._connections:
            frames.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = Frames(reader, writer)
        self._connections.add(frames)
        try:
            await self._answer(frames)
        except ConnectionEnded:
            pass  # the other side has gone, and will call again
        finally:
            self._connections.discard(frames)
            frames.close()

    async def _answer(self, frames: Frames) -> None:
        first = await frames.receive()
        if first.HasField("members_question"):
            frames.send(peer_pb2.Frame(members_answer=self._members()))
            return
        refusal, sender = self._refuse(first.hello), getattr(first.hello, "from")
        if refusal:
            frames.send(peer_pb2.Frame(refusal=refusal))
        elif first.hello.is_snapshot:
            await self._take_snapshot(frames, sender)
        else:
            await self._take_messages(frames, sender)

    def _members(self) -> Any:
        cluster_id = self._transport.identity.cluster_id
        return peer_pb2.MembersAnswer(cluster_id=cluster_id, members=self._roster.by_id.values())

    def _refuse(self, hello: Any) -> str:
        """Why nothing is heard from this caller; "" if it is."""
        identity = self._transport.identity
        if hello.cluster_id != identity.cluster_id:
            return "cluster ID mismatch"
        if hello.to != identity.member_id:
            return "member ID mismatch"
        return REMOVED if getattr(hello, "from") in self._roster.removed else ""

    async def _take_messages(self, frames: Frames, sender: int) -> None:
        self._newest[sender] = frames
        self._transport.called_by(sender, frames)
        try:
            while True:
                frame = await frames.receive()
                if sender in self._roster.removed:
                    frames.send(peer_pb2.Frame(refusal=REMOVED))
                    return
                self._take(frame, frames, sender)
        finally:
            self._transport.left_by(sender, frames)
            if self._newest.get(sender) is frames:
                del self._newest[sender]
                if self._transport.links.passes(sender):
                    self._receiver.peer_stream_closed(sender)

    def _take(self, frame: Any, frames: Frames, sender: int) -> None:
        kind = frame.WhichOneof("kind")
        if kind == "ping":
            frames.send(PING)
        elif not self._transport.links.passes(sender):
            return
        elif kind == "messages":
            for pb in frame.messages.messages:
                self._receiver.receive(codec.message_from_pb(pb))
        elif kind == "lease_question":
            task = asyncio.ensure_future(self._answer_lease(sender, frame.lease_question))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        elif kind == "lease_answer":
            answer = frame.lease_answer
            seconds = answer.seconds if answer.HasField("seconds") else None
            self._transport.lease_answered(answer.number, seconds)

    async def _answer_lease(self, sender: int, question: Any) -> None:
        ask = self._leases.renew_here if question.renew else self._leases.remaining_here
        self._transport.answer_lease(sender, question.number, await ask(question.lease_id))

    async def _take_snapshot(self, frames: Frames, sender: int) -> None:
        """Collect the rows, then hand them over; what is no good is refused, and Raft has it sent again."""
        incoming = self._transport.snapshots.incoming((await frames.receive()).snapshot_chunk)
        try:
            held = peer_pb2.SnapshotHeld(chunk_count=incoming.partial.chunk_count)
            frames.send(peer_pb2.Frame(snapshot_held=held))
            await self._take_chunks(frames, sender, incoming)
            self._receiver.snapshot_received(incoming.message, await incoming.finish())
            frames.send(peer_pb2.Frame(snapshot_installed=peer_pb2.SnapshotInstalled()))
        except (SnapshotRefused, OSError) as error:
            log.warning("refused a snapshot", sender=f"{sender:x}", why=str(error))
            frames.send(peer_pb2.Frame(refusal=str(error)))
        finally:
            incoming.close()

    async def _take_chunks(self, frames: Frames, sender: int, incoming: Incoming) -> None:
        is_last = False
        while not is_last:
            chunk = (await frames.receive()).snapshot_chunk
            if not self._transport.links.passes(sender):
                raise ConnectionEnded("the link is cut")
            is_last = incoming.take(chunk)
