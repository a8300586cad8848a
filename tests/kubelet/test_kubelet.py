"""A kubelet with the real API server, in one process: what becomes of pods, and of the node."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from kube.api.resources import NODES
from kube.base.clock import SystemClock
from kube.base.tasks import Tasks
from kube.client.events import EventRecorder
from kube.client.informer import Informer
from kubelet.node_reporter import NodeReporter
from kubelet.pod import status as pod_status
from kubelet.pod.state import PodState
from kubelet.pod_worker import TELLING_MAX
from tests.kubelet.conftest import FACTS, TestNode, running_node
from tests.support.api_server import Api
from tests.support.in_process import client_of
from tests.support.wait import until_async


def conditions(o: Any) -> dict[str, str]:
    return {each["type"]: each["status"] for each in o["status"]["conditions"]}


async def test_a_pod_runs_and_says_so(node: TestNode) -> None:
    await node.create("p")
    pod = await node.wait("p", "Running")
    status = pod["status"]
    assert status["podIP"] == status["podIPs"][0]["ip"] == "127.239.99.2"
    assert status["hostIP"] == "127.31.0.9"
    assert set(conditions(pod).values()) == {"True"}
    assert list(conditions(pod)) == [
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
    ]
    assert status["containerStatuses"][0]["containerID"].startswith("fake://")
    events = [re.sub(r"\d+ms", "<time>", each) for each in await node.events("p", 4)]
    assert events == [
        'Pulling: Pulling image "run"',
        'Pulled: Successfully pulled image "run" in <time> (<time> including waiting). Image size: 0 bytes.',
        "Created: Container created",
        "Started: Container started",
    ]


async def test_a_readiness_gate_is_somebody_elses_to_open(node: TestNode) -> None:
    await node.create("p", readinessGates=[{"conditionType": "example.com/gate"}])
    assert conditions(await node.wait("p", "Running"))["Ready"] == "False"
    gate = {"status": {"conditions": [{"type": "example.com/gate", "status": "True"}]}}
    path = "/api/v1/namespaces/default/pods/p/status"
    await node.api.ok("PATCH", path, gate, "application/strategic-merge-patch+json")

    async def ready() -> Any:
        found = conditions(await node.get("p"))
        return found["Ready"] == "True" and found

    found = await until_async("the pod is ready", ready)
    assert found["example.com/gate"] == "True"


async def test_what_others_say_in_its_place_is_put_right(node: TestNode) -> None:
    await node.create("p")
    before = await node.wait("p", "Running")
    given_up = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    path = "/api/v1/namespaces/default/pods/p/status"
    answer = await node.api.ok("PATCH", path, given_up, "application/strategic-merge-patch+json")
    assert conditions(answer)["Ready"] == "False"

    async def ready() -> Any:
        found = await node.get("p")
        return conditions(found)["Ready"] == "True" and found

    found = await until_async("the pod is ready again", ready)
    assert found["status"]["containerStatuses"] == before["status"]["containerStatuses"]


async def test_a_status_that_was_sent_long_ago_changes_nothing(node: TestNode) -> None:
    """A paused API server carries out what it had received after another has written something newer."""
    created = await node.create("p")
    await node.wait("p", "Running")
    old = pod_status.build(created, PodState(None, []), FACTS.ip, "fake", SystemClock().now())
    late = pod_status.patch(created, old, int(created["metadata"]["resourceVersion"]))
    path = "/api/v1/namespaces/default/pods/p/status"
    answer = await node.api("PATCH", path, late, "application/strategic-merge-patch+json")
    assert answer.code == 409
    assert conditions(await node.get("p"))["Ready"] == "True"


async def test_a_pod_starts_before_anybody_is_told_and_then_its_newest_status_is(node: TestNode) -> None:
    async with AsyncExitStack() as turns:
        for _ in range(TELLING_MAX):
            await turns.enter_async_context(node.telling)
        created = await node.create("p")

        def running() -> bool:
            containers = node.runtime.containers_of(created["metadata"]["uid"])
            return [each.is_running for each in containers] == [True]

        await until_async("the container runs", running)
        assert (await node.get("p"))["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]
    path = "/api/v1/namespaces/default/pods?watch=true&timeoutSeconds=1&resourceVersion="
    await node.wait("p", "Running")
    seen = await node.api("GET", path + created["metadata"]["resourceVersion"])
    phases = [json.loads(line)["object"]["status"]["phase"] for line in seen.body.splitlines()]
    assert phases == ["Running"]


async def test_what_a_node_has_told_counts_before_it_is_heard_of(api: Api) -> None:
    client = client_of(api, "kubelet")
    deaf = Informer(client, NODES)
    deaf.replace([])
    reporter = NodeReporter(FACTS, client, deaf, EventRecorder(client, "kubelet"), SystemClock())
    assert "uid" not in reporter.last_node()["metadata"]
    async with Tasks() as tasks:
        tasks.start("node status", reporter.report)
        await reporter.wait_registered()
        await tasks.cancel()
    listed = (await api.ok("GET", "/api/v1/nodes/n1"))["status"]["allocatable"]
    node = reporter.last_node()
    assert node["metadata"]["uid"]
    assert node["status"]["allocatable"] == listed
    await client.close()


async def test_a_deleted_pod_ends_and_goes(node: TestNode) -> None:
    pod = await node.create("p", imagePullPolicy="Never")
    await node.wait("p", "Running")
    await node.delete("p")
    await node.wait_gone("p")
    assert "Killing: Stopping container c" in await node.events("p", 5)

    async def forgotten() -> bool:
        return node.runtime.sandbox_of(pod["metadata"]["uid"]) is None

    await until_async("the sandbox is removed", forgotten)


async def test_a_pod_made_again_under_its_name_is_another(node: TestNode) -> None:
    first = await node.create("p")
    await node.wait("p", "Running")
    await node.delete("p", gracePeriodSeconds=0)
    second = await node.create("p")
    await node.wait("p", "Running")
    assert first["metadata"]["uid"] != second["metadata"]["uid"]

    async def only_second() -> bool:
        return [each.pod_uid for each in node.runtime.list_sandboxes()] == [second["metadata"]["uid"]]

    await until_async("only the second has a sandbox", only_second)


async def test_a_pod_with_a_finalizer_stays_until_it_is_taken_off(node: TestNode) -> None:
    await node.create("p")
    await node.wait("p", "Running")
    path = "/api/v1/namespaces/default/pods/p"
    merge = "application/merge-patch+json"
    await node.api.ok("PATCH", path, {"metadata": {"finalizers": ["example.com/f"]}}, merge)
    await node.delete("p")

    async def ended() -> Any:
        pod = await node.get("p")
        return pod["metadata"]["deletionGracePeriodSeconds"] == 0 and pod

    pod = await until_async("the kubelet is done with the pod", ended)
    assert "terminated" in pod["status"]["containerStatuses"][0]["state"]
    await node.api.ok("PATCH", path, {"metadata": {"finalizers": None}}, merge)
    await node.wait_gone("p")


async def test_a_pod_that_runs_once_succeeds_and_stays(node: TestNode) -> None:
    await node.create("p", "once", restartPolicy="Never")
    pod = await node.wait("p", "Succeeded")
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"
    assert conditions(pod)["Ready"] == "False"


async def test_a_crashing_pod_backs_off(node: TestNode) -> None:
    await node.create("p", "crash")

    async def backs_off() -> Any:
        statuses = ((await node.get("p"))["status"]).get("containerStatuses") or [{}]
        return (
            statuses[0].get("state", {}).get("waiting", {}).get("reason") == "CrashLoopBackOff"
            and statuses[0]
        )

    status = await until_async("the pod backs off", backs_off)
    assert status["restartCount"] == 1
    assert status["lastState"]["terminated"]["exitCode"] == 1


async def test_a_returning_kubelet_disturbs_nothing(api: Api, tmp_path: Path) -> None:
    async with running_node(api, tmp_path) as node:
        await node.create("p")
        before = await node.wait("p", "Running")
    async with running_node(api, tmp_path) as node:
        await node.create("q")
        await node.wait("q", "Running")
        assert await node.get("p") == before


async def test_what_was_deleted_meanwhile_ends_when_the_kubelet_returns(api: Api, tmp_path: Path) -> None:
    async with running_node(api, tmp_path) as node:
        await node.create("gone")
        await node.create("going")
        await node.wait("gone", "Running")
        await node.wait("going", "Running")
    await node.delete("gone", gracePeriodSeconds=0)
    await node.delete("going")
    async with running_node(api, tmp_path) as node:
        await node.wait_gone("going")

        async def empty() -> bool:
            return node.runtime.list_sandboxes() == []

        await until_async("nothing is left", empty)


async def test_the_node_registers_and_keeps_a_lease(node: TestNode) -> None:
    path = "/api/v1/nodes/n1"
    reporting = asyncio.ensure_future(node.reporter.report())
    renewing = asyncio.ensure_future(node.reporter.renew_lease())

    async def ready() -> Any:
        answer = await node.api("GET", path)
        found = answer.code == 200 and answer.json["status"].get("conditions") and answer.json
        return found or None

    found = await until_async("the node is ready", ready)
    assert conditions(found) == {
        "MemoryPressure": "False",
        "DiskPressure": "False",
        "PIDPressure": "False",
        "Ready": "True",
    }
    assert found["status"]["allocatable"]["pods"] == "110"
    assert found["metadata"]["labels"]["kubernetes.io/hostname"] == "n1"

    async def lease() -> Any:
        answer = await node.api("GET", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1")
        return answer.code == 200 and answer.json

    held = await until_async("the node has a lease", lease)
    assert held["spec"]["holderIdentity"] == "n1"
    assert held["metadata"]["ownerReferences"][0]["uid"] == found["metadata"]["uid"]
    reporting.cancel()
    renewing.cancel()


async def test_a_pod_that_does_not_fit_is_refused(node: TestNode) -> None:
    requests = {"requests": {"cpu": "9"}}
    await node.create("p", containers=[{"name": "c", "image": "run", "resources": requests}])
    status = (await node.wait("p", "Failed"))["status"]
    assert status["reason"] == "OutOfcpu"
    message = "Node didn't have enough resource: cpu, requested: 9000, used: 0, capacity: 8000"
    assert status["message"] == f"Pod was rejected: {message}"
    assert await node.events("p", 1) == [f"OutOfcpu: {message}"]
    assert node.runtime.list_sandboxes() == []
    await node.delete("p")
    await node.wait_gone("p")


async def test_labels_are_looked_at_anew_before_a_pod_is_refused(node: TestNode) -> None:
    metadata = {"name": "n1", "labels": {"disk": "ssd"}}
    await node.api.ok("POST", "/api/v1/nodes", {"metadata": metadata})
    await node.create("p", nodeSelector={"disk": "ssd"})
    await node.create("q", nodeSelector={"disk": "hdd"})
    assert (await node.wait("q", "Failed"))["status"]["reason"] == "NodeAffinity"
    await node.wait("p", "Running")


async def test_what_runs_is_let_in_first_by_a_kubelet_that_returns(api: Api, tmp_path: Path) -> None:
    large = [{"name": "c", "image": "run", "resources": {"requests": {"cpu": "5"}}}]
    async with running_node(api, tmp_path) as node:
        await node.create("z", containers=large)
        await node.wait("z", "Running")
    await node.create("a", containers=large)
    async with running_node(api, tmp_path) as node:
        assert (await node.wait("a", "Failed"))["status"]["reason"] == "OutOfcpu"
        await node.wait("z", "Running")
        await node.delete("z")
        await node.wait_gone("z")
        await node.create("b", containers=large)
        await node.wait("b", "Running")
