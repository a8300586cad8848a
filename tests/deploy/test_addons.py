"""The Service kube-dns: made when it is missing, and otherwise whoever's it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from apiserver.main import Flags
from deploy.addons import ensure_kube_dns
from kube.client.rest import Client
from tests.support.api_server import Api, serving
from tests.support.in_process import client_of

SERVICE = "/api/v1/namespaces/kube-system/services/kube-dns"
SLICE = "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices/kube-dns"


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with serving(flags=Flags(service_cluster_ip_range="127.96.0.0/16")) as started:
        yield started


@pytest.fixture
async def client(api: Api) -> AsyncIterator[Client]:
    made = client_of(api, "up")
    yield made
    await made.close()


def addresses(o: Any) -> list[str]:
    return [address for endpoint in o["endpoints"] for address in endpoint["addresses"]]


async def test_it_is_made_and_what_goes_missing_is_made_anew(api: Api, client: Client) -> None:
    await ensure_kube_dns(client, "127.96.0.10")
    service, endpoints = await api.ok("GET", SERVICE), await api.ok("GET", SLICE)
    assert service["spec"]["clusterIP"] == "127.96.0.10"
    ports = [(port["name"], port["port"], port["protocol"]) for port in service["spec"]["ports"]]
    assert ports == [("dns", 53, "UDP"), ("dns-tcp", 53, "TCP")]
    assert addresses(endpoints) == ["127.96.0.10"]
    for path in (SERVICE, SLICE):
        await api.ok("DELETE", path)
        await ensure_kube_dns(client, "127.96.0.10")
        assert (await api.ok("GET", path))["metadata"]["name"] == "kube-dns"


async def test_what_somebody_has_changed_stays(api: Api, client: Client) -> None:
    await ensure_kube_dns(client, "127.96.0.10")
    change = {"metadata": {"labels": {"service.kubernetes.io/service-proxy-name": None, "mine": "yes"}}}
    changed = await api.ok("PATCH", SERVICE, change, "application/merge-patch+json")
    await ensure_kube_dns(client, "127.96.0.10")
    assert await api.ok("GET", SERVICE) == changed
