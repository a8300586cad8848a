"""Pods on a node from their first container to their last, with the real API server: what users are shown."""

from __future__ import annotations

import functools
from datetime import timedelta
from pathlib import Path
from typing import Any

from kube.base.clock import SystemClock
from kubelet.pod.backoff import Backoff
from tests.kubelet.conftest import TestNode, running_node
from tests.support.api_server import Api
from tests.support.clocks import Jumping
from tests.support.wait import until_async

MERGE = "application/merge-patch+json"
SLEEPS = ["sleep", "1000"]


async def create(
    node: TestNode, name: str, *command: str, pod: dict[str, Any] | None = None, **more: Any
) -> None:
    """A pod with one container that runs one of the pretended programs."""
    containers = [{"name": "c", "image": "shell", "command": list(command), **more}]
    await node.create(name, containers=containers, **(pod or {}))


async def status(node: TestNode, name: str, kind: str = "containerStatuses") -> Any:
    pod = await node.get(name)
    return ((pod or {}).get("status", {}).get(kind) or [{}])[0]


async def reason(node: TestNode, name: str, state: str) -> Any:
    return (await status(node, name)).get("state", {}).get(state, {}).get("reason")


async def has_event(node: TestNode, name: str, text: str) -> None:
    async def check() -> bool:
        return any(text in each for each in await node.events(name, 1))

    await until_async(f"an event: {text}", check)


async def test_of_dead_containers_the_last_is_kept(node: TestNode) -> None:
    await create(node, "p", "sh", "-c", "echo attempt; exit 3")

    async def restarted() -> bool:
        return int((await status(node, "p")).get("restartCount", 0)) >= 3

    await until_async("it was restarted three times", restarted)
    pod = await node.get("p")
    containers = node.runtime.containers_of(pod["metadata"]["uid"])
    assert [each.attempt for each in containers] == sorted(each.attempt for each in containers)
    assert len(containers) <= 2
    assert containers[-1].attempt >= 3
    last = (await status(node, "p"))["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (3, "Error")


async def test_a_startup_probe_that_never_succeeds_restarts_its_container(node: TestNode) -> None:
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}
    await create(node, "p", *SLEEPS, startupProbe=probe, pod={"terminationGracePeriodSeconds": 0})

    async def restarted() -> bool:
        return int((await status(node, "p")).get("restartCount", 0)) >= 1

    await until_async("it is restarted", restarted)
    await has_event(node, "p", "Unhealthy: Startup probe failed: ")
    await has_event(node, "p", "Killing: Container c failed startup probe, will be restarted")


async def test_a_container_is_ready_when_its_probe_says_so(node: TestNode) -> None:
    probe = {"exec": {"command": ["test", "-e", "/config/ready"]}, "periodSeconds": 1}
    volume = {"name": "v", "configMap": {"name": "conf", "optional": True}}
    mounts = [{"name": "v", "mountPath": "/config"}]
    await create(node, "p", *SLEEPS, readinessProbe=probe, volumeMounts=mounts, pod={"volumes": [volume]})
    await has_event(node, "p", "Unhealthy: Readiness probe failed: ")
    assert (await status(node, "p"))["ready"] is False
    data = {"metadata": {"name": "conf"}, "data": {"ready": ""}}
    await node.api.ok("POST", "/api/v1/namespaces/default/configmaps", data)

    async def is_ready() -> bool:
        return bool((await status(node, "p"))["ready"])

    await until_async("it is ready", is_ready)


async def test_a_hook_that_fails_ends_its_container(node: TestNode) -> None:
    hook = {"postStart": {"exec": {"command": ["sh", "-c", "echo no; exit 1"]}}}
    await create(node, "p", *SLEEPS, lifecycle=hook, pod={"terminationGracePeriodSeconds": 0})
    await has_event(node, "p", "FailedPostStartHook: PostStartHook failed")
    await has_event(node, "p", "Killing: FailedPostStartHook")


async def test_the_end_of_a_log_may_be_the_message(node: TestNode) -> None:
    more = {"terminationMessagePolicy": "FallbackToLogsOnError", "pod": {"restartPolicy": "Never"}}
    await create(node, "p", "sh", "-c", "echo first; echo last words; exit 1", **more)
    await node.wait("p", "Failed")
    ended = (await status(node, "p"))["state"]["terminated"]
    assert (ended["exitCode"], ended["message"]) == (1, "first\nlast words\n")


async def test_a_pod_has_its_time(node: TestNode) -> None:
    await create(node, "p", *SLEEPS, pod={"activeDeadlineSeconds": 1, "terminationGracePeriodSeconds": 0})
    pod = await node.wait("p", "Failed")
    assert pod["status"]["reason"] == "DeadlineExceeded"
    assert pod["status"]["message"] == "Pod was active on the node longer than the specified deadline"


async def test_a_sidecar_ends_after_the_work_is_done(node: TestNode) -> None:
    sidecar = {"name": "s", "image": "shell", "command": SLEEPS, "restartPolicy": "Always"}
    init = {"name": "i", "image": "shell", "command": ["true"]}
    spec = {"initContainers": [sidecar, init], "restartPolicy": "Never", "terminationGracePeriodSeconds": 0}
    await create(node, "p", "sh", "-c", "echo done", pod=spec)
    await node.wait("p", "Succeeded")
    of_sidecar, of_init = (await node.get("p"))["status"]["initContainerStatuses"]
    assert of_init["state"]["terminated"]["reason"] == "Completed"
    assert "terminated" in of_sidecar["state"]


