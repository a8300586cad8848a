"""CronJobs and finished Jobs on a real API server; the test plays the Job controller."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from controllers.main import CONTROLLERS, Settings
from controllers.selection import selected
from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import CRON_JOBS, JOBS
from kube.base.clock import SystemClock
from tests.controllers.conftest import Managed, managing
from tests.support.wait import until_async

TEMPLATE = {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]}}


def minutes_ago(minutes: int) -> str:
    return meta.format_time(SystemClock().now().replace(second=0) - timedelta(minutes=minutes))


@pytest.fixture
async def managed() -> AsyncIterator[Managed]:
    """All controllers but the one that the test plays."""
    names = selected(("*", "-job-controller"), CONTROLLERS)
    async with managing(Settings(), names) as found:
        yield found


async def make(managed: Managed, schedule: str = "* * * * *", **spec: Any) -> None:
    metadata = {"name": "c", "namespace": "default"}
    template = {"metadata": {"labels": {"app": "c"}}, "spec": {"template": TEMPLATE}}
    made = {"schedule": schedule, "jobTemplate": template, **spec}
    await managed.client.create(CRON_JOBS, {"metadata": metadata, "spec": made})


async def back_to(managed: Managed, minutes: int) -> None:
    """As if the last Job had been started that long ago."""
    status = {"status": {"lastScheduleTime": minutes_ago(minutes)}}
    await managed.client.patch(CRON_JOBS, "default", "c", status, subresource="status")


async def jobs(managed: Managed, count: int) -> list[Object]:
    async def check() -> list[Object] | None:
        items: list[Object] = (await managed.client.list(JOBS, "default"))["items"]
        return items if len(items) == count else None

    found = await until_async(f"{count} jobs", check)
    assert found is not None
    return found


async def finish(managed: Managed, name: str, kind: str = "Complete") -> None:
    now = meta.format_time(SystemClock().now())
    conditions = [
        {"type": each, "status": "True", "lastTransitionTime": now, "lastProbeTime": now}
        for each in ("SuccessCriteriaMet" if kind == "Complete" else "FailureTarget", kind)
    ]
    status: Object = {"startTime": now, "conditions": conditions}
    if kind == "Complete":
        status["completionTime"] = now
    await managed.client.patch(JOBS, "default", name, {"status": status}, subresource="status")


def names(cron_job: Object) -> list[str]:
    return [each["name"] for each in meta.get(cron_job, "status", "active", default=[]) if "uid" in each]


async def test_a_job_is_started_followed_and_kept(managed: Managed) -> None:
    # Once a year, so that the minute does not turn while the test runs.
    await make(managed, "@yearly", successfulJobsHistoryLimit=1)
    status = {"status": {"lastScheduleTime": "2025-01-01T00:00:00Z"}}
    await managed.client.patch(CRON_JOBS, "default", "c", status, subresource="status")
    [job] = await jobs(managed, 1)
    [reference] = meta.owner_references(job)
    assert (reference["kind"], reference["name"], reference["controller"]) == ("CronJob", "c", True)
    stamp = meta.annotations(job)["batch.kubernetes.io/cronjob-scheduled-timestamp"]
    assert meta.name(job) == f"c-{int(meta.parse_time(stamp).timestamp()) // 60}"
    cron_job = await managed.until(CRON_JOBS, "c", lambda o: names(o) == [meta.name(job)])
    assert cron_job["status"]["lastScheduleTime"] == stamp
    assert await managed.messages("SuccessfulCreate") == [f"Created job {meta.name(job)}"]
    await finish(managed, meta.name(job))
    cron_job = await managed.until(CRON_JOBS, "c", lambda o: "lastSuccessfulTime" in o["status"])
    assert "active" not in cron_job["status"]
    said = await managed.messages("SawCompletedJob")
    assert said == [f"Saw completed job: {meta.name(job)}, condition: Complete"]


async def test_a_job_in_the_way_is_replaced(managed: Managed) -> None:
    await make(managed, concurrencyPolicy="Replace")
    await back_to(managed, 5)
    [first] = await jobs(managed, 1)
    await managed.until(CRON_JOBS, "c", lambda o: names(o) == [meta.name(first)])
    # As if another Job had been started five minutes ago, and still ran.
    old = [{"kind": "Job", "apiVersion": "batch/v1", "name": "c-old", "namespace": "default"}]
    metadata = {"name": "c-old", "namespace": "default", "ownerReferences": meta.owner_references(first)}
    made = await managed.client.create(JOBS, {"metadata": metadata, "spec": {"template": TEMPLATE}})
    status = {"lastScheduleTime": minutes_ago(5), "active": [{**old[0], "uid": meta.uid(made)}]}
    await managed.client.delete(JOBS, "default", meta.name(first), propagation_policy="Background")
    # Else the controller, which may still see the first one, would take it for this minute's.
    await managed.until(CRON_JOBS, "c", lambda o: names(o) == [])
    await managed.client.patch(CRON_JOBS, "default", "c", {"status": status}, subresource="status")
    await managed.until_gone(JOBS, "c-old")
    await managed.until(CRON_JOBS, "c", lambda o: names(o) not in ([], ["c-old"]))
    assert "Deleted job c-old" in await managed.messages("SuccessfulDelete")


async def test_history_is_bounded(managed: Managed) -> None:
    await make(managed, "@yearly", successfulJobsHistoryLimit=1, failedJobsHistoryLimit=0)
    cron_job = await managed.client.get(CRON_JOBS, "default", "c")
    owner = [meta.owner_reference(cron_job, CRON_JOBS)]
    for name in ("a", "b", "c"):
        metadata = {"name": name, "namespace": "default", "ownerReferences": owner}
        await managed.client.create(JOBS, {"metadata": metadata, "spec": {"template": TEMPLATE}})
    assert len(await managed.messages("UnexpectedJob", 3)) >= 3
    for name, kind in (("a", "Complete"), ("b", "Complete"), ("c", "Failed")):
        await finish(managed, name, kind)
    [kept] = await jobs(managed, 1)
    assert meta.name(kept) == "b"


async def test_a_finished_job_goes_when_its_time_is_over(managed: Managed) -> None:
    for name, seconds in (("a", 0), ("b", 3600)):
        metadata = {"name": name, "namespace": "default"}
        spec = {"template": TEMPLATE, "ttlSecondsAfterFinished": seconds}
        await managed.client.create(JOBS, {"metadata": metadata, "spec": spec})
        await finish(managed, name)
    await managed.until_gone(JOBS, "a")
    [kept] = await jobs(managed, 1)
    assert meta.name(kept) == "b"
    patch = {"spec": {"ttlSecondsAfterFinished": 0}}
    await managed.client.patch(JOBS, "default", "b", patch)
    await managed.until_gone(JOBS, "b")
