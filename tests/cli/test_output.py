"""Tables, YAML and names as kubectl prints them."""

from __future__ import annotations

from typing import Any

from cli import output
from kube.api.resources import DEPLOYMENTS, PODS


def table(*rows: list[Any]) -> dict[str, Any]:
    return {
        "columnDefinitions": [
            {"name": "Name", "priority": 0},
            {"name": "Ready", "priority": 0},
            {"name": "Node", "priority": 1},
        ],
        "rows": [{"cells": row, "object": {"metadata": {"namespace": "here"}}} for row in rows],
    }


def test_columns_fit_and_lines_end_without_blanks() -> None:
    text = output.table_text(table(["a", "1/1", "n"], ["longer", True, None]))
    assert text == "NAME     READY\na        1/1\nlonger   true"


def test_wide_shows_what_has_less_priority() -> None:
    text = output.table_text(table(["a", 3, None]), wide=True)
    assert text == "NAME   READY   NODE\na      3       <none>"


def test_all_namespaces_come_first() -> None:
    text = output.table_text(table(["a", "1/1", "n"]), with_namespace=True, prefix="pod/")
    assert text == "NAMESPACE   NAME    READY\nhere        pod/a   1/1"


def test_only_the_first_line_of_a_cell_is_shown() -> None:
    assert "first..." in output.table_text(table(["a", "first\nsecond", "n"]))


def test_yaml_quotes_as_kubernetes_does() -> None:
    text = output.as_yaml({"b": "1", "a": "true", "c": "plain", "d": "one\ntwo\n", "e": [], "f": None})
    assert text == 'a: "true"\nb: "1"\nc: plain\nd: |\n  one\n  two\ne: []\nf: null'


def test_names_carry_their_group() -> None:
    assert output.qualified_name(PODS, "a") == "pod/a"
    assert output.qualified_name(DEPLOYMENTS, "a") == "deployment.apps/a"
