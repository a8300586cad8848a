"""Core: a function of Kubernetes' CEL library as a row of a table: its name, what it takes and gives.

Types are written as CEL writes them (`string`, `list(int)`), or as the name of an opaque type of types.py. An
opaque value is a text to the functions here: they are given it, and give it. A function that cannot answer
raises ValueError with what the user should read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Function:
    """One overload; `is_member`: it is called on its first parameter, `a.f(b)`."""

    name: str
    id: str
    parameters: tuple[str, ...]
    result: str
    implementation: Callable[..., Any]
    is_member: bool = True
