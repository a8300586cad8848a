"""Core: isSorted, sum, min and max of lists. (The C++ library takes no durations and times from these.)

After: k8s staging/src/k8s.io/apiserver/pkg/cel/library/lists.go
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from apiserver.cel.library.function import Function

SUMMABLE = ("int", "uint", "double")
COMPARABLE = (*SUMMABLE, "bool", "string", "bytes")
SORTABLE = (*COMPARABLE, "duration", "timestamp")


def _is_sorted(values: list[Any]) -> bool:
    return all(not later < earlier for earlier, later in pairwise(values))


def _sum(values: list[Any]) -> Any:
    total = sum(values)
    if isinstance(total, int) and not -(2**63) <= total < 2**63:
        raise ValueError("integer overflow")
    return total


def _extreme(name: str, of: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
    def extreme(values: list[Any]) -> Any:
        if not values:
            raise ValueError(f"{name} called on empty list")
        return of(values)

    return extreme


FUNCTIONS = (
    *(
        Function("isSorted", f"list_{of}_is_sorted_bool", (f"list({of})",), "bool", _is_sorted)
        for of in SORTABLE
    ),
    *(Function("sum", f"list_{of}_sum_{of}", (f"list({of})",), of, _sum) for of in SUMMABLE),
    *(
        Function("max", f"list_{of}_max_{of}", (f"list({of})",), of, _extreme("max", max))
        for of in COMPARABLE
    ),
    *(
        Function("min", f"list_{of}_min_{of}", (f"list({of})",), of, _extreme("min", min))
        for of in COMPARABLE
    ),
)
