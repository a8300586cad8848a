"""Autoscalers with the real API server: whatever has a scale is scaled, and people are told."""

from __future__ import annotations

from typing import Any

from kube.api import conditions
from kube.api.meta import Object
from kube.api.resources import (
    DEPLOYMENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    REPLICATION_CONTROLLERS,
)
from tests.controllers.conftest import Managed


async def autoscale(managed: Managed, api_version: str, kind: str, **spec: Any) -> None:
    reference = {"apiVersion": api_version, "kind": kind, "name": "web"}
    spec = {"scaleTargetRef": reference, "maxReplicas": 5, **spec}
    await managed.client.create(
        HORIZONTAL_POD_AUTOSCALERS, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec}
    )


async def deploy(managed: Managed, replicas: int) -> None:
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "image": "web"}]},
        },
    }
    await managed.client.create(
        DEPLOYMENTS, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec}
    )


def has(kind: str, reason: str) -> Any:
    def check(o: Object) -> bool:
        found = conditions.find(o, kind)
        return found is not None and found["reason"] == reason

    return check


async def test_a_number_out_of_bounds_is_brought_back(managed: Managed) -> None:
    await deploy(managed, 1)
    await autoscale(managed, "apps/v1", "Deployment", minReplicas=3)
    await managed.until(DEPLOYMENTS, "web", lambda o: o["spec"]["replicas"] == 3)
    found = await managed.until(HORIZONTAL_POD_AUTOSCALERS, "web", has("AbleToScale", "SucceededRescale"))
    assert (found["status"]["currentReplicas"], found["status"]["desiredReplicas"]) == (1, 3)
    assert found["status"]["lastScaleTime"]
    said = "New size: 3; reason: Current number of replicas below Spec.MinReplicas"
    assert await managed.messages("SuccessfulRescale") == [said]
    # Its newest spec is looked at without waiting; nobody serves what the pods use.
    patch = {"spec": {"minReplicas": 2}}
    await managed.client.patch(HORIZONTAL_POD_AUTOSCALERS, "default", "web", patch)
    found = await managed.until(
        HORIZONTAL_POD_AUTOSCALERS, "web", has("ScalingActive", "FailedGetResourceMetric")
    )
    assert found["status"]["currentReplicas"] == 3
    [event, *_] = await managed.messages("FailedGetResourceMetric")
    assert event == (
        "failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from "
        "resource metrics API: the server could not find the requested resource"
    )


async def test_a_target_that_is_not_there(managed: Managed) -> None:
    await autoscale(managed, "apps/v1", "Deployment")
    await managed.until(HORIZONTAL_POD_AUTOSCALERS, "web", has("AbleToScale", "FailedGetScale"))
    assert await managed.messages("FailedGetScale") == ['deployments.apps "web" not found']


async def test_a_kind_that_nobody_serves(managed: Managed) -> None:
    await autoscale(managed, "example.com/v1", "Widget")
    await managed.until(HORIZONTAL_POD_AUTOSCALERS, "web", has("AbleToScale", "FailedGetScale"))
    assert await managed.messages("FailedGetScale") == ['no matches for kind "Widget" in group "example.com"']


async def test_a_kind_of_the_core_group(managed: Managed) -> None:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "web"}]},
    }
    spec = {"replicas": 9, "selector": {"app": "web"}, "template": template}
    metadata = {"name": "web", "namespace": "default"}
    await managed.client.create(REPLICATION_CONTROLLERS, {"metadata": metadata, "spec": spec})
    await autoscale(managed, "v1", "ReplicationController")
    await managed.until(REPLICATION_CONTROLLERS, "web", lambda o: o["spec"]["replicas"] == 5)
