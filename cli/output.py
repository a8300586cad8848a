"""Core: how objects and server-made Tables look on a terminal.

A Table's columns are as wide as their widest cell and three spaces apart; columns of priority 1 are for `-o
wide`.
After: k8s staging/src/k8s.io/cli-runtime/pkg/printers/tableprinter.go.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import yaml

from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import Resource

GAP = "   "


def table_text(table: Object, *, wide: bool = False, with_namespace: bool = False, prefix: str = "") -> str:
    """The lines of one Table."""
    return aligned(table_rows(table, wide=wide, with_namespace=with_namespace, prefix=prefix))


def table_rows(
    table: Object, *, wide: bool = False, with_namespace: bool = False, prefix: str = ""
) -> list[list[str]]:
    """Header and rows of one Table; `prefix` (`deployment.apps/`) goes before names when kinds are mixed."""
    columns = table["columnDefinitions"]
    shown = [i for i, column in enumerate(columns) if wide or not column.get("priority")]
    header = [columns[i]["name"].upper() for i in shown]
    rows = [[_cell(row["cells"][i]) for i in shown] for row in table["rows"]]
    for row in rows:
        row[0] = prefix + row[0]
    if with_namespace:
        header.insert(0, "NAMESPACE")
        for row, source in zip(rows, table["rows"], strict=True):
            row.insert(0, meta.namespace(source["object"]))
    return [header, *rows]


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as lines, each column as wide as its widest cell."""
    widths = widths_of(rows)
    lines = (GAP.join(map(str.ljust, row, widths)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def widths_of(rows: Sequence[Sequence[str]]) -> list[int]:
    """How wide each column of the rows is."""
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def _cell(value: Any) -> str:
    """A cell is a string, a number, a truth value or nothing; only its first line is shown."""
    if value is None:
        return "<none>"
    if isinstance(value, bool):
        return str(value).lower()
    first, *more = str(value).split("\n")
    return first + "..." if more else first


def as_yaml(o: Object) -> str:
    """The object as kubectl writes it: keys in alphabetical order."""
    text: str = yaml.dump(o, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, width=10**9)
    return text.rstrip("\n")


def as_json(o: Object) -> str:
    """The object as kubectl writes it: keys in alphabetical order, and nothing HTML would take for a tag."""
    text = json.dumps(o, indent=4, ensure_ascii=False, sort_keys=True)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def without_managed_fields(o: Object) -> Object:
    """The object without what only servers read, as `get` shows it."""
    metadata = {key: value for key, value in o.get("metadata", {}).items() if key != "managedFields"}
    return {**o, "metadata": metadata}


def qualified_name(resource: Resource, name: str) -> str:
    """`pod/nginx` or `deployment.apps/nginx`."""
    group = f".{resource.group}" if resource.group else ""
    return f"{resource.singular}{group}/{name}"


class _Dumper(yaml.SafeDumper):
    """PyYAML with Kubernetes' small differences: double quotes for what would not be read as text, blocks."""

    def choose_scalar_style(self) -> str:
        style: str = super().choose_scalar_style()
        assert isinstance(self.event, yaml.ScalarEvent), "only scalars have a style"
        is_text = self.event.implicit[0] and self.event.value
        return '"' if style == "'" and not is_text else style


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
