"""Shell: what callers of a member wait for: that a leader is known, that an index is applied, a fresh read.

A linearizable read asks the leader how far the log is committed (ReadIndex) and waits until that much is
applied here. Reads share rounds: whoever comes while one is under way waits for the next, which began after
him, so a thousand readers cost as much as one.

Invariants: a read is answered from a state that holds everything acknowledged before it began.
After: Raft thesis 6.4; etcd server/etcdserver/v3_server.go, linearizableReadLoop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from etcdlite.raft.messages import NONE, ReadState
from etcdlite.raft.raw_node import RawNode

RETRY_SECONDS = 0.5
STALE_SECONDS = 0.01


class Waits:
    """Everyone who waits, told by the node as things happen."""

    def __init__(self, raft: RawNode, wake: asyncio.Event, next_id: Callable[[], int]) -> None:
        self.leader_id = NONE
        self.applied = 0
        self._raft = raft
        self._wake = wake
        self._next_id = next_id
        self._for_leader: list[asyncio.Future[None]] = []
        self._for_index: list[tuple[int, asyncio.Future[None]]] = []
        self._next_round: asyncio.Future[None] | None = None
        self._read_wanted = asyncio.Event()
        self._asked: tuple[bytes, asyncio.Future[int]] | None = None

    # ---- what the node tells

    def leader_is(self, leader_id: int) -> None:
        """Another member leads, or none."""
        self.leader_id = leader_id
        if leader_id != NONE:
            for future in self._for_leader:
                resolve(future)
            self._for_leader.clear()

    def applied_is(self, index: int) -> None:
        """The state machine has come this far."""
        self.applied = index
        waiting, self._for_index = self._for_index, []
        for wanted, future in waiting:
            if wanted <= index:
                resolve(future)
            elif not future.done():
                self._for_index.append((wanted, future))

    def read_is(self, state: ReadState) -> None:
        """The leader answered a question of ours."""
        if self._asked is not None and self._asked[0] == state.context and not self._asked[1].done():
            self._asked[1].set_result(state.index)

    # ---- what callers ask

    async def leader(self, seconds: float) -> bool:
        """Whether a leader is known, at the latest after so long."""
        if self.leader_id == NONE:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._for_leader.append(future)
            await asyncio.wait((future,), timeout=seconds)
        return self.leader_id != NONE

    async def index(self, index: int) -> None:
        """Return when the entry at this index is applied here."""
        if self.applied < index:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._for_index.append((index, future))
            await future

    async def read(self) -> None:
        """Return when the state here holds everything acknowledged before the call."""
        if self._next_round is None:
            self._next_round = asyncio.get_running_loop().create_future()
            self._read_wanted.set()
        await asyncio.shield(self._next_round)

    # ---- the rounds

    async def run(self) -> None:
        """One round of ReadIndex after another, for whoever waits when it begins."""
        while True:
            await self._read_wanted.wait()
            self._read_wanted.clear()
            waiting, self._next_round = self._next_round, None
            assert waiting is not None, "a read is wanted by someone"
            await self.index(await self._read_index())
            resolve(waiting)

    async def _read_index(self) -> int:
        """How far the log was committed after this call began: the leader's word, asked until it comes."""
        while True:
            future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            context = self._next_id().to_bytes(8, "big")
            self._asked = (context, future)
            if self._raft.read_index(context):
                self._wake.set()
                await asyncio.wait((future,), timeout=RETRY_SECONDS)
            elif self.leader_id == NONE:
                await self.leader(RETRY_SECONDS)
            else:  # Raft has lost its leader just now; the next Ready will tell so here
                await asyncio.sleep(STALE_SECONDS)
            if future.done():
                return future.result()


def resolve(future: asyncio.Future[None]) -> None:
    """Answer a caller, unless he gave up."""
    if not future.done():
        future.set_result(None)
