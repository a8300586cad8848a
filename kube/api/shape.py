"""Core: how deep a document may be, of how many values, and how long its lists: what comes later goes through
it in recursion, field by field.

    problem([[[...]]])   exceeded max depth

A value that stands in several places, as YAML's aliases make them, counts in each. Real Kubernetes takes
documents 10000 deep, which no kind of its own has a use for, and any number of values in 3 MiB: it serves
others meanwhile, on other processors.
"""

from __future__ import annotations

from typing import Any

# orjson writes 254 levels, and Python has 1000 calls; what wraps an object needs some of both.
DEPTH_MAX = 200
# The objects of a cluster have hundreds; a list of a thousand endpoints has 20,000.
VALUES_MAX = 100_000
# Names in a list must differ, and some rules look for each among all others.
LIST_MAX = 10_000
TOO_DEEP = "exceeded max depth"
TOO_MANY = f"more than {VALUES_MAX} values"
TOO_LONG = f"a list of more than {LIST_MAX} elements"


def problem(document: Any) -> str:
    """What is wrong with the shape of a JSON-shaped document; nothing for most."""
    level, depth, count = [document], 0, 0
    while level:
        count += len(level)
        if count > VALUES_MAX:
            return TOO_MANY
        if depth > DEPTH_MAX:
            return TOO_DEEP
        depth += 1
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below += value.values()
            elif isinstance(value, list):
                if len(value) > LIST_MAX:
                    return TOO_LONG
                below += value
            if len(below) > VALUES_MAX:
                return TOO_MANY
        level = below
    return ""
