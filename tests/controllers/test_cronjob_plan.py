"""CronJobs as text: a CronJob and its Jobs in shorthand + now -> what is done. It was made at 0 o'clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from controllers.cronjob.controller import zone_of
from controllers.cronjob.plan import Seen, job_name, plan
from kube.api import meta
from kube.api.actions import Create
from kube.api.defaults import apply_defaults
from kube.api.meta import Object
from kube.api.resources import CRON_JOBS
from tests import datadriven
from tests.controllers.rendering import render
from tests.controllers.test_plans import START, made

TESTDATA = Path(__file__).parent / "testdata" / "cronjob"


def at(clock: str) -> datetime:
    """`10:05` or `10:05:30`, on the first day; `3d 10:05` is three days later."""
    days, _, time = clock.rpartition("d ")
    hour, minute, second = (int(each) for each in f"{time}:0".split(":")[:3])
    return START + timedelta(days=int(days or 0), hours=hour, minutes=minute, seconds=second)


def cron_job(short: dict[str, Any]) -> Object:
    status = dict(short.get("status", {}))
    for field in ("lastScheduleTime", "lastSuccessfulTime"):
        if field in status:
            status[field] = meta.format_time(at(status[field]))
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"template": {"spec": {}}}}
    of = made(
        {"name": "c", "age": 0, **short}, spec={"jobTemplate": template, **short["spec"]}, status=status
    )
    apply_defaults(CRON_JOBS, of)
    if "active" in status:
        status["active"] = [reference(of, each) for each in status["active"]]
    return of


def reference(of: Object, word: str) -> dict[str, Any]:
    """`10:05` was seen, `10:05?` was only created."""
    name = name_of(of, word.rstrip("?"))
    known = {} if word.endswith("?") else {"uid": f"uid-{name}", "resourceVersion": "7"}
    return {"kind": "Job", "namespace": "default", "name": name, "apiVersion": "batch/v1", **known}


def name_of(of: Object, word: str) -> str:
    return job_name(of, at(word)) if ":" in word else word


def job(of: Object, word: str) -> Object:
    """`10:05` is the Job of a time, at work; `10:05+` completed, `10:05-` failed."""
    bare = word.rstrip("+-!")
    found = made({"name": name_of(of, bare), "owners": ["c!"], "deleted": word.endswith("!")})
    start = at(bare) if ":" in bare else START
    status: dict[str, Any] = {"startTime": meta.format_time(start)}
    if word.endswith(("+", "-")):
        kind = "Complete" if word.endswith("+") else "Failed"
        status["conditions"] = [{"type": kind, "status": "True"}]
    if word.endswith("+"):
        status["completionTime"] = meta.format_time(start + timedelta(seconds=30))
    return {**found, "status": status}


def handle(case: datadriven.Case) -> str:
    short = yaml.safe_load(case.input)
    of = cron_job(short)
    jobs = [job(of, word) for word in str(short.get("jobs", "")).split()]
    gone = {name_of(of, each) for each in short.get("gone", [])}
    now = at(case.args[0] if len(case.args) == 1 else " ".join(case.args))
    actions = plan(Seen(of, jobs, gone, zone_of(of)), now)
    lines = render(actions, {meta.uid(of): of})
    if short.get("whole"):
        made_now = [each.object for each in actions if isinstance(each, Create)]
        lines += "\n" + yaml.safe_dump_all(made_now, sort_keys=True).rstrip()
    return lines


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.txt")), ids=lambda path: path.stem)
def test_plan(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, handle)


def test_zones() -> None:
    assert zone_of({"spec": {}}) is UTC
    assert zone_of({"spec": {"timeZone": "Europe/Berlin"}}) == ZoneInfo("Europe/Berlin")
    assert zone_of({"spec": {"timeZone": "Europe/Nowhere"}}) is None
