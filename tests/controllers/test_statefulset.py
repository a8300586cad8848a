"""StatefulSets on a real API server; kubelets are played by the test."""

from __future__ import annotations

from typing import Any

import pytest

from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import CONTROLLER_REVISIONS, PERSISTENT_VOLUME_CLAIMS, PODS, STATEFUL_SETS
from tests.controllers.conftest import Managed
from tests.controllers.test_in_process import CONTAINER, status_is
from tests.support.wait import until_async

REVISION = "controller-revision-hash"


def stateful_set(replicas: int, **more: Any) -> Object:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [CONTAINER]}}
    spec: Object = {
        "replicas": replicas,
        "serviceName": "web",
        "selector": {"matchLabels": labels},
        "template": template,
    }
    return {"metadata": {"name": "web", "namespace": "default"}, "spec": spec | more}


def with_storage(replicas: int, **policy: str) -> Object:
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    return stateful_set(
        replicas, volumeClaimTemplates=[claim], persistentVolumeClaimRetentionPolicy=policy or None
    )


def parallel(replicas: int, **rolling: Any) -> Object:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 0, **rolling}}
    return stateful_set(replicas, podManagementPolicy="Parallel", updateStrategy=strategy)


async def change(managed: Managed, **spec: Any) -> None:
    await managed.client.patch(STATEFUL_SETS, "default", "web", {"spec": spec}, "strategic")


async def set_image(managed: Managed, image: str) -> None:
    await change(managed, template={"spec": {"containers": [CONTAINER | {"image": image}]}})


async def names(managed: Managed) -> list[str]:
    return sorted(map(meta.name, await managed.pods()))


async def images(managed: Managed) -> dict[str, str]:
    return {meta.name(each): each["spec"]["containers"][0]["image"] for each in await managed.pods()}


async def claims(managed: Managed) -> list[str]:
    return sorted(map(meta.name, (await managed.client.list(PERSISTENT_VOLUME_CLAIMS, "default"))["items"]))


async def until(what: str, ask: Any, *wanted: Any) -> None:
    async def check() -> bool:
        return await ask() == [*wanted]

    await until_async(f"{what} {wanted}", check)


async def test_pods_come_and_go_in_order(managed: Managed) -> None:
    await managed.client.create(STATEFUL_SETS, stateful_set(3))
    await managed.until(STATEFUL_SETS, "web", status_is(replicas=1, observedGeneration=1))
    pod = (await managed.until_pods(1))[0]
    assert meta.name(pod) == pod["spec"]["hostname"] == "web-0"
    assert pod["spec"]["subdomain"] == "web"
    labels = meta.labels(pod)
    assert labels["statefulset.kubernetes.io/pod-name"] == "web-0"
    assert labels["apps.kubernetes.io/pod-index"] == "0"
    found = await managed.roll_out(STATEFUL_SETS, "web", status_is(availableReplicas=3))
    assert labels[REVISION] == found["status"]["currentRevision"] == found["status"]["updateRevision"]
    await change(managed, replicas=1)
    await managed.until(STATEFUL_SETS, "web", status_is(replicas=1, observedGeneration=2))
    assert await managed.messages("SuccessfulCreate", 3) == [
        f"create Pod web-{place} in StatefulSet web successful" for place in range(3)
    ]
    assert await managed.messages("SuccessfulDelete", 2) == [
        f"delete Pod web-{place} in StatefulSet web successful" for place in (2, 1)
    ]


async def test_an_update_replaces_from_the_highest_down_to_the_partition(managed: Managed) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    await managed.client.create(STATEFUL_SETS, stateful_set(3, updateStrategy=strategy))
    await managed.roll_out(STATEFUL_SETS, "web", status_is(availableReplicas=3))
    await set_image(managed, "nginx:2")
    done = status_is(observedGeneration=2, updatedReplicas=2, currentReplicas=1, availableReplicas=3)
    await managed.roll_out(STATEFUL_SETS, "web", done)
    assert await images(managed) == {"web-0": CONTAINER["image"], "web-1": "nginx:2", "web-2": "nginx:2"}
    assert (await managed.messages("SuccessfulDelete", 2))[0].startswith("delete Pod web-2")
    # Whoever is lost below the partition comes back as it was.
    before = await managed.client.get(PODS, "default", "web-0")
    await managed.client.delete(PODS, "default", "web-0")
    again = await managed.until(PODS, "web-0", lambda o: meta.uid(o) != meta.uid(before))
    assert again["spec"]["containers"][0]["image"] == CONTAINER["image"]
    await change(managed, updateStrategy={"rollingUpdate": {"partition": 0}})
    done = status_is(observedGeneration=3, updatedReplicas=3, currentReplicas=3, availableReplicas=3)
    found = await managed.roll_out(STATEFUL_SETS, "web", done)
    assert found["status"]["currentRevision"] == found["status"]["updateRevision"]


