"""Core: what a PriorityLevelConfiguration says, and how many seats that is of a server's.

    nominal   its part of all seats, by shares
    minimum   what it keeps whatever happens: nominal less what it lends
    maximum   nominal and what it may borrow

Seats are rounded up, so that every level with a share has one; all of them together are a few more than the
flags say, as in Kubernetes.

After: k8s staging/src/k8s.io/apiserver/pkg/util/flowcontrol/apf_controller.go, finishQueueSetReconfigsLocked
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from kube.api import meta
from kube.api.meta import Object

EXEMPT, QUEUE = "Exempt", "Queue"
# A request takes at most so much of its level, however wide it is.
WIDEST_PERCENT = 15


@dataclass(frozen=True, slots=True)
class PriorityLevel:
    """What matters of the object.

    borrowing_percent: None where there is no limit.
    queues: 0 where a request is refused rather than queued.
    """

    name: str
    uid: str
    is_exempt: bool
    shares: int
    lendable_percent: int = 0
    borrowing_percent: int | None = None
    queues: int = 0
    hand_size: int = 0
    queue_length: int = 0

    @classmethod
    def of(cls, o: Object) -> PriorityLevel:
        """Read it; validation has seen it, and defaults are filled in."""
        spec = o.get("spec") or {}
        is_exempt = spec.get("type") == EXEMPT
        part = spec.get("exempt" if is_exempt else "limited") or {}
        response = part.get("limitResponse") or {}
        queuing = (response.get("queuing") or {}) if response.get("type") == QUEUE else {}
        return cls(
            meta.name(o),
            meta.uid(o),
            is_exempt,
            part.get("nominalConcurrencyShares") or 0,
            part.get("lendablePercent") or 0,
            part.get("borrowingLimitPercent"),
            queuing.get("queues") or 0,
            queuing.get("handSize") or 0,
            queuing.get("queueLengthLimit") or 0,
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one level, in seats; `widest` is the most that one request takes."""

    nominal: int
    minimum: int
    maximum: int
    widest: int


def allot(levels: Iterable[PriorityLevel], seats: int) -> dict[str, Limits]:
    """Each level's limits, where the server has so many seats."""
    levels = list(levels)
    shares = sum(level.shares for level in levels)
    return {level.name: _limits(level, seats, shares) for level in levels}


def _limits(level: PriorityLevel, seats: int, shares: int) -> Limits:
    nominal = math.ceil(seats * level.shares / shares) if shares else 0
    borrowed = seats if level.borrowing_percent is None else _percent(nominal, level.borrowing_percent)
    widest = min(math.ceil(nominal * WIDEST_PERCENT / 100), nominal // max(level.hand_size, 1))
    minimum = nominal - _percent(nominal, level.lendable_percent)
    return Limits(nominal, minimum, nominal + borrowed, max(1, widest))


def _percent(seats: int, percent: int) -> int:
    return (seats * percent + 50) // 100
