"""Quotas as text: a quota and what there is -> what is used. Objects are as they are written by people."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from controllers.resource_quota.plan import Seen, plan
from kube.api import meta, quota
from kube.api.defaults import apply_defaults
from kube.api.meta import Object
from kube.api.resources import Resource, by_name
from tests import datadriven
from tests.controllers.rendering import render
from tests.controllers.test_plans import START, made

TESTDATA = Path(__file__).parent / "testdata" / "resource_quota"


def resource(name: str) -> Resource:
    found = by_name(name)
    assert found is not None, name
    return found


def described(kind: Resource, short: dict[str, Any]) -> Object:
    o = made(short, **{part: meta.deep_copy(short[part]) for part in ("spec", "status") if part in short})
    if "grace" in short:
        o["metadata"]["deletionGracePeriodSeconds"] = short["grace"]
    for container in meta.get(o, "spec", "containers", default=[]):
        container.setdefault("image", "i")
    apply_defaults(kind, o)
    return o


def handle(case: datadriven.Case) -> str:
    short: dict[str, Any] = yaml.safe_load(case.input)
    spec = {
        "hard": short["hard"],
        **{part: short[part] for part in ("scopes", "scopeSelector") if part in short},
    }
    status = {"hard": short["hard"], "used": short["used"]} if "used" in short else {}
    of = made({"name": "q"}, spec=spec, status=status)
    objects = {
        resource(name): [described(resource(name), each) for each in found]
        for name, found in short.items()
        if by_name(name) is not None and quota.names(resource(name), short["hard"])
    }
    charged = START - timedelta(seconds=short["charged"]) if "charged" in short else None
    now = START + timedelta(seconds=float(case.option("now", "0")))
    return render(plan(Seen(of, objects, charged), now), {meta.uid(of): of})


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.txt")), ids=lambda path: path.stem)
def test_plan(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, handle)
