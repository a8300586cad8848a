"""LimitRanges: what containers are given when they say nothing, and what is refused, in Kubernetes' words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.api_server import Api, serving

SPACE = "/api/v1/namespaces/default"
ANNOTATION = "kubernetes.io/limit-ranger"


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with serving() as running:
        yield running


async def limit(api: Api, name: str, *limits: dict[str, Any]) -> None:
    made = {"metadata": {"name": name}, "spec": {"limits": limits}}
    await api.ok("POST", f"{SPACE}/limitranges", made)
    await api.server.cache.consistent()


def container(name: str = "c", *, limits: Any = None, requests: Any = None) -> dict[str, Any]:
    parts = {"limits": limits, "requests": requests}
    return {"name": name, "image": "i", "resources": {key: part for key, part in parts.items() if part}}


def pod(*containers: dict[str, Any], **spec: Any) -> Any:
    return {"metadata": {"name": "p"}, "spec": {"containers": containers or [container()], **spec}}


async def refusal(api: Api, o: Any, plural: str = "pods") -> str:
    answer = await api("POST", f"{SPACE}/{plural}", o)
    assert (answer.code, answer.json["reason"]) == (403, "Forbidden"), answer.body
    message: str = answer.json["message"]
    start = f'{plural} "{o["metadata"]["name"]}" is forbidden: '
    assert message.startswith(start)
    return message.removeprefix(start)


async def test_what_is_not_said_is_given_and_noted(api: Api) -> None:
    default = {"cpu": "1", "memory": "1Gi"}
    await limit(api, "l", {"type": "Container", "default": default, "defaultRequest": {"cpu": "100m"}})
    init = container("first", limits={"cpu": "2"})
    made = await api.ok("POST", f"{SPACE}/pods", pod(container(), initContainers=[init]))
    [got] = made["spec"]["containers"]
    assert got["resources"] == {"limits": default, "requests": {"cpu": "100m", "memory": "1Gi"}}
    assert made["spec"]["initContainers"][0]["resources"] == {
        "limits": {"cpu": "2", "memory": "1Gi"},
        "requests": {"cpu": "2", "memory": "1Gi"},
    }
    assert made["metadata"]["annotations"][ANNOTATION] == (
        "LimitRanger plugin set: cpu, memory request for container c; cpu, memory limit for container c; "
        "memory request for init container first; memory limit for init container first"
    )
    assert made["status"]["qosClass"] == "Burstable"


async def test_a_container_is_kept_within_its_bounds(api: Api) -> None:
    await limit(
        api,
        "l",
        {
            "type": "Container",
            "min": {"cpu": "100m"},
            "max": {"cpu": "1", "memory": "1Gi"},
            "default": {"memory": "512Mi", "cpu": "500m"},
            "maxLimitRequestRatio": {"cpu": "2"},
        },
    )
    assert await refusal(api, pod(container(limits={"cpu": "2"}))) == (
        "maximum cpu usage per Container is 1, but limit is 2"
    )
    assert await refusal(api, pod(container(requests={"cpu": "50m"}, limits={"cpu": "100m"}))) == (
        "minimum cpu usage per Container is 100m, but request is 50m"
    )
    assert await refusal(api, pod(container(requests={"cpu": "100m"}, limits={"cpu": "350m"}))) == (
        "cpu max limit to request ratio per Container is 2, but provided ratio is 3.500000"
    )
    assert await refusal(api, pod(container(limits={"cpu": "2", "memory": "2Gi"}))) == (
        "[maximum cpu usage per Container is 1, but limit is 2, "
        "maximum memory usage per Container is 1Gi, but limit is 2Gi]"
    )
    await api.ok("POST", f"{SPACE}/pods", pod(container(requests={"cpu": "250m"})))


async def test_a_pod_is_kept_within_its_bounds(api: Api) -> None:
    await limit(api, "l", {"type": "Pod", "max": {"cpu": "1"}, "min": {"memory": "10Mi"}})
    assert await refusal(api, pod()) == (
        "[minimum memory usage per Pod is 10Mi.  No request is specified, "
        "maximum cpu usage per Pod is 1.  No limit is specified]"
    )
    half = container("a", limits={"cpu": "600m", "memory": "20Mi"})
    assert await refusal(api, pod(half, {**half, "name": "b"})) == (
        "maximum cpu usage per Pod is 1, but limit is 1200m"
    )
    first = container("first", limits={"cpu": "1500m", "memory": "20Mi"})
    assert await refusal(api, pod(half, initContainers=[first])) == (
        "maximum cpu usage per Pod is 1, but limit is 1500m"
    )
    await api.ok("POST", f"{SPACE}/pods", pod(half))


async def test_a_claim_is_kept_within_its_bounds(api: Api) -> None:
    await limit(
        api, "l", {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "2Gi"}}
    )

    def claim(size: str) -> Any:
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
        return {"metadata": {"name": "data"}, "spec": spec}

    assert await refusal(api, claim("500Mi"), "persistentvolumeclaims") == (
        "minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 500Mi"
    )
    assert await refusal(api, claim("3Gi"), "persistentvolumeclaims") == (
        "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi"
    )
    await api.ok("POST", f"{SPACE}/persistentvolumeclaims", claim("2Gi"))


async def test_what_lives_already_is_left_alone(api: Api) -> None:
    await api.ok("POST", f"{SPACE}/pods", pod())
    await limit(api, "l", {"type": "Container", "min": {"cpu": "1"}})
    made = await api.ok("GET", f"{SPACE}/pods/p")
    made["metadata"]["labels"] = {"changed": "yes"}
    after = await api.ok("PUT", f"{SPACE}/pods/p", made)
    assert ANNOTATION not in after["metadata"].get("annotations", {})
    assert after["spec"]["containers"][0]["resources"] == {}
