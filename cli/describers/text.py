"""Core: the layout of `describe`: lines of cells, parted by tabs, in columns that fit their own neighbours.

A column is as wide as its widest cell among the lines around it that have that column, plus two spaces; a
line without the column ends it. So each paragraph has its own widths, and the last cell of a line needs
none.
After: Go's text/tabwriter, as k8s staging/src/k8s.io/kubectl/pkg/describe/describe.go uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from kube.api import meta
from kube.api.meta import Object

NONE = "<none>"
# It says again what the object says.
HIDDEN_ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
# Of an annotation in one line; in several, of each of them with its indent.
ANNOTATION_MAX = 140
PADDING = 2
INDENT = "  "


class Writer:
    """Collects lines; `level` indents, a tab ends a column."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def line(self, text: str, level: int = 0) -> None:
        self._lines.append(INDENT * level + text)

    def field(self, name: str, value: object, level: int = 0) -> None:
        self.line(f"{name}:\t{value}", level)

    def mapping(self, name: str, values: Mapping[str, str], separator: str, level: int = 0) -> None:
        """Labels and the like: one a line, the first beside the name."""
        pairs = [f"{key}{separator}{value}" for key, value in sorted(values.items())] or [NONE]
        self.line(f"{name}:\t{pairs[0]}", level)
        for pair in pairs[1:]:
            self.line(f"\t{pair}")

    def annotations(self, o: Object, level: int = 0) -> None:
        """Those of an object; a long one, or one of several lines, has lines of its own.

        After: k8s staging/src/k8s.io/kubectl/pkg/describe/describe.go, printAnnotationsMultiline.
        """
        lines: list[str] = []
        for key, whole in sorted(meta.annotations(o).items()):
            value = whole.removesuffix("\n")
            if key == HIDDEN_ANNOTATION:
                continue
            if len(f"{key}: {value}".encode()) <= ANNOTATION_MAX and "\n" not in value:
                lines.append(f"{key}: {value}")
            else:
                lines += [f"{key}:", *(f"{INDENT}{_shortened(each)}" for each in value.split("\n"))]
        self.line(f"Annotations:\t{lines[0] if lines else NONE}", level)
        for each in lines[1:]:
            self.line(f"\t{each}")

    def raw(self) -> str:
        """The lines with their tabs, which is how kubectl shows the template of a revision."""
        return "\n".join(self._lines)

    def text(self) -> str:
        return "\n".join(elastic([line.split("\t") for line in self._lines]))


def _shortened(text: str) -> str:
    """Cut as kubectl does, by bytes; a letter that would be cut in two is left out."""
    encoded, most = text.encode(), ANNOTATION_MAX - len(INDENT)
    return text if len(encoded) <= most else encoded[:most].decode(errors="ignore") + "..."


def elastic(rows: list[list[str]]) -> list[str]:
    """Lay out rows of cells; every cell but a row's last belongs to a column."""
    laid = [""] * len(rows)
    _lay_out(rows, laid, 0, len(rows), 0)
    return laid


def _lay_out(rows: list[list[str]], laid: list[str], first: int, end: int, column: int) -> None:
    """Lay out rows[first:end] from this column on."""
    i = first
    while i < end:
        if len(rows[i]) <= column + 1:
            laid[i] += rows[i][column] if column < len(rows[i]) else ""
            i += 1
            continue
        block = i
        while block < end and len(rows[block]) > column + 1:
            block += 1
        width = max(len(rows[j][column]) for j in range(i, block)) + PADDING
        for j in range(i, block):
            laid[j] += rows[j][column].ljust(width)
        _lay_out(rows, laid, i, block, column + 1)
        i = block


def timestamp(text: str | None) -> str:
    """A time as Kubernetes prints it in descriptions: `Mon, 02 Jan 2006 15:04:05 +0000`."""
    if not text:
        return "<unset>"
    at: datetime = meta.parse_time(text)
    return at.strftime("%a, %d %b %Y %H:%M:%S +0000")
