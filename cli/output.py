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
    """The lines of one Table; `prefix` (`deployment.apps/`) is put before names when kinds are mixed."""
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
    return aligned([header, *rows])


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as lines, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (GAP.join(map(str.ljust, row, widths)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


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
    """The object as kubectl writes it."""
    return json.dumps(o, indent=4, ensure_ascii=False)


def qualified_name(resource: Resource, name: str) -> str:
    """`pod/nginx` or `deployment.apps/nginx`."""
    group = f".{resource.group}" if resource.group else ""
    return f"{resource.singular}{group}/{name}"


class _Dumper(yaml.SafeDumper):
    """PyYAML with Kubernetes' small differences: double quotes, and text of several lines as a block."""

    def choose_scalar_style(self) -> str:
        style: str = super().choose_scalar_style()
        return '"' if style == "'" else style


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
