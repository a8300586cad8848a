"""Core: `-o custom-columns=NAME:.metadata.name,...` and `--sort-by`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cli import jsonpath, output
from cli.errors import CliError
from kube.api.meta import Object


def custom(spec: str, objects: Sequence[Object]) -> str:
    """A table of the columns that the user named."""
    columns = []
    for part in spec.split(","):
        header, colon, path = part.partition(":")
        if not colon:
            raise CliError(f"unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>")
        columns.append((header, path))
    rows = [[_cell(jsonpath.values(path, o)) for _, path in columns] for o in objects]
    return output.aligned([[header for header, _ in columns], *rows])


def _cell(values: Sequence[Any]) -> str:
    return ",".join(map(_go, values)) or "<none>"


def _go(value: Any) -> str:
    """A value as Go prints it, which is what kubectl shows in a column."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_go(each)}' for key, each in sorted(value.items()))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(_go, value))}]"
    return jsonpath.text(value)


def sort_key(path: str, o: Object) -> tuple[int, float, str]:
    """What to sort objects by: what has no value first, then numbers, then text."""
    found = jsonpath.values(path, o)
    if not found:
        return (0, 0.0, "")
    if isinstance(found[0], int | float):
        return (1, float(found[0]), "")
    return (2, 0.0, str(found[0]))
