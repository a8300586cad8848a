"""JSONPath templates, custom columns and orders, as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cli import columns, jsonpath
from cli.errors import CliError
from tests import datadriven

PODS: list[dict[str, Any]] = [
    {
        "metadata": {"name": "a", "labels": {"x": "1", "app.kubernetes.io/name": "web"}},
        "status": {"phase": "Running", "ready": True, "restarts": 1},
    },
    {"metadata": {"name": "b"}, "status": {"phase": "Pending", "ready": False, "restarts": 10}},
]
ROOT = {"kind": "List", "items": PODS}


def handle(case: datadriven.Case) -> str:
    word = case.header[-1].removeprefix(case.command).strip().strip("'\"")
    try:
        if case.command == "columns":
            return columns.custom(word, PODS) + "$"
        if case.command == "sort":
            found = sorted(PODS, key=lambda pod: columns.sort_key(word, pod))
            return " ".join(pod["metadata"]["name"] for pod in found) + "$"
        return jsonpath.render(word, ROOT) + "$"
    except CliError as error:
        return f"error: {error}$"


def test_jsonpath(request: pytest.FixtureRequest) -> None:
    datadriven.run(Path(__file__).with_name("jsonpath.txt"), request, handle)
