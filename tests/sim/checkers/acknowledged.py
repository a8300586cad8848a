"""No lost acknowledged write: what a client was told is done, every member knows in the end."""

from __future__ import annotations

from tests.sim.checkers.history import History
from tests.sim.checkers.linearizability import Call, writes
from tests.sim.member import Member


class Acknowledged:
    """The writes that clients were told are done."""

    def __init__(self, history: History) -> None:
        self._history = history
        self.calls: list[Call] = []

    def answered(self, call: Call) -> None:
        if writes(call):
            self.calls.append(call)

    def check_end(self, member: Member, settled_revision: int) -> None:
        """In peace: a member has caught up, and its keys are those the history says."""
        store = member.node.store
        told = (call.response.header.revision for call in self.calls)
        newest = max((revision for revision in told if revision <= settled_revision), default=0)
        assert store.revision >= newest, f"member {member.id} ends at {store.revision}, {newest} was told"
        found, _ = store.range(b"\0", b"\0")
        expected = self._history.within(b"\0", b"\0", store.revision)
        assert found == expected, f"member {member.id} ends with {found}, acknowledged was {expected}"
