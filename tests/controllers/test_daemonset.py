"""DaemonSets on a real API server: the nodes are objects, kubelets are played by the test."""

from __future__ import annotations

from typing import Any

import pytest

from controllers.daemonset.placement import target_node
from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS
from tests.controllers.conftest import Managed
from tests.controllers.test_in_process import CONTAINER, status_is
from tests.support.wait import until_async

HASH = "controller-revision-hash"
READY = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}


def daemon_set(strategy: Object | None = None, **pod_spec: Any) -> Object:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [CONTAINER], **pod_spec}}
    spec: Object = {"selector": {"matchLabels": labels}, "template": template}
    if strategy is not None:
        spec["updateStrategy"] = strategy
    return {"metadata": {"name": "ds", "namespace": "default"}, "spec": spec}


async def add_nodes(managed: Managed, *names: str, **labels: str) -> None:
    """Nodes that are ready, and so soon without the taint they were born with."""
    for name in names:
        await managed.client.create(NODES, {"metadata": {"name": name, "labels": labels}})
        status = {"status": {"conditions": [READY]}}
        await managed.client.patch(NODES, None, name, status, "strategic", "status")


async def set_image(managed: Managed, image: str) -> None:
    spec = {"template": {"spec": {"containers": [CONTAINER | {"image": image}]}}}
    await managed.client.patch(DAEMON_SETS, "default", "ds", {"spec": spec}, "strategic")


async def placed(managed: Managed) -> list[str | None]:
    return sorted(map(target_node, await managed.pods()), key=str)


async def until_placed(managed: Managed, *nodes: str) -> None:
    async def check() -> bool:
        return await placed(managed) == [*nodes]

    await until_async(f"pods on {nodes}", check)


async def revisions(managed: Managed) -> list[Object]:
    found = (await managed.client.list(CONTROLLER_REVISIONS, "default"))["items"]
    return sorted(found, key=lambda each: int(each["revision"]))


async def test_every_node_that_suits_has_a_pod_and_those_to_come(managed: Managed) -> None:
    await add_nodes(managed, "n1", "n2", disk="ssd")
    await add_nodes(managed, "n3", disk="hdd")
    await managed.client.create(DAEMON_SETS, daemon_set(nodeSelector={"disk": "ssd"}))
    await until_placed(managed, "n1", "n2")
    await add_nodes(managed, "n4", disk="ssd")
    await until_placed(managed, "n1", "n2", "n4")
    label = {"metadata": {"labels": {"disk": "hdd"}}}
    await managed.client.patch(NODES, None, "n1", label)
    await until_placed(managed, "n2", "n4")
    await managed.client.delete(NODES, None, "n2")
    await until_placed(managed, "n4")
    await managed.run_pods()
    counts = {"desiredNumberScheduled": 1, "currentNumberScheduled": 1, "updatedNumberScheduled": 1}
    await managed.until(DAEMON_SETS, "ds", status_is(**counts, numberAvailable=1, numberMisscheduled=0))
    created = await managed.messages("SuccessfulCreate", 3)
    assert all(each.startswith("Created pod: ds-") for each in created)
    assert all(each.startswith("Deleted pod: ds-") for each in await managed.messages("SuccessfulDelete", 2))


async def test_a_new_template_replaces_pods_node_by_node(managed: Managed) -> None:
    await add_nodes(managed, "n1", "n2")
    await managed.client.create(DAEMON_SETS, daemon_set())
    await managed.roll_out(DAEMON_SETS, "ds", status_is(numberAvailable=2))
    before = {meta.name(each) for each in await managed.pods()}
    await set_image(managed, "nginx:1.27.1")

    async def one_is_replaced() -> bool:
        return len({meta.name(each) for each in await managed.pods()} - before) == 1

    await until_async("the first new pod", one_is_replaced)
    # It is not ready: the other old pod stays.
    await managed.until(DAEMON_SETS, "ds", status_is(observedGeneration=2, updatedNumberScheduled=1))
    assert len({meta.name(each) for each in await managed.pods()} & before) == 1
    done = status_is(observedGeneration=2, updatedNumberScheduled=2, numberAvailable=2)
    await managed.roll_out(DAEMON_SETS, "ds", done)
    first, second = await revisions(managed)
    assert {each["metadata"]["labels"][HASH] for each in await managed.pods()} == {
        second["metadata"]["labels"][HASH]
    }
    await set_image(managed, CONTAINER["image"])
    done = status_is(observedGeneration=3, updatedNumberScheduled=2, numberAvailable=2)
    await managed.roll_out(DAEMON_SETS, "ds", done)
    again = await revisions(managed)
    assert [(meta.name(each), each["revision"]) for each in again] == [
        (meta.name(second), 2),
        (meta.name(first), 3),
    ]


