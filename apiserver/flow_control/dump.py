"""Core: the levels and their queues as text, as `/debug/api_priority_and_fairness/dump_*` shows them.

Queues with nothing to do are not shown: there are none.

After: k8s staging/src/k8s.io/apiserver/pkg/util/flowcontrol/apf_controller_debug.go
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from apiserver.flow_control.dispatcher import CANCELLED, TIME_OUT, Level

COLUMN_CHARS_MIN = 8
LEVELS = (
    "PriorityLevelName",
    "ActiveQueues",
    "IsIdle",
    "IsQuiescing",
    "WaitingRequests",
    "ExecutingRequests",
    "DispatchedRequests",
    "RejectedRequests",
    "TimedoutRequests",
    "CancelledRequests",
)
QUEUES = (
    "PriorityLevelName",
    "Index",
    "PendingRequests",
    "ExecutingRequests",
    "SeatsInUse",
    "NextDispatchR",
    "InitialSeatsSum",
    "MaxSeatsSum",
    "TotalWorkSum",
)
Rows = Iterable[tuple[object, ...]]


def dump_levels(levels: Iterable[Level], dispatched: Counter[str], rejected: Counter[tuple[str, str]]) -> str:
    """A line for each level; what was dispatched is counted by level, what was rejected by reason, too."""
    return _table([LEVELS, *(_level(level, dispatched, rejected) for level in levels)])


def _level(level: Level, dispatched: Counter[str], rejected: Counter[tuple[str, str]]) -> tuple[object, ...]:
    name, queues = level.spec.name, level.queues
    return (
        name,
        sum(bool(queue.waiting) for queue in queues.queues.values()),
        level.is_idle,
        level.is_leaving,
        queues.waiting,
        level.executing,
        dispatched[name],
        sum(count for (at, _), count in rejected.items() if at == name),
        rejected[name, TIME_OUT],
        rejected[name, CANCELLED],
    )


def dump_queues(levels: Iterable[Level]) -> str:
    """A line for each queue."""
    return _table([QUEUES, *(row for level in levels for row in _queues(level))])


def _queues(level: Level) -> Iterator[tuple[object, ...]]:
    for _, queue in sorted(level.queues.queues.items()):
        work = f"{queue.work_waiting:.8f}ss"
        waiting = (queue.seats_waiting, queue.seats_waiting, work)
        yield (
            level.spec.name,
            queue.index,
            len(queue.waiting),
            queue.executing,
            queue.seats_executing,
            f"{queue.next_r:.8f}ss",
            *waiting,
        )


def _table(rows: Rows) -> str:
    """Columns with commas after them, one below the other."""
    texts = [[_text(cell) for cell in row] for row in rows]
    cells = [[f"{cell}," for cell in row[:-1]] + row[-1:] for row in texts]
    widths = [
        max(COLUMN_CHARS_MIN, *(len(cell) + 1 for cell in column)) for column in zip(*cells, strict=True)
    ]
    lines = (
        "".join(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)) + row[-1]
        for row in cells
    )
    return "\n".join(lines) + "\n"


def _text(cell: object) -> str:
    return str(cell).lower() if isinstance(cell, bool) else str(cell)
