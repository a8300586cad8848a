"""The state machine and its watches, told as text: testdata/*.txt.

put KEY VALUE [lease=] [prev-kv] [ignore-value] [ignore-lease]     delete KEY [END] [prev-kv]
range KEY [END] [rev=] [limit=] [sort=mod-desc] [count-only]       txn (lines: if ..., then ..., else ...)
compact REV / compact-step [rows=]                                 grant ID / revoke ID
watch NAME KEY [END] [from=] [no-put] [no-delete] / poll NAME      history / restart
An END of `prefix` means all keys that begin with KEY, `...` all keys from KEY on.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from etcdlite.apply import Applier
from etcdlite.commands import (
    Command,
    CompactionRequest,
    Compare,
    CompareResult,
    CompareTarget,
    DeleteRangeRequest,
    DeleteRangeResult,
    LeaseGrantRequest,
    LeaseRevokeRequest,
    Operation,
    PutRequest,
    PutResult,
    RangeRequest,
    RangeResult,
    SortOrder,
    SortTarget,
    TxnRequest,
    TxnResult,
)
from etcdlite.errors import Refusal
from etcdlite.lease.lessor import Lessor
from etcdlite.mvcc.backend import MemoryBackend
from etcdlite.mvcc.key_value import KeyValue
from etcdlite.mvcc.store import Store
from etcdlite.mvcc.watch import Cursor, Cursors
from etcdlite.ranges import range_or_refuse
from tests import datadriven

TESTDATA = Path(__file__).parent / "testdata"
RELATIONS = {
    "=": CompareResult.EQUAL,
    "!": CompareResult.NOT_EQUAL,
    ">": CompareResult.GREATER,
    "<": CompareResult.LESS,
}


class World:
    """A store, and what can be asked of it in text."""

    def __init__(self) -> None:
        self.backend = MemoryBackend()
        self.index = 0
        self.cursors: dict[str, Cursor] = {}
        self.woken: list[str] = []
        self.open()

    def open(self) -> None:
        self.store = Store(self.backend)
        self.applier = Applier(self.backend, self.store, Lessor(self.backend))
        self.watches = Cursors(self.store)

    def handle(self, case: datadriven.Case) -> str:
        self.woken = []
        words = [case.command, *case.args, *(f"{name}={value}" for name, value in case.options.items())]
        match case.command:
            case "compact":
                answer = self.apply(CompactionRequest(int(case.args[0])))
            case "compact-step":
                self.store.compact_step(int(case.option("rows", "100")))
                answer = "more to do" if self.store.is_compacting else "done"
            case "grant":
                answer = self.apply(LeaseGrantRequest(int(case.args[0]), 10))
            case "revoke":
                answer = self.apply(LeaseRevokeRequest(int(case.args[0])))
            case "txn":
                answer = self.apply(transaction([shlex.split(line) for line in case.input.split("\n")]))
            case "watch":
                answer = self.watch(case)
            case "poll":
                answer = self.poll(case.args[0])
            case "history":
                answer = "\n".join(shown(kv) for kv in self.store.changes_since(0))
            case "restart":
                self.open()
                answer = f"revision {self.store.revision}, compacted {self.store.compacted}"
            case "range":
                answer = result_text(range_or_refuse(self.store, operation(words)))  # type: ignore[arg-type]
            case _:
                answer = self.apply(operation(words))  # type: ignore[arg-type]
        return "\n".join([answer, *(f"wakes {name}" for name in self.woken)])

    def apply(self, command: Command) -> str:
        self.index += 1
        return result_text(self.applier.apply(self.index, 1, command))

    def watch(self, case: datadriven.Case) -> str:
        name, key, end = (*case.args, "")[:3]
        flags = {f"no_{kind}": f"no-{kind}" in case.args for kind in ("put", "delete")}
        cursor = self.watches.open(
            key.encode(),
            range_end(key, end),
            int(case.option("from", "0")),
            lambda _: self.woken.append(name),
            **flags,
        )
        if isinstance(cursor, Refusal):
            return cursor.text
        self.cursors[name] = cursor
        return state(cursor)

    def poll(self, name: str) -> str:
        cursor = self.cursors[name]
        if not cursor.is_behind:
            return "live"
        events = self.watches.poll(cursor)
        if isinstance(events, Refusal):
            return events.text
        return "\n".join([*map(shown, events), state(cursor)])


def state(cursor: Cursor) -> str:
    return f"behind at {cursor.next_revision}" if cursor.is_behind else f"live at {cursor.next_revision}"


def range_end(key: str, end: str) -> bytes:
    if end == "prefix":
        return key[:-1].encode() + bytes([ord(key[-1]) + 1])
    return b"" if end.startswith("no-") else end.replace("...", "\0").encode()


def operation(words: list[str]) -> Operation:
    """`put a 1 lease=5`, `delete a c`, `range a prefix rev=3 limit=1`, as written."""
    options = dict(word.split("=", 1) for word in words if "=" in word)
    flags = [
        name
        for name in ("prev-kv", "ignore-value", "ignore-lease", "count-only", "keys-only")
        if name in words
    ]
    verb, key, *rest = [word for word in words if word not in flags and "=" not in word]
    match verb:
        case "put":
            return PutRequest(
                key.encode(),
                "".join(rest).encode(),
                int(options.get("lease", "0")),
                "prev-kv" in flags,
                "ignore-value" in flags,
                "ignore-lease" in flags,
            )
        case "delete":
            return DeleteRangeRequest(key.encode(), range_end(key, "".join(rest)), "prev-kv" in flags)
        case "range":
            target, order = (
                (*options["sort"].split("-"), "none")[:2] if "sort" in options else ("key", "none")
            )
            return RangeRequest(
                key.encode(),
                range_end(key, "".join(rest)),
                int(options.get("limit", "0")),
                int(options.get("rev", "0")),
                {"none": SortOrder.NONE, "asc": SortOrder.ASCEND, "desc": SortOrder.DESCEND}[order],
                SortTarget[target.upper()],
                "keys-only" in flags,
                "count-only" in flags,
                min_mod_revision=int(options.get("min-mod", "0")),
                max_create_revision=int(options.get("max-create", "0")),
            )
    raise ValueError(words)


def transaction(lines: list[list[str]]) -> TxnRequest:
    """`if mod a = 3`, `then put a 1`, `else range a`; deeper ones begin with their branch: `then if ...`."""
    compares, inner = [], {"then": [], "else": []}  # type: ignore[var-annotated]
    for word, *rest in lines:
        if word == "if":
            target, key, relation, operand, *end = rest
            compare_target = CompareTarget[target.upper()]
            given = operand.encode() if compare_target is CompareTarget.VALUE else int(operand)
            compares.append(
                Compare(
                    key.encode(), compare_target, RELATIONS[relation], given, range_end(key, "".join(end))
                )
            )
        else:
            inner[word].append(rest)
    return TxnRequest(tuple(compares), branch(inner["then"]), branch(inner["else"]))


def branch(lines: list[list[str]]) -> tuple[Operation, ...]:
    nested = [line for line in lines if line[0] in ("if", "then", "else")]
    plain = tuple(operation(line) for line in lines if line not in nested)
    return (*plain, transaction(nested)) if nested else plain


def shown(kv: KeyValue) -> str:
    if kv.is_tombstone:
        return f"{kv.mod_revision}: {kv.key.decode()} deleted"
    lease = f" lease={kv.lease}" if kv.lease else ""
    generation = f"create={kv.create_revision} version={kv.version}{lease}"
    return f"{kv.mod_revision}: {kv.key.decode()}={kv.value.decode()} {generation}"


def result_text(result: object) -> str:
    match result:
        case Refusal():
            return result.text
        case PutResult(revision, prev_kv):
            return f"put, revision {revision}" + (f", was {shown(prev_kv)}" if prev_kv else "")
        case DeleteRangeResult(revision, deleted, prev_kvs):
            return "\n".join(
                [f"deleted {deleted}, revision {revision}", *(f"  was {shown(kv)}" for kv in prev_kvs)]
            )
        case RangeResult(revision, kvs, more, count):
            head = f"{count} keys{' and more' if more else ''}, revision {revision}"
            return "\n".join([head, *(f"  {shown(kv)}" for kv in kvs)])
        case TxnResult(revision, succeeded, responses):
            inner = [f"  {line}" for response in responses for line in result_text(response).split("\n")]
            return "\n".join([f"{'then' if succeeded else 'else'}, revision {revision}", *inner])
    return f"ok, revision {result.revision}"  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.txt")), ids=lambda path: path.stem)
def test_text(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, World().handle)