async def test_what_is_rolled_back_is_the_old_revision_under_a_new_number(managed: Managed) -> None:
    await managed.client.create(STATEFUL_SETS, parallel(2))
    await managed.roll_out(STATEFUL_SETS, "web", status_is(availableReplicas=2))
    await set_image(managed, "nginx:2")
    await managed.roll_out(STATEFUL_SETS, "web", status_is(observedGeneration=2, currentReplicas=2))
    revisions = (await managed.client.list(CONTROLLER_REVISIONS, "default"))["items"]
    first = next(each for each in revisions if each["revision"] == 1)
    # As kubectl rollout undo does.
    await managed.client.patch(STATEFUL_SETS, "default", "web", first["data"], "strategic")
    done = status_is(observedGeneration=3, currentReplicas=2, availableReplicas=2)
    found = await managed.roll_out(STATEFUL_SETS, "web", done)
    assert found["status"]["updateRevision"] == meta.name(first)
    revisions = (await managed.client.list(CONTROLLER_REVISIONS, "default"))["items"]
    assert {meta.name(each): each["revision"] for each in revisions}[meta.name(first)] == 3
    assert len(revisions) == 2
    assert set((await images(managed)).values()) == {CONTAINER["image"]}


async def test_in_parallel_all_come_at_once_and_as_many_go_as_may(managed: Managed) -> None:
    await managed.client.create(STATEFUL_SETS, parallel(4, maxUnavailable=2))
    await managed.until_pods(4)
    await managed.roll_out(STATEFUL_SETS, "web", status_is(availableReplicas=4))
    await set_image(managed, "nginx:2")
    await managed.until(STATEFUL_SETS, "web", status_is(updatedReplicas=2, availableReplicas=2))
    assert await images(managed) == {
        f"web-{place}": "nginx:2" if place > 1 else CONTAINER["image"] for place in range(4)
    }
    await managed.roll_out(STATEFUL_SETS, "web", status_is(updatedReplicas=4, currentReplicas=4))
    await change(managed, replicas=0)
    await managed.until_pods(0)


async def test_on_delete_waits_for_somebody_to_delete(managed: Managed) -> None:
    await managed.client.create(STATEFUL_SETS, stateful_set(2, updateStrategy={"type": "OnDelete"}))
    await managed.roll_out(STATEFUL_SETS, "web", status_is(availableReplicas=2))
    await set_image(managed, "nginx:2")
    await managed.until(STATEFUL_SETS, "web", status_is(observedGeneration=2))
    assert set((await images(managed)).values()) == {CONTAINER["image"]}
    await managed.client.delete(PODS, "default", "web-0")
    await managed.until(STATEFUL_SETS, "web", status_is(updatedReplicas=1))
    assert await images(managed) == {"web-0": "nginx:2", "web-1": CONTAINER["image"]}


async def test_ordinals_may_start_elsewhere(managed: Managed) -> None:
    await managed.client.create(STATEFUL_SETS, stateful_set(2, ordinals={"start": 5}))
    await managed.roll_out(STATEFUL_SETS, "web", status_is(availableReplicas=2))
    assert await names(managed) == ["web-5", "web-6"]
    await change(managed, ordinals={"start": 6})
    await managed.roll_out(STATEFUL_SETS, "web", status_is(observedGeneration=2, replicas=2))
    await managed.roll_out(STATEFUL_SETS, "web", status_is(availableReplicas=2))
    await until("pods", lambda: names(managed), "web-6", "web-7")


async def test_a_pod_that_ended_is_made_again(managed: Managed) -> None:
    await managed.client.create(STATEFUL_SETS, stateful_set(1))
    before = (await managed.until_pods(1))[0]
    failed = {"status": {"phase": "Failed"}}
    await managed.client.patch(PODS, "default", "web-0", failed, subresource="status")
    await managed.until(PODS, "web-0", lambda o: meta.uid(o) != meta.uid(before))


