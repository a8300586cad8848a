"""Jobs on a real API server; kubelets are played by the test."""

from __future__ import annotations

from typing import Any

import pytest

from controllers.job import backoff
from controllers.job.job_pods import COMPLETION_INDEX, FINALIZER, INDEX_FAILURES
from kube.api import conditions, errors, meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import JOBS, PODS
from tests.controllers.conftest import Managed
from tests.controllers.test_in_process import CONTAINER
from tests.support.wait import until_async

SELECTOR = "batch.kubernetes.io/job-name=work"


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits after a failure; how long is tested in the plans."""
    monkeypatch.setattr(backoff, "FIRST", backoff.timedelta(0))


def job(**spec: Any) -> Object:
    template = {"spec": {"containers": [CONTAINER], "restartPolicy": "Never"}}
    return {"metadata": {"name": "work", "namespace": "default"}, "spec": {"template": template} | spec}


def indexed(completions: int, **spec: Any) -> Object:
    return job(completionMode="Indexed", completions=completions, **{"parallelism": completions} | spec)


async def running(managed: Managed) -> list[Object]:
    found = await managed.pods(SELECTOR)
    return [each for each in found if each["status"].get("phase", "Pending") not in ("Succeeded", "Failed")]


async def until_running(managed: Managed, count: int) -> list[Object]:
    async def check() -> list[Object] | bool:
        found = await running(managed)
        return (found or True) if len(found) == count else False

    found = await until_async(f"{count} pods run", check)
    return found if isinstance(found, list) else []


async def end(managed: Managed, pod: Object, phase: str, code: int = 0) -> None:
    """Play the kubelet of a pod that ends."""
    state = {"terminated": {"exitCode": code, "finishedAt": "2026-01-01T00:00:00Z"}}
    status = {"phase": phase, "containerStatuses": [{"name": "c", "state": state}]}
    name = meta.name(pod)
    await managed.client.patch(PODS, "default", name, {"status": status}, subresource="status")


async def change(managed: Managed, **spec: Any) -> None:
    await managed.client.patch(JOBS, "default", "work", {"spec": spec})


async def until_over(managed: Managed, kind: str) -> Object:
    return await managed.until(JOBS, "work", lambda o: conditions.is_true(o, kind))


def at(pods: list[Object], index: int) -> Object:
    return next(each for each in pods if each["metadata"]["labels"][COMPLETION_INDEX] == str(index))


def counts(o: Object) -> dict[str, Any]:
    parts = ("active", "ready", "terminating", "succeeded", "failed", "uncountedTerminatedPods")
    return {part: o["status"][part] for part in parts if part in o["status"]}


async def tracked(managed: Managed) -> list[str]:
    found = (await managed.client.list(PODS, "default", SELECTOR))["items"]
    return [meta.name(each) for each in found if FINALIZER in meta.finalizers(each)]


async def test_a_job_runs_its_pods_to_their_end(managed: Managed) -> None:
    await managed.client.create(JOBS, job(completions=3, parallelism=2))
    first = await until_running(managed, 2)
    assert all(FINALIZER in meta.finalizers(each) for each in first)
    await managed.until(JOBS, "work", lambda o: o["status"].get("active") == 2)
    for pod in first:
        await end(managed, pod, "Succeeded")
    (last,) = await until_running(managed, 1)
    await end(managed, last, "Succeeded")
    over = await until_over(managed, "Complete")
    assert counts(over) == {"ready": 0, "terminating": 0, "succeeded": 3, "uncountedTerminatedPods": {}}
    assert over["status"]["completionTime"] >= over["status"]["startTime"]
    assert [each["type"] for each in over["status"]["conditions"]] == ["SuccessCriteriaMet", "Complete"]
    assert over["status"]["conditions"][1]["reason"] == "CompletionsReached"
    assert await tracked(managed) == []
    assert await managed.messages("Completed") == ["Job completed"]
    assert len(await managed.messages("SuccessfulCreate", 3)) == 3
    assert len((await managed.client.list(PODS, "default", SELECTOR))["items"]) == 3


async def test_too_many_failures_end_it(managed: Managed) -> None:
    await managed.client.create(JOBS, job(backoffLimit=1))
    for _ in range(2):
        (pod,) = await until_running(managed, 1)
        await end(managed, pod, "Failed", 1)
    over = await until_over(managed, "Failed")
    assert counts(over) == {"ready": 0, "terminating": 0, "failed": 2, "uncountedTerminatedPods": {}}
    assert await managed.messages("BackoffLimitExceeded") == ["Job has reached the specified backoff limit"]
    assert await tracked(managed) == []


async def test_a_deadline_ends_it_and_its_pods(managed: Managed) -> None:
    await managed.client.create(JOBS, job(activeDeadlineSeconds=1, parallelism=2, completions=2))
    over = await until_over(managed, "Failed")
    assert conditions.find(over, "Failed")["reason"] == "DeadlineExceeded"  # type: ignore[index]
    assert over["status"]["failed"] == 2
    await managed.until_pods(0, SELECTOR)


async def test_a_suspended_job_has_no_pods(managed: Managed) -> None:
    await managed.client.create(JOBS, job(suspend=True, parallelism=2, completions=2))
    await managed.until(JOBS, "work", lambda o: conditions.is_true(o, "Suspended"))
    await change(managed, suspend=False)
    await until_running(managed, 2)
    await change(managed, suspend=True)
    await until_running(managed, 0)
    held = await managed.until(JOBS, "work", lambda o: not o["status"].get("active"))
    assert "failed" not in held["status"]
    await change(managed, suspend=False)
    for pod in await until_running(managed, 2):
        await end(managed, pod, "Succeeded")
    assert (await until_over(managed, "Complete"))["status"]["succeeded"] == 2
    assert await managed.messages("Resumed") == ["Job resumed"]
    assert await managed.messages("Suspended") == ["Job suspended"]


async def test_pods_know_their_index(managed: Managed) -> None:
    await managed.client.create(JOBS, indexed(3))
    pods = await until_running(managed, 3)
    second = at(pods, 1)
    assert meta.name(second).startswith("work-1-")
    assert second["spec"]["hostname"] == "work-1"
    assert meta.annotations(second)[COMPLETION_INDEX] == "1"
    assert second["spec"]["containers"][0]["env"][0]["name"] == "JOB_COMPLETION_INDEX"
    await end(managed, at(pods, 0), "Succeeded")
    await end(managed, at(pods, 2), "Succeeded")
    await managed.until(JOBS, "work", lambda o: o["status"].get("completedIndexes") == "0,2")
    await end(managed, second, "Succeeded")
    assert (await until_over(managed, "Complete"))["status"]["completedIndexes"] == "0-2"


async def test_indexes_fail_one_by_one(managed: Managed) -> None:
    await managed.client.create(JOBS, indexed(2, backoffLimitPerIndex=1))
    pods = await until_running(managed, 2)
    await end(managed, at(pods, 0), "Succeeded")
    await end(managed, at(pods, 1), "Failed", 1)
    (again,) = await until_running(managed, 1)
    assert meta.annotations(again)[INDEX_FAILURES] == "1"
    await end(managed, again, "Failed", 1)
    over = await until_over(managed, "Failed")
    assert (over["status"]["completedIndexes"], over["status"]["failedIndexes"]) == ("0", "1")
    assert (over["status"]["succeeded"], over["status"]["failed"]) == (1, 2)
    assert await managed.messages("FailedIndexes") == ["Job has failed indexes"]


async def test_an_indexed_job_grows_and_shrinks(managed: Managed) -> None:
    await managed.client.create(JOBS, indexed(2))
    await until_running(managed, 2)
    await change(managed, completions=4, parallelism=4)
    pods = await until_running(managed, 4)
    await end(managed, at(pods, 3), "Succeeded")
    await managed.until(JOBS, "work", lambda o: o["status"].get("completedIndexes") == "3")
    await change(managed, completions=1, parallelism=1)
    await managed.until(JOBS, "work", lambda o: not o["status"].get("succeeded"))
    (pod,) = await until_running(managed, 1)
    assert meta.labels(pod)[COMPLETION_INDEX] == "0"
    await end(managed, pod, "Succeeded")
    assert (await until_over(managed, "Complete"))["status"]["completedIndexes"] == "0"


async def test_some_failures_end_it_and_some_do_not_count(managed: Managed) -> None:
    codes = [("Ignore", 42), ("FailJob", 3)]
    rules = [
        {"action": action, "onExitCodes": {"operator": "In", "values": [code]}} for action, code in codes
    ]
    await managed.client.create(JOBS, job(backoffLimit=0, podFailurePolicy={"rules": rules}))
    (pod,) = await until_running(managed, 1)
    await end(managed, pod, "Failed", 42)
    (pod,) = await until_running(managed, 1)
    await end(managed, pod, "Failed", 3)
    over = await until_over(managed, "Failed")
    assert over["status"]["failed"] == 1
    text = f"Container c for pod default/{meta.name(pod)} failed with exit code 3"
    assert await managed.messages("PodFailurePolicy") == [f"{text} matching FailJob rule at index 1"]


async def test_a_leader_that_succeeds_is_enough(managed: Managed) -> None:
    policy = {"rules": [{"succeededIndexes": "0"}]}
    await managed.client.create(JOBS, indexed(3, successPolicy=policy))
    await end(managed, at(await until_running(managed, 3), 0), "Succeeded")
    over = await until_over(managed, "Complete")
    assert counts(over) == {"ready": 0, "terminating": 0, "succeeded": 1, "uncountedTerminatedPods": {}}
    assert conditions.find(over, "Complete")["reason"] == "SuccessPolicy"  # type: ignore[index]
    await until_running(managed, 0)


async def test_a_deleted_pod_has_failed_and_is_replaced(managed: Managed) -> None:
    await managed.client.create(JOBS, job())
    (pod,) = await until_running(managed, 1)
    await managed.client.delete(PODS, "default", meta.name(pod))
    await managed.until_gone(PODS, meta.name(pod))
    await managed.until(JOBS, "work", lambda o: o["status"].get("failed") == 1)
    (again,) = await until_running(managed, 1)
    assert meta.name(again) != meta.name(pod)


@pytest.mark.parametrize("policy", ["Background", "Foreground", "Orphan"])
async def test_a_deleted_job_lets_its_pods_go(managed: Managed, policy: str) -> None:
    await managed.client.create(JOBS, job(parallelism=2, completions=2))
    await until_running(managed, 2)
    await managed.client.delete(JOBS, "default", "work", propagation_policy=policy)
    await managed.until_gone(JOBS, "work")
    await managed.until_pods(2 if policy == "Orphan" else 0, SELECTOR)

    async def free() -> bool:
        return await tracked(managed) == []

    await until_async("no pod is held", free)


async def test_a_job_of_others_is_left_alone(managed: Managed) -> None:
    await managed.client.create(JOBS, job(managedBy="example.com/other"))
    other = job()
    other["metadata"]["name"] = "mine"
    await managed.client.create(JOBS, other)
    await managed.until(JOBS, "mine", lambda o: o["status"].get("active"))
    assert (await managed.client.get(JOBS, "default", "work"))["status"] == {}
    assert await running(managed) == []


async def test_pods_are_adopted_and_released(managed: Managed) -> None:
    labels = {"app": "hand-made"}
    pod = {"metadata": {"name": "orphan", "namespace": "default", "labels": labels}}
    await managed.client.create(PODS, pod | {"spec": {"containers": [CONTAINER], "restartPolicy": "Never"}})
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [CONTAINER], "restartPolicy": "Never"},
    }
    chosen = job(manualSelector=True, selector={"matchLabels": labels}, template=template)
    await managed.client.create(JOBS, chosen)
    adopted = await managed.until(PODS, "orphan", lambda o: meta.controller_of(o) is not None)
    assert FINALIZER in meta.finalizers(adopted)
    await managed.until(JOBS, "work", lambda o: o["status"].get("active") == 1)
    await managed.client.patch(PODS, "default", "orphan", {"metadata": {"labels": {"app": "free"}}})
    released = await managed.until(PODS, "orphan", lambda o: meta.controller_of(o) is None)
    assert FINALIZER not in meta.finalizers(released)
    await managed.until_pods(1, "app=hand-made")


async def test_a_job_at_rest_is_not_written(managed: Managed) -> None:
    await managed.client.create(JOBS, job())
    await until_running(managed, 1)
    before = await managed.until(JOBS, "work", lambda o: o["status"].get("active") == 1)
    other = job()
    other["metadata"]["name"] = "later"
    # When another Job has got its pod, whatever was to be done for the first was done.
    await managed.client.create(JOBS, other)
    await managed.until(JOBS, "later", lambda o: o["status"].get("active") == 1)
    after = await managed.client.get(JOBS, "default", "work")
    assert meta.resource_version(after) == meta.resource_version(before)


async def test_what_is_refused_is_told(managed: Managed) -> None:
    refused = job()
    refused["spec"]["template"]["spec"]["serviceAccountName"] = "robot"
    await managed.client.create(JOBS, refused)
    assert (await managed.messages("FailedCreate"))[0].startswith("Error creating: ")
    with pytest.raises(StatusError) as error:
        await managed.client.get(PODS, "default", "work")
    assert errors.is_not_found(error.value)
