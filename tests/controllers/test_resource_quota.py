"""Quotas that are charged by the API server and counted by the controller."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kube.api import meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    RESOURCE_QUOTAS,
    SERVICES,
)
from tests.controllers.conftest import Managed

METADATA = {"name": "web", "namespace": "default"}
LABELS = {"app": "web"}


def used(**amounts: str) -> Callable[[Object], bool]:
    def check(quota: Object) -> bool:
        found = meta.get(quota, "status", "used", default={})
        return all(found.get(name.replace("_", ".")) == amount for name, amount in amounts.items())

    return check


async def make(managed: Managed, hard: dict[str, str]) -> None:
    metadata = {"name": "q", "namespace": "default"}
    await managed.client.create(RESOURCE_QUOTAS, {"metadata": metadata, "spec": {"hard": hard}})
    await managed.until(
        RESOURCE_QUOTAS, "q", lambda o: set(meta.get(o, "status", "used", default={})) == set(hard)
    )


async def test_a_deployment_fills_its_quota_and_no_more(managed: Managed) -> None:
    await make(managed, {"pods": "3", "count/deployments.apps": "1"})
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "a", "image": "b"}]}}
    spec = {"replicas": 5, "selector": {"matchLabels": LABELS}, "template": template}
    await managed.client.create(DEPLOYMENTS, {"metadata": METADATA, "spec": spec})
    await managed.until_pods(3)
    await managed.until(RESOURCE_QUOTAS, "q", used(pods="3"))
    messages = await managed.messages("FailedCreate")
    assert "exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3" in messages[0]
    metadata = {**METADATA, "name": "more"}
    with pytest.raises(StatusError, match=r"count/deployments.apps=1"):
        await managed.client.create(DEPLOYMENTS, {"metadata": metadata, "spec": spec})
    # Fewer are wanted than there are: the count follows what goes.
    await managed.client.patch(DEPLOYMENTS, "default", "web", {"spec": {"replicas": 1}})
    await managed.until(RESOURCE_QUOTAS, "q", used(pods="1"))


async def test_what_goes_or_ends_makes_room(managed: Managed) -> None:
    await managed.client.create(CONFIG_MAPS, {"metadata": {**METADATA, "name": "before"}})
    await make(managed, {"configmaps": "9", "pods": "9"})
    # The other is the authority of the cluster, which may have been published before, after, or meanwhile.
    await managed.until(RESOURCE_QUOTAS, "q", used(configmaps="2"))
    await managed.client.delete(CONFIG_MAPS, "default", "before")
    await managed.until(RESOURCE_QUOTAS, "q", used(configmaps="1"))
    pod = {"metadata": {**METADATA, "labels": LABELS}, "spec": {"containers": [{"name": "a", "image": "b"}]}}
    await managed.client.create(PODS, pod)
    await managed.until(RESOURCE_QUOTAS, "q", used(pods="1"))
    await managed.client.patch(
        PODS, "default", "web", {"status": {"phase": "Succeeded"}}, subresource="status"
    )
    await managed.until(RESOURCE_QUOTAS, "q", used(pods="0"))


async def test_services_and_claims_are_counted_as_they_change(managed: Managed) -> None:
    ports = [{"name": "a", "port": 80}]
    await managed.client.create(
        SERVICES, {"metadata": METADATA, "spec": {"type": "NodePort", "ports": ports}}
    )
    await make(managed, {"services": "5", "services.nodeports": "5", "requests.storage": "3Gi"})
    await managed.until(RESOURCE_QUOTAS, "q", used(services_nodeports="1"))
    await managed.client.patch(SERVICES, "default", "web", {"spec": {"type": "ClusterIP"}})
    await managed.until(RESOURCE_QUOTAS, "q", used(services_nodeports="0"))
    resources = {"requests": {"storage": "2Gi"}}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": resources, "storageClassName": "none"}
    await managed.client.create(PERSISTENT_VOLUME_CLAIMS, {"metadata": METADATA, "spec": claim})
    await managed.until(RESOURCE_QUOTAS, "q", used(requests_storage="2Gi"))
    with pytest.raises(StatusError, match=r"requests.storage=2Gi"):
        await managed.client.create(
            PERSISTENT_VOLUME_CLAIMS, {"metadata": {**METADATA, "name": "b"}, "spec": claim}
        )


async def test_a_quota_that_changes_is_counted_anew(managed: Managed) -> None:
    await make(managed, {"pods": "3"})
    await managed.client.patch(RESOURCE_QUOTAS, "default", "q", {"spec": {"hard": {"services": "2"}}})
    quota = await managed.until(
        RESOURCE_QUOTAS, "q", lambda o: "services" in meta.get(o, "status", "used", default={})
    )
    # The Service of the API itself may be there.
    assert quota["status"]["hard"] == {"pods": "3", "services": "2"}
