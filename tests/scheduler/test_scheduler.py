"""A scheduler with the real API server, in one process: bindings, refusals, and what wakes whom."""

from __future__ import annotations

from typing import Any

from tests.scheduler.world import make_node, merge
from tests.support.api_server import Api
from tests.support.wait import until_async

PODS = "/api/v1/namespaces/default/pods"
MERGE = "application/merge-patch+json"


async def add_node(api: Api, name: str, **quantities: str) -> None:
    """A node without the taint that every new node has."""
    node = make_node(name, None, **quantities)
    await api.ok("POST", "/api/v1/nodes", node)
    await api.ok("PATCH", f"/api/v1/nodes/{name}/status", {"status": node["status"]}, MERGE)
    await api.ok("PATCH", f"/api/v1/nodes/{name}", {"spec": {"taints": None}}, MERGE)


async def add_pod(api: Api, name: str, cpu: str = "1", **spec: Any) -> None:
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}
    pod = {"metadata": {"name": name}, "spec": {"containers": [container]}}
    await api.ok("POST", PODS, merge(pod, {"spec": spec}))


async def node_of(api: Api, name: str) -> str:
    async def check() -> Any:
        return (await api.ok("GET", f"{PODS}/{name}"))["spec"].get("nodeName")

    return str(await until_async(f"pod {name} has a node", check))


async def refusal(api: Api, name: str) -> str:
    """What the pod's condition says, once the event says it too."""

    async def check() -> Any:
        pod = await api.ok("GET", f"{PODS}/{name}")
        found = [each for each in pod["status"].get("conditions", ()) if each["reason"] == "Unschedulable"]
        return found[0]["message"] if found else None

    message = await until_async(f"pod {name} is unschedulable", check)
    path = (
        f"/api/v1/namespaces/default/events?fieldSelector=involvedObject.name={name},reason=FailedScheduling"
    )

    async def told() -> bool:
        return any(event["message"] == message for event in (await api.ok("GET", path))["items"])

    await until_async("an event says the same", told)
    return str(message)


async def test_pods_are_bound_and_told_so(api: Api) -> None:
    await add_node(api, "n1")
    await add_pod(api, "p")
    assert await node_of(api, "p") == "n1"
    path = "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name=p"

    async def told() -> Any:
        return (await api.ok("GET", path))["items"]

    (event,) = await until_async("the event", told)
    assert (event["reason"], event["message"]) == ("Scheduled", "Successfully assigned default/p to n1")
    assert event["source"] == {"component": "default-scheduler"}


async def test_a_pod_without_room_waits_and_is_woken_by_a_pod_that_goes(api: Api) -> None:
    await add_node(api, "n1", cpu="2")
    await add_pod(api, "first", "2")
    await node_of(api, "first")
    await add_pod(api, "second", "2")
    assert await refusal(api, "second") == (
        "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: "
        "0/1 nodes are available: 1 No preemption victims found for incoming pod."
    )
    await api.ok("DELETE", f"{PODS}/first", {"gracePeriodSeconds": 0})
    assert await node_of(api, "second") == "n1"


async def test_a_new_node_wakes_a_pod_that_had_none(api: Api) -> None:
    await add_pod(api, "p")
    assert await refusal(api, "p") == "no nodes available to schedule pods"
    await add_node(api, "n1")
    assert await node_of(api, "p") == "n1"


async def test_an_uncordoned_node_wakes_pods(api: Api) -> None:
    await add_node(api, "n1")
    await api.ok("PATCH", "/api/v1/nodes/n1", {"spec": {"unschedulable": True}}, MERGE)
    await add_pod(api, "p")
    assert "1 node(s) were unschedulable" in await refusal(api, "p")
    await api.ok("PATCH", "/api/v1/nodes/n1", {"spec": {"unschedulable": False}}, MERGE)
    assert await node_of(api, "p") == "n1"


async def test_a_burst_never_overcommits_a_node(api: Api) -> None:
    await add_node(api, "n1", cpu="3")
    await add_node(api, "n2", cpu="3")
    for i in range(8):
        await add_pod(api, f"p{i}")

    async def settled() -> Any:
        pods = (await api.ok("GET", PODS))["items"]
        refused = [pod for pod in pods if pod["status"].get("conditions", [{}])[0].get("reason")]
        return pods if len(refused) == 2 else None

    pods = await until_async("two pods are refused", settled)
    nodes = [pod["spec"].get("nodeName") for pod in pods]
    assert (nodes.count("n1"), nodes.count("n2"), nodes.count(None)) == (3, 3, 2)


async def test_a_finished_pod_makes_room(api: Api) -> None:
    await add_node(api, "n1", cpu="1")
    await add_pod(api, "first")
    await node_of(api, "first")
    await add_pod(api, "second")
    await refusal(api, "second")
    await api.ok("PATCH", f"{PODS}/first/status", {"status": {"phase": "Succeeded"}}, MERGE)
    assert await node_of(api, "second") == "n1"


async def test_gated_pods_and_those_of_other_schedulers_are_left_alone(api: Api) -> None:
    await add_node(api, "n1")
    await add_pod(api, "other", schedulerName="another")
    await add_pod(api, "gated", schedulingGates=[{"name": "example.com/g"}])
    await add_pod(api, "plain")
    assert await node_of(api, "plain") == "n1"
    await api.ok("PATCH", f"{PODS}/gated", {"spec": {"schedulingGates": None}}, MERGE)
    assert await node_of(api, "gated") == "n1"
    assert "nodeName" not in (await api.ok("GET", f"{PODS}/other"))["spec"]


async def test_a_pod_of_higher_priority_takes_the_room_of_a_lower_one(api: Api) -> None:
    path = "/apis/scheduling.k8s.io/v1/priorityclasses"
    await api.ok("POST", path, {"metadata": {"name": "high"}, "value": 1000})
    await add_node(api, "n1", cpu="2")
    await add_pod(api, "low", "2", terminationGracePeriodSeconds=1)
    await node_of(api, "low")
    await add_pod(api, "high", "2", priorityClassName="high")

    async def preempted() -> Any:
        low = await api.ok("GET", f"{PODS}/low")
        return low if low["metadata"].get("deletionTimestamp") else None

    low = await until_async("the lower pod is deleted", preempted)
    reasons = {each["type"]: each.get("reason") for each in low["status"]["conditions"]}
    assert reasons["DisruptionTarget"] == "PreemptionByScheduler"
    assert (await api.ok("GET", f"{PODS}/high"))["status"]["nominatedNodeName"] == "n1"
    await api.ok("DELETE", f"{PODS}/low", {"gracePeriodSeconds": 0})
    assert await node_of(api, "high") == "n1"
