"""Finished Jobs as text: a Job that finished at 0 seconds + now -> whether it goes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from controllers.ttl_after_finished.plan import Seen, plan
from kube.api import meta
from tests import datadriven
from tests.controllers.rendering import render
from tests.controllers.test_plans import START, made

TESTDATA = Path(__file__).parent / "testdata" / "ttl_after_finished"


def handle(case: datadriven.Case) -> str:
    short: dict[str, Any] = yaml.safe_load(case.input)
    status = {"type": short.get("finished", "Complete"), "status": str(short.get("is_so", True))}
    condition = {**status, "lastTransitionTime": meta.format_time(START)}
    spec = {"ttlSecondsAfterFinished": short["ttl"]} if "ttl" in short else {}
    job = made({"name": "j", **short}, spec=spec, status={"conditions": [condition]})
    now = START + timedelta(seconds=float(case.option("now", "0")))
    return render(plan(Seen(job, short.get("live", False)), now), {})


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.txt")), ids=lambda path: path.stem)
def test_plan(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, handle)
