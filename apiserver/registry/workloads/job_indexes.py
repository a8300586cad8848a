"""Core: the indexes of a Job's pods as text, such as `1,3-5,7`.

After: k8s pkg/apis/batch/validation/validation.go, validateIndexesFormat
"""

from __future__ import annotations

import re


def count(text: str, completions: int) -> int:
    """How many indexes it names; ValueError says why it is not such a text."""
    total, last = 0, -1
    for part in text.split(",") if text else ():
        first, final = _interval(part, completions)
        if last >= first:
            raise ValueError(f"non-increasing order, previous: {last}, current: {first}")
        total += final - first + 1
        last = final
    return total


def _interval(part: str, completions: int) -> tuple[int, int]:
    limits = part.split("-")
    if len(limits) > 2:
        text = "violates the requirement that an index interval can have at most two parts separated by '-'"
        raise ValueError(f'the fragment "{part}" {text}')
    first = _index(limits[0], completions)
    if len(limits) == 1:
        return first, first
    last = _index(limits[1], completions)
    if first >= last:
        raise ValueError(f"non-increasing order, previous: {first}, current: {last}")
    return first, last


def _index(text: str, completions: int) -> int:
    if not re.fullmatch("[0-9]+", text, re.ASCII):
        raise ValueError(f'cannot convert string to integer for index: "{text}"')
    if int(text) >= completions:
        raise ValueError(f'too large index: "{text}"')
    return int(text)
