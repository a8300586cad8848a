"""Golden Tables: YAML objects in, the text kubectl prints of our Table out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from apiserver.printers.registry import PRINTERS, table
from kube.api.meta import parse_time
from kube.api.resources import RESOURCES, by_name
from tests import datadriven
from tests.datadriven import Case

TESTDATA = Path(__file__).parent / "testdata" / "printers"


def render(answer: dict[str, Any], wide: bool) -> str:
    """Lay a Table out as kubectl does: three blanks between columns, wide columns when asked for."""
    columns = answer["columnDefinitions"]
    shown = [i for i, column in enumerate(columns) if wide or column["priority"] == 0]
    rows = [[columns[i]["name"].upper() for i in shown]]
    rows += [[text(row["cells"][i]) for i in shown] for row in answer["rows"]]
    widths = [max(len(row[i]) for row in rows) + 3 for i in range(len(shown))]
    return "\n".join("".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def text(cell: Any) -> str:
    return str(cell).lower() if isinstance(cell, bool) else str(cell)


def handle(case: Case) -> str:
    resource = by_name(case.args[0])
    assert resource is not None
    now = parse_time(case.option("now", "2030-01-01T00:10:00Z"))
    objects = [o for o in yaml.safe_load_all(case.input) if o]
    answer = table(resource, now, case.option("include", "Metadata")).of(objects, {})
    if case.command == "rows":
        return str(yaml.safe_dump(answer["rows"], sort_keys=False, default_flow_style=None, width=110))
    return render(answer, "wide" in case.args)


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.txt")), ids=lambda path: path.stem)
def test_text(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, handle)


def test_every_printer_has_a_golden() -> None:
    goldens = "".join(path.read_text() for path in TESTDATA.glob("*.txt"))
    for group, kind in PRINTERS:
        resource = next((each for each in RESOURCES if (each.group, each.kind) == (group, kind)), None)
        if resource is None:
            continue
        assert any(f"table {name}" in goldens for name in (resource.plural, resource.qualified)), kind


def test_every_row_fits_its_columns() -> None:
    now = parse_time("2030-01-01T00:10:00Z")
    for (group, kind), printer in PRINTERS.items():
        bare = {"metadata": {"name": "x"}, "kind": kind}
        assert len(printer.row(bare, now)) == len(printer.columns), (group, kind)
