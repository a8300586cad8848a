"""The text tests of kube.api: one command language for selectors, patches, schemas and protobuf."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube.api import defaults, fields, labels, protobuf, quantity, table
from kube.api.errors import FieldError, StatusError
from kube.api.fields import FieldSelector
from kube.api.gvk import GroupVersionKind
from kube.api.hashing import safe_encode, template_hash
from kube.api.meta import deep_copy
from kube.api.patch import json_merge, json_patch, strategic
from kube.api.resources import by_name
from kube.api.schema import Schemas
from tests import datadriven
from tests.datadriven import Case

FILES = sorted((Path(__file__).parent / "testdata").glob("*.txt"))


def show(value: Any) -> str:
    return str(yaml.safe_dump(value, sort_keys=False, default_flow_style=None, width=110)).removesuffix(
        "...\n"
    )


def gvk_of(case: Case, o: dict[str, Any]) -> GroupVersionKind:
    return GroupVersionKind.of(o.get("apiVersion", "v1"), o.get("kind", case.option("kind", "")))


def label_lines(case: Case) -> str:
    """Each input line is a label set; the answer is which of them the selector matches."""
    selector = labels.Selector.parse(case.option("selector", ""))
    if "selector" not in case.options:
        selector = labels.Selector.from_label_selector(yaml.safe_load(case.option("spec", "null")))
    lines = [f"selector: {selector}" if str(selector) else "selector is empty"]
    for line in case.input.splitlines():
        have = dict(pair.split("=") for pair in line.split(",") if pair and pair != "-")
        lines.append(f"{line}: {selector.matches(have)}")
    return "\n".join(lines)


def field_lines(case: Case) -> str:
    resource = by_name(case.args[0])
    assert resource is not None
    selector = FieldSelector.parse(case.option("selector", ""))
    selector = fields.understood(resource, selector)
    found = fields.selectable_fields(resource, yaml.safe_load(case.input) or {})
    return f"{selector}: {selector.matches(found)}"


def quantity_lines(case: Case) -> str:
    lines = []
    for line in case.input.splitlines():
        try:
            parsed = quantity.parse(line)
        except ValueError as error:
            lines.append(f"{line} -> {error}")
        else:
            lines.append(f"{line} -> {parsed} value={parsed.value()} milli={parsed.milli_value()}")
    return "\n".join(lines)


def patch(case: Case) -> str:
    """The input is the original and the patch, as two YAML documents."""
    original, change = yaml.safe_load_all(case.input)
    before = deep_copy(original)
    match case.args[0]:
        case "json":
            result = json_patch.apply(original, change)
        case "merge":
            result = json_merge.apply(original, change)
        case _:
            kind = Schemas.load().type_of(gvk_of(case, original))
            assert kind is not None
            result = strategic.apply(original, change, kind)
    assert original == before, "a patch leaves the original alone"
    return show(result)


def merge_value(case: Case) -> str:
    """The examples of RFC 7386, whose targets are not only objects."""
    lines = []
    for line in case.input.splitlines():
        target, change = (json.loads(part) for part in line.split(" + "))
        lines.append(f"{line} = {json.dumps(json_merge.merge(target, change), separators=(',', ':'))}")
    return "\n".join(lines)


def prune(case: Case) -> str:
    o = yaml.safe_load(case.input)
    unknown = Schemas.load().prune(gvk_of(case, o), o)
    again = deep_copy(o)
    assert Schemas.load().prune(gvk_of(case, o), again) == []
    assert again == o, "decoding twice changes nothing more"
    missing = [str(error) for error in Schemas.load().validate(gvk_of(case, o), o)]
    return "\n".join([*unknown, *missing, show(o)])


def default(case: Case) -> str:
    o = yaml.safe_load(case.input)
    defaults.apply_defaults(gvk_of(case, o), o)
    again = deep_copy(o)
    defaults.apply_defaults(gvk_of(case, o), again)
    assert again == o, "defaults applied twice change nothing more"
    return show(o)


def durations(case: Case) -> str:
    return "\n".join(
        f"{line} -> {table.human_duration(timedelta(seconds=float(line)))}"
        for line in case.input.splitlines()
    )


def hashes(case: Case) -> str:
    if "encode" in case.options:
        return safe_encode(case.options["encode"])
    count = case.options.get("collisions")
    return template_hash(yaml.safe_load(case.input), int(count) if count else None)


def decode(case: Case) -> str:
    return show(protobuf.decode(base64.b64decode(case.input)))


def field_errors(case: Case) -> str:
    make = getattr(FieldError, case.args[0])
    return str(make(*(yaml.safe_load(line) for line in case.input.splitlines())))


COMMANDS = {
    "labels": label_lines,
    "fields": field_lines,
    "quantity": quantity_lines,
    "patch": patch,
    "merge": merge_value,
    "prune": prune,
    "default": default,
    "duration": durations,
    "hash": hashes,
    "protobuf": decode,
    "field-error": field_errors,
}


def handle(case: Case) -> str:
    try:
        return COMMANDS[case.command](case)
    except StatusError as error:
        return f"{error.code} {error.reason}: {error.message}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_text(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, handle)
