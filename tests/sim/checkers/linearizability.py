"""Linearizability: every answered call took effect at one moment between its question and its answer.

All changes carry a revision, and revisions are one order. So it is enough that this order agrees with real
time (a call answered before another was asked has no higher revision), and that each answer says what the
history says at its revision. And nothing acknowledged is lost: the change a call was told of is in the
history that all members end up with.
"""

from __future__ import annotations

from etcdlite.commands import DeleteRangeRequest, PutRequest, PutResult, TxnRequest, TxnResult
from etcdlite.errors import Refusal
from etcdlite.mvcc.key_value import KeyValue
from tests.sim.clients import Call


class History:
    """What each revision did to each key, as the first member that applied it saw it."""

    def __init__(self) -> None:
        self.changes: dict[int, dict[bytes, bytes | None]] = {}

    def committed(self, at_revision: int, changes: list[KeyValue]) -> None:
        change = {kv.key: kv.value if kv.version else None for kv in changes}
        known = self.changes.setdefault(at_revision, change)
        assert known == change, f"two members disagree on revision {at_revision}"

    def restored(self) -> None:
        """A state put in place whole is checked by its hash."""

    def value_at(self, key: bytes, revision: int) -> bytes | None:
        for at in range(revision, 0, -1):
            if key in self.changes.get(at, {}):
                return self.changes[at][key]
        return None


class Linearizability:
    def __init__(self, history: History) -> None:
        self._history = history
        self._newest_answered = 0
        self._floor_of: dict[int, int] = {}

    def asked(self, calls: list[Call]) -> None:
        """Remember what had been answered when a call was asked."""
        for call in calls:
            self._floor_of.setdefault(call.id, self._newest_answered)

    def answered(self, call: Call) -> None:
        floor = self._floor_of[call.id]
        assert call.revision >= floor, (
            f"call {call} saw revision {call.revision}, {floor} was answered before"
        )
        self._newest_answered = max(self._newest_answered, call.revision)
        if call.command is None:
            expected = self._history.value_at(call.key, call.revision)
            assert call.value == expected, f"call {call} read {call.value!r}, the history says {expected!r}"
        elif not isinstance(call.result, Refusal):
            self._check_write(call)

    def _check_write(self, call: Call) -> None:
        put = call.command
        if isinstance(put, TxnRequest):
            assert isinstance(call.result, TxnResult)
            branch = put.success if call.result.succeeded else put.failure
            put = branch[0] if branch and isinstance(branch[0], PutRequest | DeleteRangeRequest) else None
        change = self._history.changes.get(call.result.revision, {})
        if isinstance(put, PutRequest):
            assert isinstance(call.result, PutResult | TxnResult)
            assert change == {put.key: put.value}, f"{call} is not in the history: {change}"
            assert call.result.revision > self._floor_of[call.id], "a write is newer than all answered before"
