"""Pods that go by force, on a real API server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from controllers.main import Settings
from controllers.pod_garbage_collector import controller
from kube.api.meta import Object
from kube.api.resources import NODES, PODS
from tests.controllers.conftest import Managed, managing
from tests.support.wait import until_async

NAMES = ("pod-garbage-collector-controller",)


@pytest.fixture
async def collected(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Managed]:
    """A cluster where two pods that have ended may stay, and are counted at once."""
    monkeypatch.setattr(controller, "CHECK_SECONDS", 0.0)
    async with managing(Settings(terminated_pod_threshold=2), NAMES) as found:
        yield found


async def make(managed: Managed, name: str, **spec: str) -> None:
    pod: Object = {
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "a", "image": "b"}], **spec},
    }
    await managed.client.create(PODS, pod)


async def test_a_pod_on_a_node_out_of_service_goes(collected: Managed) -> None:
    taints = [{"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}]
    await collected.client.create(NODES, {"metadata": {"name": "n1"}, "spec": {"taints": taints}})
    await make(collected, "a", nodeName="n1")
    await collected.client.delete(PODS, "default", "a")
    await collected.until_gone(PODS, "a")


async def test_the_oldest_of_too_many_go(collected: Managed) -> None:
    for name in ("a", "b", "c", "d"):
        await make(collected, name)
        await collected.client.patch(
            PODS, "default", name, {"status": {"phase": "Succeeded"}}, subresource="status"
        )

    async def check() -> bool:
        return [each["metadata"]["name"] for each in await collected.pods()] == ["c", "d"]

    await until_async("the youngest two", check)
