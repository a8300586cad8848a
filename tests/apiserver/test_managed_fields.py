"""Text tests of ownership and server-side apply: one object a file, written by several managers.

    create manager=m | update manager=m | apply manager=m [force=true] [time=N]

Prints what the object says and who owns what.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from apiserver.registry import managed_fields
from apiserver.registry.managed_fields import APPLY, UPDATE, Manager
from kube.api import meta
from kube.api.errors import StatusError
from kube.api.patch.field_paths import dotted
from kube.api.resources import Resource, by_kind
from tests import datadriven
from tests.datadriven import Case

FOLDER = Path(__file__).parent / "testdata" / "managed_fields"
START = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_managed_fields(path: Path, request: pytest.FixtureRequest) -> None:
    world: dict[str, Any] = {}
    datadriven.run(path, request, lambda case: handle(case, world))


def handle(case: Case, world: dict[str, Any]) -> str:
    said = yaml.safe_load(case.input)
    now = START + timedelta(seconds=int(case.options.get("time", "0")))
    name = case.options["manager"]
    if case.command == "create":
        managed_fields.created(resource_of(said), said, Manager(name, UPDATE, said["apiVersion"]), now)
        world["now"] = said
        return show(said)
    live = world.get("now") or {"apiVersion": said["apiVersion"], "kind": said["kind"], "metadata": {}}
    resource = resource_of(live)
    if case.command == "update":
        new = meta.deep_copy(said)
        new["metadata"]["managedFields"] = meta.deep_copy(live["metadata"].get("managedFields"))
        managed_fields.updated(resource, new, live, Manager(name, UPDATE, live["apiVersion"]), now)
    else:
        assert case.command == "apply", case.command
        manager = Manager(name, APPLY, live["apiVersion"])
        force = case.options.get("force") == "true"
        try:
            new = managed_fields.applied(resource, live, said, manager, now, force=force)
        except StatusError as error:
            return f"{error.code} {error.message}"
    world["now"] = new
    return show(new)


def resource_of(o: Any) -> Resource:
    found = by_kind(o["apiVersion"], o["kind"])
    assert found is not None
    return found


def show(o: Any) -> str:
    entries = managed_fields.read(o)
    bare = meta.deep_copy(o)
    bare["metadata"].pop("managedFields", None)
    del bare["apiVersion"], bare["kind"]
    lines = [yaml.safe_dump(bare, default_flow_style=True, width=1000, sort_keys=False).strip()]
    for entry in entries:
        owned = " ".join(dotted(path) for path in sorted(entry.fields))
        lines.append(f"{entry.manager.operation} {entry.manager.name} {entry.time[17:19]}: {owned}")
    return "\n".join(lines)
