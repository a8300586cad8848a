"""Endpoints that a user writes appear as slices, on a real API server."""

from __future__ import annotations

from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import ENDPOINT_SLICES, ENDPOINTS, SERVICES
from tests.controllers.conftest import Managed
from tests.support.wait import until_async

SELECTOR = "kubernetes.io/service-name=db"


async def addresses(managed: Managed) -> list[str]:
    found = (await managed.client.list(ENDPOINT_SLICES, "default", SELECTOR))["items"]
    return sorted(ip for each in found for end in each["endpoints"] for ip in end["addresses"])


async def test_endpoints_are_mirrored_for_as_long_as_they_are_there(managed: Managed) -> None:
    metadata = {"name": "db", "namespace": "default"}
    service = {"metadata": metadata, "spec": {"ports": [{"port": 5432}]}}
    await managed.client.create(SERVICES, service)
    subset: Object = {"addresses": [{"ip": "192.0.2.1"}], "ports": [{"port": 5432}]}
    made = await managed.client.create(ENDPOINTS, {"metadata": metadata, "subsets": [subset]})

    async def until(*wanted: str) -> None:
        async def check() -> bool:
            return await addresses(managed) == [*wanted]

        await until_async(f"slices with {wanted}", check)

    await until("192.0.2.1")
    subset["addresses"].append({"ip": "192.0.2.2"})
    await managed.client.update(ENDPOINTS, {**made, "subsets": [subset]})
    await until("192.0.2.1", "192.0.2.2")
    [mirrored] = (await managed.client.list(ENDPOINT_SLICES, "default", SELECTOR))["items"]
    assert meta.is_controlled_by(mirrored, made)
    await managed.client.delete(ENDPOINTS, "default", "db")
    await until()
