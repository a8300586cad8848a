"""Disruption budgets and evictions on a real API server."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kube.api import meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import DEPLOYMENTS, POD_DISRUPTION_BUDGETS, PODS
from tests.controllers.conftest import Managed


def allowed(count: int, healthy: int) -> Callable[[Object], bool]:
    def check(budget: Object) -> bool:
        status = budget.get("status") or {}
        return (status.get("disruptionsAllowed"), status.get("currentHealthy")) == (count, healthy)

    return check


async def evict(managed: Managed, name: str) -> None:
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": "default"},
    }
    await managed.client.create(PODS, eviction, subresource="eviction", name=name)


async def test_a_budget_lets_go_of_one_pod_at_a_time(managed: Managed) -> None:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "b"}]}}
    metadata = {"name": "web", "namespace": "default"}
    spec = {"replicas": 3, "selector": {"matchLabels": labels}, "template": template}
    await managed.client.create(DEPLOYMENTS, {"metadata": metadata, "spec": spec})
    bound = {"maxUnavailable": 1, "selector": {"matchLabels": labels}}
    await managed.client.create(POD_DISRUPTION_BUDGETS, {"metadata": metadata, "spec": bound})
    pods = await managed.until_pods(3)
    budget = await managed.roll_out(POD_DISRUPTION_BUDGETS, "web", allowed(1, 3))
    assert budget["status"]["expectedPods"] == 3
    assert budget["status"]["desiredHealthy"] == 2
    await evict(managed, meta.name(pods[0]))
    await managed.until(POD_DISRUPTION_BUDGETS, "web", allowed(0, 2))
    with pytest.raises(StatusError) as refused:
        await evict(managed, meta.name(pods[1]))
    assert refused.value.code == 429
    [cause] = refused.value.details["causes"]
    assert cause["reason"] == "DisruptionBudget"
    assert cause["message"] == "The disruption budget web needs 2 healthy pods and has 2 currently"
    budget = await managed.roll_out(POD_DISRUPTION_BUDGETS, "web", allowed(1, 3))
    assert "disruptedPods" not in budget["status"]


async def test_events_of_budgets_and_of_their_pods_both_come(managed: Managed) -> None:
    labels = {"app": "web"}
    metadata = {"name": "p", "namespace": "default", "labels": labels}
    pod = {"metadata": metadata, "spec": {"containers": [{"name": "a", "image": "b"}]}}
    for name, selected in (("one", labels), ("two", labels), ("none", {"app": "other"})):
        bound = {"maxUnavailable": 1, "selector": {"matchLabels": selected}}
        await managed.client.create(
            POD_DISRUPTION_BUDGETS, {"metadata": {"name": name, "namespace": "default"}, "spec": bound}
        )
    await managed.messages("NoPods")
    await managed.client.create(PODS, pod)
    [message, *_] = await managed.messages("MultiplePodDisruptionBudgets")
    assert message == 'Pod "default"/"p" matches multiple PodDisruptionBudgets.  Chose "one" arbitrarily.'


async def test_an_empty_selector_covers_every_pod_and_none_covers_none(managed: Managed) -> None:
    for name, labels in (("a", {}), ("b", {"app": "web"})):
        metadata = {"name": name, "namespace": "default", "labels": labels}
        pod = {"metadata": metadata, "spec": {"containers": [{"name": "a", "image": "b"}]}}
        await managed.client.create(PODS, pod)
    await managed.run_pods("")
    for name, selected in (("all", {"selector": {}}), ("none", {})):
        budget = {"metadata": {"name": name, "namespace": "default"}, "spec": {"minAvailable": 2, **selected}}
        await managed.client.create(POD_DISRUPTION_BUDGETS, budget)
    await managed.until(POD_DISRUPTION_BUDGETS, "all", allowed(0, 2))
    await managed.until(POD_DISRUPTION_BUDGETS, "none", allowed(0, 0))
    for name in ("a", "b"):
        with pytest.raises(StatusError) as refused:
            await evict(managed, name)
        [cause] = refused.value.details["causes"]
        assert cause["message"] == "The disruption budget all needs 2 healthy pods and has 2 currently"
    await managed.client.delete(POD_DISRUPTION_BUDGETS, "default", "all")
    await evict(managed, "a")