async def test_an_image_that_nobody_has(node: TestNode) -> None:
    await node.create("p", "example.com/does-not-exist")

    async def waits() -> bool:
        return bool(await reason(node, "p", "waiting") == "ImagePullBackOff")

    await until_async("it waits for its image", waits)
    await has_event(node, "p", 'Failed: Failed to pull image "example.com/does-not-exist": nobody has it')
    await has_event(node, "p", "Failed: Error: ErrImagePull")
    await has_event(node, "p", 'BackOff: Back-off pulling image "example.com/does-not-exist"')


async def test_a_wait_that_ends_between_two_looks_is_over(api: Api, tmp_path: Path) -> None:
    minute = timedelta(minutes=1)
    clock = Jumping(SystemClock(), minute)
    async with running_node(api, tmp_path, clock=clock, backoff=Backoff(minute, minute)) as node:
        await node.create("p", "crash")

        async def backs_off(restarts: int) -> bool:
            now = await status(node, "p")
            waiting = now.get("state", {}).get("waiting", {}).get("reason")
            return bool(now.get("restartCount") == restarts and waiting == "CrashLoopBackOff")

        async def has_jumped() -> bool:
            if clock.looks >= 0:
                changed = {"metadata": {"annotations": {"looks": str(clock.looks)}}}
                await node.api.ok("PATCH", "/api/v1/namespaces/default/pods/p", changed, MERGE)
            return clock.looks < 0

        # The first restart waits for nothing; each later one is due at another look after a change.
        for looks in range(16):
            await until_async(f"{looks + 1} restarts", functools.partial(backs_off, looks + 1))
            clock.looks = looks
            await until_async(f"{looks} looks", has_jumped)


async def test_a_stage_that_does_not_exist_is_named(node: TestNode) -> None:
    containers = [{"name": "c", "image": "run"}]
    metadata = {"name": "p", "annotations": {"kubelite/stage.c": "nope"}}
    pod = {"metadata": metadata, "spec": {"nodeName": "n1", "containers": containers}}
    await node.api.ok("POST", "/api/v1/namespaces/default/pods", pod)
    await has_event(
        node, "p", 'annotation kubelite/stage: there is no stage "nope", only crash, once, absent, run'
    )


async def test_what_a_pod_uses_is_what_its_annotations_say(node: TestNode) -> None:
    containers = [{"name": "c", "image": "run"}, {"name": "d", "image": "run"}]
    annotations = {"kubelite/cpu-usage": "250m", "kubelite/memory-usage.d": "64Mi"}
    metadata = {"name": "p", "annotations": annotations}
    pod = {"metadata": metadata, "spec": {"nodeName": "n1", "containers": containers}}
    uid = (await node.api.ok("POST", "/api/v1/namespaces/default/pods", pod))["metadata"]["uid"]
    await node.wait("p", "Running")
    before = await node.runtime.stats(uid)
    after = await node.runtime.stats(uid)
    assert [each.memory_bytes for each in after] == [8 << 20, 64 << 20]
    for one, two in zip(before, after, strict=True):
        seconds = (two.at - one.at).total_seconds()
        assert abs((two.cpu_nanoseconds - one.cpu_nanoseconds) - seconds * 250e6) < 2000


async def test_what_a_pod_uses_changes_with_its_annotations(node: TestNode) -> None:
    pod = {
        "metadata": {"name": "p", "annotations": {"kubelite/cpu-usage": "2"}},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "run"}]},
    }
    uid = (await node.api.ok("POST", "/api/v1/namespaces/default/pods", pod))["metadata"]["uid"]
    await node.wait("p", "Running")
    before = (await node.runtime.stats(uid))[0]
    change = {"metadata": {"annotations": {"kubelite/cpu-usage": "1m", "kubelite/memory-usage": "3Mi"}}}
    await node.api.ok("PATCH", "/api/v1/namespaces/default/pods/p", change, MERGE)

    async def is_heard() -> bool:
        return (await node.runtime.stats(uid))[0].memory_bytes == 3 << 20

    await until_async("the node has heard of it", is_heard)
    # What was used before stays used: a counter never falls.
    one, two = (await node.runtime.stats(uid))[0], (await node.runtime.stats(uid))[0]
    assert one.cpu_nanoseconds >= before.cpu_nanoseconds
    seconds = (two.at - one.at).total_seconds()
    assert abs((two.cpu_nanoseconds - one.cpu_nanoseconds) - seconds * 1e6) < 2000


async def test_a_debugger_beside_what_runs(node: TestNode) -> None:
    await create(node, "p", *SLEEPS)
    await node.wait("p", "Running")
    path = "/api/v1/namespaces/default/pods/p/ephemeralcontainers"
    debugger = {"name": "d", "image": "shell", "command": ["sh", "-c", "exit 4"], "targetContainerName": "c"}
    pod = await node.get("p")
    pod["spec"]["ephemeralContainers"] = [debugger]
    await node.api.ok("PUT", path, pod)

    async def has_ended() -> bool:
        ended = await status(node, "p", "ephemeralContainerStatuses")
        return bool(ended.get("state", {}).get("terminated", {}).get("exitCode") == 4)

    await until_async("the debugger has ended", has_ended)
    assert (await status(node, "p"))["restartCount"] == 0
