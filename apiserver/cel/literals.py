"""Core: refuses a text in an expression that could never be what it stands for: a duration, time or pattern.

After: github.com/google/cel-go cel/validator.go
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from apiserver.cel import tree

# Only expressions with one of these are looked at.
MARKS = re.compile(r"(duration|timestamp|matches)\s*\(")
# What tries a literal.
TRIALS = {"duration": "duration({})", "timestamp": "timestamp({})", "matches": "''.matches({})"}


def is_to_be_checked(text: str) -> bool:
    """Whether there may be something for `problems` to find."""
    return MARKS.search(text) is not None


def problems(text: str, serialized: bytes, has_value: Callable[[str], bool]) -> str:
    """What is wrong with the literals of a compiled text, as CEL says it; `has_value` tries an expression."""
    checked = tree.read(serialized)
    positions = {entry.key: entry.value for entry in checked.source_info.positions}
    found = []
    for node in tree.nodes(checked.expr):
        argument = _literal(node)
        function = node.call_expr.function
        if argument is None or has_value(
            TRIALS[function].format(json.dumps(argument.const_expr.string_value))
        ):
            continue
        found.append(_placed(text, positions[argument.id], f"invalid {function} argument"))
    return "\n".join(found)


def _literal(node: Any) -> Any:
    """The text that a call is given, where it is written there."""
    if node.call_expr.function not in TRIALS or not node.call_expr.args:
        return None
    last = node.call_expr.args[-1]
    return last if last.const_expr.HasField("string_value") else None


def _placed(text: str, offset: int, said: str) -> str:
    line = text.count("\n", 0, offset)
    column = offset - (text.rfind("\n", 0, offset) + 1)
    return (
        f"ERROR: <input>:{line + 1}:{column + 1}: {said}\n | {text.split(chr(10))[line]}\n | {'.' * column}^"
    )
