"""Text tests of what kinds demand: create and update, to the errors or to what was filled in.

create                 the object, as one would POST it
update [subresource]   before, then `---`, then after
delete [grace=] [policy=]
cron                   schedules, one a line
convert                an object to its other version, and back where that is not the same
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from apiserver.registry import deletion, status
from apiserver.registry.conversion import from_stored, is_stored, to_stored
from apiserver.registry.deletion import DeleteOptions, Keep
from apiserver.registry.kinds import strategy_of
from apiserver.registry.validation import validate_create, validate_update
from kube.api import cron_schedule, meta
from kube.api.defaults import apply_defaults
from kube.api.errors import StatusError
from kube.api.resources import RESOURCES, Resource, by_kind
from kube.api.schema import Schemas
from tests import datadriven
from tests.datadriven import Case

FOLDER = Path(__file__).parent / "testdata" / "registry"
NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_registry(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, handle)


def handle(case: Case) -> str:
    try:
        match case.command:
            case "create":
                return show(created(read(case.input)), read(case.input))
            case "update":
                before, after = (read(text) for text in case.input.split("---\n"))
                return update(before, after, case.args[0] if case.args else "")
            case "delete":
                return delete(read(case.input), case)
            case "convert":
                return convert(read(case.input))
            case "cron":
                lines = case.input.splitlines()
                return "\n".join(f"{line}: {cron_schedule.mistake(line) or 'ok'}" for line in lines)
    except StatusError as error:
        return f"{error.code} {error.message}"
    raise AssertionError(case.command)


def convert(o: Any) -> str:
    resource = resource_of(o)
    other = next(each for each in RESOURCES if each.kind == resource.kind and each is not resource)
    there, back = (from_stored, to_stored) if is_stored(resource) else (to_stored, from_stored)
    which = other if is_stored(resource) else resource
    new = there(which, o)
    again = back(which, new)
    shown = [new] if again == o else [new, again]
    return "---\n".join(yaml.safe_dump(each, sort_keys=False, width=200) for each in shown).strip()


def read(text: str) -> Any:
    return yaml.safe_load(text)


def resource_of(o: Any) -> Resource:
    found = by_kind(o["apiVersion"], o["kind"])
    assert found is not None, o
    return found


def created(o: Any) -> Any:
    resource = resource_of(o)
    Schemas.load().prune(resource.gvk, o)
    o["metadata"] |= {"uid": "u1"} | ({"namespace": "default"} if resource.namespaced else {})
    status.prepare_create(resource, o)
    apply_defaults(resource, o)
    strategy_of(resource).prepare_create(o)
    validate_create(resource, o)
    return o


def update(before: Any, after: Any, subresource: str) -> str:
    resource = resource_of(before)
    old = created(before)
    new = meta.deep_copy(old) | after | {"metadata": old["metadata"] | after.get("metadata", {})}
    Schemas.load().prune(resource.gvk, new)
    status.prepare_update(resource, subresource, new, old)
    apply_defaults(resource, new)
    if not subresource:
        strategy_of(resource).prepare_update(new, old)
    status.count_generation(resource, new, old)
    validate_update(resource, new, old, subresource)
    return show(new, old)


def delete(o: Any, case: Case) -> str:
    grace = case.options.get("grace")
    options = DeleteOptions(
        grace_period_seconds=int(grace) if grace else None, propagation_policy=case.options.get("policy")
    )
    plan = deletion.plan_deletion(strategy_of(resource_of(o)), o, options, NOW)
    if not isinstance(plan, Keep):
        return "remove"
    return "keep\n" + show(plan.o, o) if plan.o is not None else "keep as it is"


def show(new: Any, old: Any) -> str:
    """What is not as it was, one path a line."""
    lines: list[str] = []
    compare(new, old, "", lines)
    return "\n".join(lines) or "no change"


def compare(new: Any, old: Any, path: str, lines: list[str]) -> None:
    if isinstance(new, dict) and isinstance(old, dict):
        for key in sorted({*new, *old}):
            compare(new.get(key), old.get(key), f"{path}.{key}" if path else key, lines)
    elif isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        for index, (a, b) in enumerate(zip(new, old, strict=True)):
            compare(a, b, f"{path}[{index}]", lines)
    elif new != old:
        text = yaml.safe_dump(new, default_flow_style=True, width=1000).replace("\n...", "").strip()
        lines.append(f"{path}: {text}")