async def test_with_surge_a_node_is_never_without_an_available_pod(managed: Managed) -> None:
    await add_nodes(managed, "n1", "n2")
    surge = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    await managed.client.create(DAEMON_SETS, daemon_set(surge))
    await managed.roll_out(DAEMON_SETS, "ds", status_is(numberAvailable=2))
    before = {meta.name(each) for each in await managed.pods()}
    await set_image(managed, "nginx:1.27.1")
    pods = await managed.until_pods(3)
    assert before < {meta.name(each) for each in pods}
    done = status_is(observedGeneration=2, updatedNumberScheduled=2, numberAvailable=2)
    await managed.roll_out(DAEMON_SETS, "ds", done)
    await managed.until_pods(2)
    assert await placed(managed) == ["n1", "n2"]


async def test_on_delete_waits_for_somebody_to_delete(managed: Managed) -> None:
    await add_nodes(managed, "n1")
    await managed.client.create(DAEMON_SETS, daemon_set({"type": "OnDelete"}))
    await managed.roll_out(DAEMON_SETS, "ds", status_is(numberAvailable=1))
    await set_image(managed, "nginx:1.27.1")
    await managed.until(DAEMON_SETS, "ds", lambda o: o["status"]["observedGeneration"] == 2)
    pod = (await managed.until_pods(1))[0]
    assert pod["spec"]["containers"][0]["image"] == CONTAINER["image"]
    await managed.client.delete(PODS, "default", meta.name(pod))
    await managed.until(DAEMON_SETS, "ds", status_is(updatedNumberScheduled=1))


async def test_what_failed_is_replaced(managed: Managed) -> None:
    await add_nodes(managed, "n1")
    await managed.client.create(DAEMON_SETS, daemon_set())
    name = meta.name((await managed.until_pods(1))[0])
    await managed.client.patch(PODS, "default", name, {"status": {"phase": "Failed"}}, subresource="status")
    await managed.until_gone(PODS, name)
    await until_placed(managed, "n1")
    message = f"Found failed daemon pod default/{name} on node n1, will try to kill it"
    assert await managed.messages("FailedDaemonPod") == [message]


async def test_history_is_kept_to_its_limit(managed: Managed) -> None:
    await managed.client.create(DAEMON_SETS, daemon_set())
    await managed.client.patch(DAEMON_SETS, "default", "ds", {"spec": {"revisionHistoryLimit": 1}})
    for generation in range(3, 6):
        await set_image(managed, f"nginx:1.27.{generation}")
        await managed.until(DAEMON_SETS, "ds", status_is(observedGeneration=generation))

    async def two_are_left() -> bool:
        return [each["revision"] for each in await revisions(managed)] == [3, 4]

    await until_async("the current revision and one old", two_are_left)


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
async def test_all_goes_with_the_set(managed: Managed, policy: str) -> None:
    await add_nodes(managed, "n1", "n2")
    await managed.client.create(DAEMON_SETS, daemon_set())
    await managed.until_pods(2)
    await managed.client.delete(DAEMON_SETS, "default", "ds", propagation_policy=policy)
    await managed.until_gone(DAEMON_SETS, "ds")
    await managed.until_pods(0)

    async def none_is_left() -> bool:
        return not await revisions(managed)

    await until_async("no revision is left", none_is_left)


async def test_orphans_are_adopted_with_their_history(managed: Managed) -> None:
    await add_nodes(managed, "n1")
    await managed.client.create(DAEMON_SETS, daemon_set())
    await managed.roll_out(DAEMON_SETS, "ds", status_is(numberAvailable=1))
    before = await managed.pods()
    await managed.client.delete(DAEMON_SETS, "default", "ds", propagation_policy="Orphan")
    await managed.until_gone(DAEMON_SETS, "ds")
    made = await managed.client.create(DAEMON_SETS, daemon_set())
    await managed.until(DAEMON_SETS, "ds", status_is(numberAvailable=1, updatedNumberScheduled=1))
    name = meta.name(before[0])
    await managed.until(PODS, name, lambda o: meta.is_controlled_by(o, made))
    assert [meta.is_controlled_by(each, made) for each in await revisions(managed)] == [True]