async def test_storage_outlives_pods(managed: Managed) -> None:
    await managed.client.create(STATEFUL_SETS, with_storage(2))
    await managed.roll_out(STATEFUL_SETS, "web", status_is(availableReplicas=2))
    assert await claims(managed) == ["data-web-0", "data-web-1"]
    pod = await managed.client.get(PODS, "default", "web-1")
    assert pod["spec"]["volumes"][0] == {
        "name": "data",
        "persistentVolumeClaim": {"claimName": "data-web-1"},
    }
    await change(managed, replicas=1)
    await managed.until(STATEFUL_SETS, "web", status_is(replicas=1))
    await managed.client.delete(STATEFUL_SETS, "default", "web")
    await managed.until_pods(0)
    assert await claims(managed) == ["data-web-0", "data-web-1"]
    assert "create Claim data-web-0 Pod web-0 in StatefulSet web success" in await managed.messages(
        "SuccessfulCreate", 4
    )


async def test_storage_goes_as_the_retention_policy_says(managed: Managed) -> None:
    wanted = with_storage(2, whenScaled="Delete", whenDeleted="Delete")
    await managed.client.create(STATEFUL_SETS, wanted)
    await managed.roll_out(STATEFUL_SETS, "web", status_is(availableReplicas=2))
    await change(managed, replicas=1)
    await until("claims", lambda: claims(managed), "data-web-0")
    await change(managed, replicas=2)
    await managed.roll_out(STATEFUL_SETS, "web", status_is(observedGeneration=3, availableReplicas=2))
    await until("claims", lambda: claims(managed), "data-web-0", "data-web-1")
    await managed.client.delete(STATEFUL_SETS, "default", "web")
    await until("claims", lambda: claims(managed))


async def test_history_is_kept_to_its_limit(managed: Managed) -> None:
    await managed.client.create(STATEFUL_SETS, {**stateful_set(0, revisionHistoryLimit=1)})
    for generation in range(2, 5):
        await set_image(managed, f"nginx:{generation}")
        await managed.until(STATEFUL_SETS, "web", status_is(observedGeneration=generation))

    async def numbers() -> list[int]:
        found = (await managed.client.list(CONTROLLER_REVISIONS, "default"))["items"]
        return sorted(each["revision"] for each in found)

    await until("revisions", numbers, 3, 4)


async def test_a_revision_whose_name_is_taken_gets_another(managed: Managed) -> None:
    await managed.client.create(STATEFUL_SETS, stateful_set(0))
    found = await managed.until(STATEFUL_SETS, "web", status_is(observedGeneration=1))
    taken = found["status"]["updateRevision"]
    await managed.client.delete(STATEFUL_SETS, "default", "web")
    await managed.until_gone(CONTROLLER_REVISIONS, taken)
    foreign = {"metadata": {"name": taken, "namespace": "default"}, "data": {"other": 1}, "revision": 1}
    await managed.client.create(CONTROLLER_REVISIONS, foreign)
    await managed.client.create(STATEFUL_SETS, stateful_set(1))
    found = await managed.until(STATEFUL_SETS, "web", status_is(collisionCount=1, observedGeneration=1))
    assert found["status"]["updateRevision"] != taken
    await managed.until_pods(1)


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
async def test_all_goes_with_the_set(managed: Managed, policy: str) -> None:
    await managed.client.create(STATEFUL_SETS, parallel(3))
    await managed.until_pods(3)
    await managed.client.delete(STATEFUL_SETS, "default", "web", propagation_policy=policy)
    await managed.until_gone(STATEFUL_SETS, "web")
    await managed.until_pods(0)


async def test_orphans_are_adopted_by_their_names(managed: Managed) -> None:
    await managed.client.create(STATEFUL_SETS, stateful_set(2))
    await managed.roll_out(STATEFUL_SETS, "web", status_is(availableReplicas=2))
    before = {meta.uid(each) for each in await managed.pods()}
    await managed.client.delete(STATEFUL_SETS, "default", "web", propagation_policy="Orphan")
    await managed.until_gone(STATEFUL_SETS, "web")
    made = await managed.client.create(STATEFUL_SETS, stateful_set(2))
    await managed.until(STATEFUL_SETS, "web", status_is(availableReplicas=2, updatedReplicas=2))
    await managed.until(PODS, "web-1", lambda o: meta.is_controlled_by(o, made))
    assert {meta.uid(each) for each in await managed.pods()} == before
