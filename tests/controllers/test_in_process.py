"""What becomes of objects when all controllers look at them: the state of the world, not the calls."""

from __future__ import annotations

from typing import Any

import pytest

from kube.api.meta import Object
from kube.api.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    SERVICE_ACCOUNTS,
)
from tests.controllers.conftest import Managed

CONTAINER = {"name": "c", "image": "nginx:1.27.0"}


def workload(name: str, replicas: int, **pod_spec: Any) -> Object:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [CONTAINER], **pod_spec}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}


def config_map(name: str, owner: Object | None = None, **metadata: Any) -> Object:
    identity = {"name": name, "namespace": "default", **metadata}
    if owner is not None:
        identity["ownerReferences"] = [reference(owner)]
    return {"metadata": identity}


def reference(owner: Object, **more: Any) -> Object:
    meta = owner["metadata"]
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": meta["name"], "uid": meta["uid"], **more}


def status_is(**expected: Any) -> Any:
    return lambda o: expected.items() <= (o.get("status") or {}).items()


async def test_a_deployment_makes_a_replica_set_and_that_makes_pods(managed: Managed) -> None:
    await managed.client.create(DEPLOYMENTS, workload("web", 1))
    await managed.until_pods(1)
    await managed.run_pods()
    deployment = await managed.until(DEPLOYMENTS, "web", status_is(availableReplicas=1))
    assert deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    await managed.client.patch(DEPLOYMENTS, "default", "web", {"spec": {"replicas": 3}})
    pods = await managed.until_pods(3)
    replica_set = pods[0]["metadata"]["ownerReferences"][0]["name"]
    template_hash = pods[0]["metadata"]["labels"]["pod-template-hash"]
    assert replica_set == f"web-{template_hash}"
    assert await managed.messages("ScalingReplicaSet", 2) == [
        f"Scaled up replica set {replica_set} to 1",
        f"Scaled up replica set {replica_set} to 3 from 1",
    ]
    created = await managed.messages("SuccessfulCreate", 3)
    assert sorted(created) == sorted(f"Created pod: {pod['metadata']['name']}" for pod in pods)


async def test_a_new_template_rolls_out_and_the_old_pods_go(managed: Managed) -> None:
    await managed.client.create(DEPLOYMENTS, workload("web", 2))
    await managed.until_pods(2)
    await managed.run_pods()
    await managed.until(DEPLOYMENTS, "web", status_is(availableReplicas=2))
    image = {"spec": {"template": {"spec": {"containers": [CONTAINER | {"image": "nginx:1.27.1"}]}}}}
    await managed.client.patch(DEPLOYMENTS, "default", "web", image, "strategic")
    done = status_is(observedGeneration=2, updatedReplicas=2, replicas=2, availableReplicas=2)
    deployment = await managed.roll_out(DEPLOYMENTS, "web", done)
    assert deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    images = [pod["spec"]["containers"][0]["image"] for pod in await managed.until_pods(2)]
    assert images == ["nginx:1.27.1"] * 2


async def test_a_pod_that_goes_is_replaced_and_never_are_there_too_many(managed: Managed) -> None:
    await managed.client.create(REPLICA_SETS, workload("web", 20))
    pods = await managed.until_pods(20)
    gone = pods[7]["metadata"]["name"]
    await managed.client.delete(PODS, "default", gone)
    await managed.until(REPLICA_SETS, "web", status_is(replicas=20, observedGeneration=1))
    assert gone not in [pod["metadata"]["name"] for pod in await managed.until_pods(20)]
    assert len(await managed.messages("SuccessfulCreate", 1)) <= 21
    await managed.client.patch(REPLICA_SETS, "default", "web", {"spec": {"replicas": 3}})
    await managed.until(REPLICA_SETS, "web", status_is(replicas=3))
    assert len(await managed.pods()) == 3


async def test_orphans_are_adopted_and_strangers_released(managed: Managed) -> None:
    orphan = {"metadata": {"name": "orphan", "namespace": "default", "labels": {"app": "web"}}}
    await managed.client.create(PODS, orphan | {"spec": {"containers": [CONTAINER]}})
    await managed.client.create(REPLICA_SETS, workload("web", 1))
    await managed.until(PODS, "orphan", lambda pod: pod["metadata"].get("ownerReferences"))
    assert len(await managed.pods()) == 1
    await managed.client.patch(PODS, "default", "orphan", {"metadata": {"labels": {"app": "other"}}})
    await managed.until(PODS, "orphan", lambda pod: not pod["metadata"].get("ownerReferences"))
    await managed.until_pods(1)


