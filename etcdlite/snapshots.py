"""Shell: a whole state machine on its way from the leader to a member whose log is too far behind.

The leader reads its durable rows in one read transaction and sends them in chunks, as fast as the other side
takes them. The receiver collects them in a file, checks their SHA-256 while it fills a database beside its
own, and only then lets Raft know; what is left is to put one file in another's place. What is sent may be
newer than what Raft asked for, so position and membership are read from the very rows.

    leader:    read transaction --chunks--> wire      kept for HOLD_SECONDS when the transfer breaks off
    receiver:  wire --> file --checked--> database    the file is kept, too: the same rows go on from its end

Two members never have the very same rows (each drops compacted ones at its own pace), so a transfer goes on
only from the read transaction it began with; otherwise it starts over.

Invariants: memory is bounded by a chunk on both sides; a snapshot takes effect whole or not at all.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from etcdlite import codec, rows
from etcdlite.apply import APPLIED, position
from etcdlite.members import CONF_STATE, decode_conf_state
from etcdlite.mvcc.backend import META, Backend, BucketRow, Prepared, Snapshot
from etcdlite.mvcc.format import FORMAT_KEY, refuse_format
from etcdlite.pb import peer_pb2
from etcdlite.raft.messages import Message, SnapshotMetadata

HOLD_SECONDS = 30.0  # a broken transfer may go on; the read transaction costs disk space meanwhile


class Random(Protocol):
    """Chance, for numbers that name a transfer."""

    def getrandbits(self, k: int) -> int: ...


class SnapshotRefused(Exception):
    """What came is not put to use; the text says why."""


@dataclass(slots=True, eq=False)
class Outgoing:
    """Rows for one member; `token` tells the other side whether they are those it has a part of."""

    token: int
    snapshot: Snapshot
    metadata: SnapshotMetadata
    is_open: bool = True
    timer: asyncio.TimerHandle | None = None

    def head(self, message: Message) -> Any:
        """The first chunk: the message with the position of these rows."""
        pb = codec.message_to_pb(message)
        pb.snapshot.metadata.CopyFrom(codec.metadata_to_pb(self.metadata))
        return peer_pb2.SnapshotChunk(message=pb, token=self.token)

    async def chunks(self, held_count: int) -> AsyncIterator[Any]:
        """The chunks after those the other side holds, and their digest."""
        digest = hashlib.sha256()
        for number, chunk in enumerate(rows.chunks(self.snapshot.rows())):
            digest.update(chunk)
            if number >= held_count:
                yield peer_pb2.SnapshotChunk(rows=chunk)
            await asyncio.sleep(0)  # let the loop breathe between two chunks
        yield peer_pb2.SnapshotChunk(last=True, digest=digest.digest())

    def close(self) -> None:
        """Let go of the read transaction."""
        if self.timer is not None:
            self.timer.cancel()
        if self.is_open:
            self.is_open = False
            self.snapshot.close()


@dataclass(slots=True)
class Partial:
    """What has come of a transfer, in a file."""

    token: int
    path: Path
    size: int = 0
    chunk_count: int = 0


@dataclass(slots=True)
class Incoming:
    """A transfer that is under way."""

    message: Message
    partial: Partial
    owner: Snapshots
    digest: bytes = b""
    file: Any = field(init=False)

    def __post_init__(self) -> None:
        self.file = self.partial.path.open("ab")

    def take(self, chunk: Any) -> bool:
        """Keep a chunk; whether it was the last."""
        if chunk.last:
            self.digest = chunk.digest
            return True
        self.file.write(chunk.rows)
        self.partial.size += len(chunk.rows)
        self.partial.chunk_count += 1
        return False

    async def finish(self) -> Prepared:
        """Everything came: check it and make it ready; SnapshotRefused if it is no good."""
        self.file.flush()
        try:
            with self.partial.path.open("rb") as file:
                found = rows.read(file, self.partial.size, self.digest)
                return await self.owner.backend.prepare(known_format(found))
        except rows.RowsDamaged as error:
            raise SnapshotRefused(f"{self.partial.path}: {error}") from error
        finally:
            self.partial.path.unlink()

    def close(self) -> None:
        """The transfer has ended; what came of a broken one is kept."""
        self.file.close()
        if self.partial.path.exists():
            self.owner.keep(self.partial)


class Snapshots:
    """The snapshots that leave this member and those that come, the latter as files in `folder`."""

    def __init__(self, backend: Backend, folder: Path, random: Random) -> None:
        self.backend = backend
        self._folder = folder
        self._random = random
        self._numbers = count()
        self._held: dict[int, Outgoing] = {}
        self._partial: Partial | None = None
        folder.mkdir(exist_ok=True)
        for left_over in folder.iterdir():
            left_over.unlink()

    def outgoing(self, message: Message) -> Outgoing:
        """Rows at least as new as the message asks for: those of a broken transfer, or today's."""
        assert message.snapshot is not None, "a SNAP message has a snapshot"
        held = self._held.pop(message.to, None)
        if held is not None and held.is_open and held.metadata.index >= message.snapshot.metadata.index:
            assert held.timer is not None, "what is held is let go of some day"
            held.timer.cancel()
            return held
        if held is not None:
            held.close()
        snapshot = self.backend.snapshot()
        return Outgoing(self._random.getrandbits(63) + 1, snapshot, metadata_of(snapshot))

    def ended(self, to: int, outgoing: Outgoing, is_ok: bool) -> None:
        """A transfer has ended; one that broke off may go on for a while."""
        if is_ok:
            outgoing.close()
            return
        if to in self._held:
            self._held[to].close()
        self._held[to] = outgoing
        outgoing.timer = asyncio.get_running_loop().call_later(HOLD_SECONDS, outgoing.close)

    def incoming(self, head: Any) -> Incoming:
        """Begin to receive, or go on with what is kept."""
        partial, self._partial = self._partial, None
        if partial is not None and partial.token != head.token:
            partial.path.unlink()
            partial = None
        if partial is None:
            partial = Partial(head.token, self._folder / f"{next(self._numbers)}.rows")
        return Incoming(codec.message_from_pb(head.message), partial, self)

    def keep(self, partial: Partial) -> None:
        """Keep what came of a broken transfer, one at most."""
        if self._partial is not None:
            self._partial.path.unlink()
        self._partial = partial

    def close(self) -> None:
        """Let go of what is held."""
        for outgoing in self._held.values():
            outgoing.close()


def metadata_of(snapshot: Snapshot) -> SnapshotMetadata:
    """Where these rows stand in the log, and who belonged to the cluster then."""
    index, term = position(snapshot.get(META, APPLIED))
    return SnapshotMetadata(index, term, decode_conf_state(snapshot.get(META, CONF_STATE)))


def known_format(found: Iterable[BucketRow]) -> Iterator[BucketRow]:
    """The same rows, unless a newer release than ours wrote them."""
    for bucket, key, value in found:
        if bucket == META and key == FORMAT_KEY and (problem := refuse_format(value)):
            raise SnapshotRefused(problem)
        yield bucket, key, value
