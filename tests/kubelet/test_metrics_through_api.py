"""metrics.k8s.io: from a runtime through the kubelet's port to a client of the API server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from kube.base.clock import SystemClock
from kubelet.runtime.fake import FakeRuntime
from kubelet.runtime.interface import ContainerStats
from tests.kubelet.conftest import TestNode
from tests.kubelet.test_exec_through_api import kubelet_of

METRICS = "/apis/metrics.k8s.io/v1beta1"
SECOND = 1_000_000_000


class BusyRuntime(FakeRuntime):
    """Every container uses half a processor from its start, and a mebibyte."""

    async def stats(self, pod_uid: str) -> Sequence[ContainerStats]:
        now = SystemClock().now()
        return [
            ContainerStats(each.id, now, int((now - each.started_at).total_seconds() * SECOND / 2), 1 << 20)
            for each in self.containers_of(pod_uid)
            if each.is_running and each.started_at
        ]


@pytest.fixture
async def busy(node: TestNode, tmp_path: Path) -> AsyncIterator[TestNode]:
    node.runtime.__class__ = BusyRuntime
    async with kubelet_of(node, tmp_path):
        await node.create("p")
        await node.wait("p", "Running")
        yield node


async def test_what_pods_use_is_told_within_seconds(busy: TestNode) -> None:
    pods = await busy.api.ok("GET", f"{METRICS}/namespaces/default/pods")
    (pod,) = pods["items"]
    (container,) = pod["containers"]
    assert container["name"] == "c"
    assert container["usage"]["memory"] == "1Mi"
    assert 490_000_000 < int(container["usage"]["cpu"].rstrip("n")) < 510_000_000
    assert pods["kind"] == "PodMetricsList"
    nodes = await busy.api.ok("GET", f"{METRICS}/nodes")
    assert [each["metadata"]["name"] for each in nodes["items"]] == ["n1"]
    assert nodes["items"][0]["usage"]["memory"] == "1Mi"


async def test_one_and_those_selected(busy: TestNode) -> None:
    one = await busy.api.ok("GET", f"{METRICS}/namespaces/default/pods/p")
    assert one["kind"] == "PodMetrics"
    missing = await busy.api("GET", f"{METRICS}/namespaces/default/pods/q")
    assert missing.code == 404
    assert missing.json["message"] == 'podmetrics.metrics.k8s.io "default/q" not found'
    assert (await busy.api.ok("GET", f"{METRICS}/pods?labelSelector=a"))["items"] == []
    assert (await busy.api.ok("GET", f"{METRICS}/nodes/n1"))["metadata"]["name"] == "n1"
    refused = await busy.api("DELETE", f"{METRICS}/nodes/n1")
    assert refused.code == 405
    table = await busy.api.ok("GET", f"{METRICS}/pods", Accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert [each["name"] for each in table["columnDefinitions"]] == ["Name", "cpu", "memory", "Window"]
    assert table["rows"][0]["cells"][0] == "p"


async def test_discovery_and_the_api_service_name_it(busy: TestNode) -> None:
    groups = await busy.api.ok("GET", "/apis")
    assert "metrics.k8s.io" in [each["name"] for each in groups["groups"]]
    listed = await busy.api.ok("GET", METRICS)
    assert [(each["name"], each["kind"]) for each in listed["resources"]] == [
        ("nodes", "NodeMetrics"),
        ("pods", "PodMetrics"),
    ]
    path = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io"
    assert (await busy.api.ok("GET", path))["spec"]["groupPriorityMinimum"] == 100
