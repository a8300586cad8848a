"""describe.txt: objects and what is told of them, byte for byte as kubectl tells it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cli.describers.table import describe
from cli.describers.text import elastic
from cli.describers.view import View
from kube.api.meta import parse_time
from kube.api.resources import by_kind
from tests import datadriven

HERE = Path(__file__).parent


def handle(case: datadriven.Case) -> str:
    if case.command == "elastic":
        laid = elastic([line.replace("|", "\t").split("\t") for line in case.input.splitlines()])
        return "\n".join(line.rstrip() + "." for line in laid)
    first, *others = list(yaml.safe_load_all(case.input))
    related: dict[str, list[dict[str, object]]] = {}
    for other in others:
        resource = by_kind(other["apiVersion"], other["kind"])
        assert resource is not None
        related.setdefault(resource.plural, []).append(other)
    events = related.pop("events", [])
    resource = by_kind(first["apiVersion"], first["kind"])
    assert resource is not None
    text = describe(resource, View(first, parse_time(case.option("now", "")), events, related))
    # A case file has no blanks at the ends of its lines.
    return "\n".join(line.rstrip() for line in text.splitlines())


def test_describe_text(request: pytest.FixtureRequest) -> None:
    datadriven.run(HERE / "describe.txt", request, handle)
