"""Pods with claims, a scheduler and the real API server in one process; the test binds the claims."""

from __future__ import annotations

from typing import Any

from scheduler.scheduler import BINDINGS_MAX
from tests.scheduler.test_scheduler import MERGE, PODS, add_node, add_pod, node_of, refusal
from tests.support.api_server import Api
from tests.support.wait import until_async

CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"
SELECTED = "volume.kubernetes.io/selected-node"


async def add_claim(api: Api, storage_class: str) -> None:
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"metadata": {"name": "data"}, "spec": {**wanted, "storageClassName": storage_class}}
    await api.ok("POST", CLAIMS, claim)


async def add_volume(api: Api, *nodes: str) -> None:
    hosts = [{"key": "kubernetes.io/hostname", "operator": "In", "values": [*nodes]}]
    affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": hosts}]}}
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "local": {"path": "/mnt"},
        "nodeAffinity": affinity,
    }
    await api.ok("POST", "/api/v1/persistentvolumes", {"metadata": {"name": "one"}, "spec": spec})


async def bind(api: Api) -> None:
    notes = {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}
    await api.ok("PATCH", f"{CLAIMS}/data", {"metadata": notes, "spec": {"volumeName": "one"}}, MERGE)


async def add_user(api: Api, name: str = "user", cpu: str = "1") -> None:
    used = {"name": "v", "persistentVolumeClaim": {"claimName": "data"}}
    await add_pod(api, name, cpu, volumes=[used])


async def add_late_class(api: Api) -> None:
    """One whose claims wait for a consumer, and then for a provisioner that is not there."""
    late = {"metadata": {"name": "late"}, "provisioner": "example.com/far"}
    late["volumeBindingMode"] = "WaitForFirstConsumer"
    await api.ok("POST", "/apis/storage.k8s.io/v1/storageclasses", late)


async def test_a_pod_waits_for_its_claim_and_runs_where_the_volume_is(api: Api) -> None:
    for name in ("n1", "n2", "n3"):
        await add_node(api, name)
    await add_user(api)
    assert 'persistentvolumeclaim "data" not found' in await refusal(api, "user")
    await add_claim(api, "standard")

    async def unbound() -> Any:
        message = await refusal(api, "user")
        return message if "unbound" in message else None

    message = await until_async("another refusal", unbound)
    assert "pod has unbound immediate PersistentVolumeClaims" in message
    await add_volume(api, "n2")
    await bind(api)
    assert await node_of(api, "user") == "n2"


async def test_a_claim_that_waits_for_a_consumer_is_told_the_node_first(api: Api) -> None:
    await add_late_class(api)
    await add_node(api, "n1")
    await add_claim(api, "late")
    await add_user(api)

    async def told() -> Any:
        return (await api.ok("GET", f"{CLAIMS}/data"))["metadata"].get("annotations", {}).get(SELECTED)

    assert await until_async("the claim knows its node", told) == "n1"
    assert "nodeName" not in (await api.ok("GET", f"{PODS}/user"))["spec"]
    await add_volume(api, "n1")
    await bind(api)
    assert await node_of(api, "user") == "n1"


async def test_pods_whose_volumes_nobody_makes_hold_up_no_others(api: Api) -> None:
    await add_late_class(api)
    await add_node(api, "n1")
    await add_claim(api, "late")
    for index in range(BINDINGS_MAX):
        await add_user(api, f"user-{index}", cpu="10m")
    await add_pod(api, "plain")
    assert await node_of(api, "plain") == "n1"
    assert "nodeName" not in (await api.ok("GET", f"{PODS}/user-0"))["spec"]