async def test_a_refusal_is_shown_and_overcome(managed: Managed) -> None:
    await managed.client.create(REPLICA_SETS, workload("web", 1, serviceAccountName="robot"))
    failed = await managed.until(REPLICA_SETS, "web", lambda o: o["status"].get("conditions"))
    assert failed["status"]["conditions"][0]["reason"] == "FailedCreate"
    assert (await managed.messages("FailedCreate"))[0].startswith("Error creating: ")
    await managed.client.create(SERVICE_ACCOUNTS, {"metadata": {"name": "robot", "namespace": "default"}})
    await managed.until_pods(1)
    await managed.until(REPLICA_SETS, "web", lambda o: not o["status"].get("conditions"))


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
async def test_who_loses_all_owners_goes_with_them(managed: Managed, policy: str) -> None:
    await managed.client.create(DEPLOYMENTS, workload("web", 2))
    await managed.until_pods(2)
    await managed.client.delete(DEPLOYMENTS, "default", "web", propagation_policy=policy)
    await managed.until_pods(0)
    await managed.until_gone(DEPLOYMENTS, "web")
    assert (await managed.client.list(REPLICA_SETS, "default"))["items"] == []


async def test_orphans_live_on_without_their_owner(managed: Managed) -> None:
    await managed.client.create(REPLICA_SETS, workload("web", 2))
    await managed.until_pods(2)
    await managed.client.delete(REPLICA_SETS, "default", "web", propagation_policy="Orphan")
    await managed.until_gone(REPLICA_SETS, "web")
    pods = await managed.until_pods(2)
    assert [pod["metadata"].get("ownerReferences") for pod in pods] == [None, None]


async def test_a_blocking_dependent_holds_its_owner(managed: Managed) -> None:
    owner = await managed.client.create(CONFIG_MAPS, config_map("owner"))
    held = config_map("held", finalizers=["example.com/hold"])
    held["metadata"]["ownerReferences"] = [reference(owner, blockOwnerDeletion=True)]
    await managed.client.create(CONFIG_MAPS, held)
    await managed.client.delete(CONFIG_MAPS, "default", "owner", propagation_policy="Foreground")
    await managed.until(CONFIG_MAPS, "held", lambda o: o["metadata"].get("deletionTimestamp"))
    assert await managed.get(CONFIG_MAPS, "owner") is not None
    await managed.client.patch(CONFIG_MAPS, "default", "held", {"metadata": {"finalizers": None}})
    await managed.until_gone(CONFIG_MAPS, "owner")


async def test_an_owner_that_never_was_is_no_owner(managed: Managed) -> None:
    first = await managed.client.create(CONFIG_MAPS, config_map("first"))
    stranger = {"metadata": {"name": "first", "uid": "11111111-0000-4000-8000-000000000000"}}
    await managed.client.create(CONFIG_MAPS, config_map("wrong-uid", stranger))
    await managed.client.create(CONFIG_MAPS, config_map("right", first))
    await managed.until_gone(CONFIG_MAPS, "wrong-uid")
    assert await managed.get(CONFIG_MAPS, "right") is not None


async def test_every_namespace_gets_its_account_and_the_authority(managed: Managed) -> None:
    await managed.client.create(NAMESPACES, {"metadata": {"name": "team"}})
    await managed.until(SERVICE_ACCOUNTS, "default", lambda _: True, "team")
    published = lambda o: o["data"] == {"ca.crt": "THE-CA"}  # noqa: E731
    await managed.until(CONFIG_MAPS, "kube-root-ca.crt", published, "team")
    await managed.client.patch(CONFIG_MAPS, "team", "kube-root-ca.crt", {"data": {"ca.crt": "forged"}})
    await managed.until(CONFIG_MAPS, "kube-root-ca.crt", published, "team")
    await managed.client.delete(SERVICE_ACCOUNTS, "team", "default")
    await managed.until(SERVICE_ACCOUNTS, "default", lambda _: True, "team")


async def test_a_namespace_goes_when_its_last_object_has_gone(managed: Managed) -> None:
    await managed.client.create(NAMESPACES, {"metadata": {"name": "team"}})
    await managed.until(SERVICE_ACCOUNTS, "default", lambda _: True, "team")
    held = {"metadata": {"name": "held", "namespace": "team", "finalizers": ["example.com/hold"]}}
    await managed.client.create(CONFIG_MAPS, held)
    await managed.client.delete(NAMESPACES, None, "team")

    def is_held(o: Object) -> bool:
        conditions = {each["type"]: each["status"] for each in o["status"].get("conditions", [])}
        return conditions.get("NamespaceFinalizersRemaining") == "True"

    await managed.until(NAMESPACES, "team", is_held, None)
    await managed.client.patch(CONFIG_MAPS, "team", "held", {"metadata": {"finalizers": None}})
    await managed.until_gone(NAMESPACES, "team", None)
