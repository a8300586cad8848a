"""Linearizability: every answered call took effect at one moment between its question and its answer.

All changes carry a revision, and revisions are one order. So it is enough that this order agrees with real
time (a call answered before another was asked has no higher revision, and a write a lower one), and that
every answer says what the history says at its revision. And of what was asked nothing is invented, done
twice, or done although it was refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from etcdlite.pb import rpc_pb2
from tests.sim.checkers.history import History, kv_of

REFUSALS = {"INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "OUT_OF_RANGE"}
"""Codes that say that nothing was done; after any other the outcome is unknown."""


@dataclass
class Call:
    """One request and what became of it. Without `answered_at` its outcome is unknown: it may happen yet."""

    id: int
    client: int
    member: int
    method: str
    request: Any
    asked_at: float
    answered_at: float | None = None
    response: Any = None
    refusal: str = ""

    def __str__(self) -> str:
        request = str(self.request).replace("\n", " ")
        return f"{self.method}({request}) of client {self.client} at member {self.member}, {self.asked_at}"


class Linearizability:
    """`asked` and `answered` are told in the order in which they happen."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._newest = 0
        self._floors: dict[int, int] = {}
        self._written: dict[bytes, Call] = {}
        self._checks: dict[str, Callable[[Any, Any, Any], None]] = {
            "Range": self._check_range,
            "Put": self._check_put,
            "DeleteRange": self._check_delete,
            "Txn": self._check_txn,
        }

    def asked(self, call: Call) -> None:
        """Remember what had been answered when a call was asked."""
        self._floors[call.id] = self._newest
        for value in values_in(call.request):
            self._written[value] = call

    def answered(self, call: Call) -> None:
        """A call was answered, and not refused. What concerns the life of a lease is no part of the order."""
        if call.method == "LeaseKeepAlive":
            return
        floor, header = self._floors[call.id], call.response.header
        assert header.revision >= floor, f"{call} saw {header.revision}, but {floor} was answered before"
        if writes(call):
            assert header.revision > floor, f"{call} is no newer than {floor}, which was answered before"
        self._newest = max(self._newest, header.revision)
        check = self._checks.get(call.method)
        if check is not None:
            try:
                check(call.request, call.response, header)
            except AssertionError as error:
                raise AssertionError(f"{call}: {error}") from error

    def check_end(self, key: bytes = b"\0", range_end: bytes = b"\0") -> None:
        """What the history has was asked, once, and not refused; in a range that no other client writes."""
        seen: dict[bytes, int] = {}
        for kv in self._history.events(key, range_end, 0, self._history.revision):
            if kv.is_tombstone:
                continue
            call = self._written.get(kv.value)
            assert call is not None, f"nobody asked for {kv}"
            assert not call.refusal, f"{call} was refused ({call.refusal}), and done: {kv}"
            assert seen.setdefault(kv.value, kv.mod_revision) == kv.mod_revision, f"{call} was done twice"

    # ---- what an answer says, and what the history says

    def _check_range(self, request: Any, response: Any, header: Any) -> None:
        at_revision = request.revision or header.revision
        found = self._history.within(request.key, request.range_end, at_revision)
        told = [kv_of(kv) for kv in response.kvs]
        assert told == found, f"read {told} at {at_revision}, the history says {found}"

    def _check_put(self, request: Any, response: Any, header: Any) -> None:
        changes = {kv.key: kv for kv in self._history.changes.get(header.revision, ())}
        assert request.key in changes, f"acknowledged, and not in the history: {changes}"
        kv = changes[request.key]
        assert (kv.value, kv.lease) == (request.value, request.lease), f"the history has {kv}"
        if request.prev_kv:
            self._check_previous(request.key, header.revision, response)

    def _check_previous(self, key: bytes, revision: int, response: Any) -> None:
        before = self._history.at(key, revision - 1)
        told = kv_of(response.prev_kv) if response.HasField("prev_kv") else None
        assert told == before, f"told of {told} before it, the history says {before}"

    def _check_delete(self, request: Any, response: Any, header: Any) -> None:
        revision = header.revision - 1 if response.deleted else header.revision
        gone = self._history.within(request.key, request.range_end, revision)
        assert response.deleted == len(gone), f"deleted {response.deleted}, the history says {gone}"
        if response.deleted:
            after = self._history.within(request.key, request.range_end, header.revision)
            assert not after, f"acknowledged, and not gone: {after}"
        if request.prev_kv:
            assert [kv_of(kv) for kv in response.prev_kvs] == gone, f"told of {response.prev_kvs}, not {gone}"

    def _check_txn(self, request: Any, response: Any, header: Any) -> None:
        operations = request.success if response.succeeded else request.failure
        pairs = list(zip(operations, response.responses, strict=True))
        before = header.revision - 1 if any(changes_something(*pair) for pair in pairs) else header.revision
        holds = all(self._holds(compare, before) for compare in request.compare)
        assert holds == response.succeeded, f"succeeded={response.succeeded}, the history says {holds}"
        for operation, result in pairs:
            kind = operation.WhichOneof("request")
            inner = getattr(result, result.WhichOneof("response"))
            check = {"request_put": self._check_put, "request_delete_range": self._check_delete}.get(kind)
            if check is not None:
                check(getattr(operation, kind), inner, header)
            elif before == header.revision:
                self._check_range(operation.request_range, inner, header)

    def _holds(self, compare: Any, revision: int) -> bool:
        assert (compare.target, compare.result) == (rpc_pb2.Compare.MOD, rpc_pb2.Compare.EQUAL), (
            "no other is asked"
        )
        kv = self._history.at(compare.key, revision)
        return (kv.mod_revision if kv else 0) == compare.mod_revision


def operations_in(request: Any) -> list[Any]:
    """The puts, deletions and ranges a request may do."""
    if not isinstance(request, rpc_pb2.TxnRequest):
        return [request]
    both = (*request.success, *request.failure)
    return [getattr(operation, operation.WhichOneof("request")) for operation in both]


def values_in(request: Any) -> list[bytes]:
    """The values a request may write; each request has values of its own."""
    return [inner.value for inner in operations_in(request) if isinstance(inner, rpc_pb2.PutRequest)]


def changes_something(operation: Any, result: Any) -> bool:
    """Did an operation of a transaction write?"""
    if operation.HasField("request_delete_range"):
        return bool(result.response_delete_range.deleted)
    return bool(operation.HasField("request_put"))


def writes(call: Call) -> bool:
    """Did an answered call surely make a revision?"""
    if call.method == "Txn":
        operations = call.request.success if call.response.succeeded else call.request.failure
        return any(map(changes_something, operations, call.response.responses))
    return call.method == "Put" or (call.method == "DeleteRange" and call.response.deleted > 0)
