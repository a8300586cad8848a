"""Core: the last step of transformMap and transformMapEntry: a map, and what is to be in it too.

After: github.com/google/cel-go ext/comprehensions.go, mapInsert
"""

from __future__ import annotations

from itertools import product
from typing import Any

from apiserver.cel.library.function import Function

KEYS = ("bool", "int", "uint", "string")
VALUES = (
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "null",
    "list(dyn)",
    "map(dyn, dyn)",
    "duration",
    "timestamp",
)
NAME = "@inserted"


def _inserted(made: dict[Any, Any], key: Any, value: Any) -> dict[Any, Any]:
    return _joined(made, {key: value})


def _joined(made: dict[Any, Any], more: dict[Any, Any]) -> dict[Any, Any]:
    for key in more:
        if key in made:
            raise ValueError(f"insert failed: key {key} already exists")
    return {**made, **more}


FUNCTIONS = (
    *(
        Function(
            NAME,
            f"{NAME}_{key}_{value.partition('(')[0]}",
            ("map(dyn, dyn)", key, value),
            "map(dyn, dyn)",
            _inserted,
            is_member=False,
        )
        for key, value in product(KEYS, VALUES)
    ),
    Function(
        NAME, f"{NAME}_map", ("map(dyn, dyn)", "map(dyn, dyn)"), "map(dyn, dyn)", _joined, is_member=False
    ),
)
