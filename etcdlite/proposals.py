"""Shell: who waits for which entry of the log, and what must be proposed, perhaps again.

    submit --> due --give--> Raft (all that are due as one append) --> applied --answer--> the caller
                ^                                                          |
                '---- an entry of a later term was applied: it was lost ---'

A proposal goes to the leader of the term it was made in, and to no other. So once an entry of a later term is
applied, one that is still missing can never come, and is proposed again: a caller rides out the loss of a
leader, and nothing is applied twice.

Invariants: a caller is answered once; a proposal under way in a term is not made again in that term.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import count
from typing import Any

from etcdlite.errors import Refusal
from etcdlite.raft.messages import ConfChange
from etcdlite.raft.raw_node import ProposalDropped, RawNode


@dataclass(slots=True)
class Pending:
    """A proposal somebody waits for; `term` is the term it was last proposed in, 0: not yet.

    `only_in_term` is the one term in which it may be proposed, 0: any.
    """

    data: bytes
    conf_change: ConfChange | None
    future: asyncio.Future[Any]
    only_in_term: int = 0
    term: int = 0


class Proposals:
    """The proposals of this member. `wake` tells the loop that there is something to give."""

    def __init__(self, raft: RawNode, wake: asyncio.Event, first_request_id: int) -> None:
        self._raft = raft
        self._wake = wake
        self._ids = count(first_request_id)
        self._pending: dict[int, Pending] = {}
        self._due: list[Pending] = []

    def __len__(self) -> int:
        return len(self._pending)

    def next_id(self) -> int:
        """A number for a request, by which its entry is known when it comes back."""
        return next(self._ids)

    async def submit(
        self, request_id: int, data: bytes, conf_change: ConfChange | None = None, *, only_in_term: int = 0
    ) -> Any:
        """Wait for the result of a proposal, for ever: the caller sets the limit.

        What may be proposed in one term only is refused once that has passed.
        """
        pending = Pending(data, conf_change, asyncio.get_running_loop().create_future(), only_in_term)
        self._pending[request_id] = pending
        self._due.append(pending)
        self._wake.set()
        try:
            return await pending.future
        finally:
            self._pending.pop(request_id, None)

    def give(self) -> None:
        """Hand what is due to Raft; what it drops (leadership is being handed on) stays due."""
        bound = [pending for pending in self._due if pending.only_in_term]
        if bound:
            term = self._raft.status().term
            self._refuse(
                [pending for pending in bound if pending.only_in_term != term], Refusal.LEADER_CHANGED
            )
        due, self._due = [pending for pending in self._due if not pending.future.done()], []
        plain = [pending for pending in due if pending.conf_change is None]
        try:
            if plain:
                term = self._raft.propose_all([pending.data for pending in plain])
                for pending in plain:
                    pending.term = term
        except ProposalDropped:
            self._due += plain
        for pending in due:
            if pending.conf_change is not None:
                self._give_change(pending, pending.conf_change)

    def _give_change(self, pending: Pending, conf_change: ConfChange) -> None:
        try:
            pending.term = self._raft.propose_conf_change(conf_change)
        except ProposalDropped:
            self._due.append(pending)

    def applied_term(self, term: int) -> None:
        """An entry of this term was applied: what was proposed in an earlier one and is not here is lost."""
        self._due += [pending for pending in self._pending.values() if 0 < pending.term < term]
        for pending in self._due:
            pending.term = 0

    def answer(self, request_id: int, result: Any) -> None:
        """The entry of this request was applied."""
        pending = self._pending.get(request_id)
        if pending is not None and not pending.future.done():
            pending.future.set_result(result)

    def lose_track(self) -> None:
        """A snapshot may hold what is under way, or not: nobody here can tell."""
        self._refuse([pending for pending in self._pending.values() if pending.term], Refusal.TIMEOUT)

    def refuse_all(self, refusal: Refusal) -> None:
        """Nothing will be proposed any more."""
        self._refuse(list(self._pending.values()), refusal)

    def _refuse(self, pendings: list[Pending], refusal: Refusal) -> None:
        for pending in pendings:
            if not pending.future.done():
                pending.future.set_result(refusal)
