"""An API server that aggregates, a node with a kubelet, and a metrics server: all in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from apiserver import bootstrap
from apiserver.main import Flags
from kube.base import tls
from kube.base.clock import SystemClock
from kube.base.tasks import Tasks
from kubelet.runtime.fake import FakeRuntime
from kubelet.runtime.interface import ContainerStats
from metrics_server.main import serve
from metrics_server.meter import Meter
from tests.kubelet.conftest import TestNode, running_node
from tests.kubelet.test_exec_through_api import kubelet_of
from tests.support.api_server import Api, serving
from tests.support.certificates import Authority, make_authority
from tests.support.in_process import client_of
from tests.support.wait import until_async

ALLOWED = "front-proxy-client"
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


@dataclass
class World:
    """Who is there; clients and proxies: who signs the certificates of users, and of front proxies."""

    api: Api
    node: TestNode
    clients: Authority
    proxies: Authority

    async def where(self) -> str:
        """Where the metrics server listens, as it says itself."""
        path = "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices/metrics-server"
        found = await self.api.ok("GET", path)
        return f"https://{found['endpoints'][0]['addresses'][0]}:{found['ports'][0]['port']}"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clients, proxies = make_authority(tmp_path / "clients"), make_authority(tmp_path / "proxies")
    cert, key = proxies.pair(ALLOWED)
    flags = Flags(
        requestheader_client_ca_file=proxies.ca,
        requestheader_allowed_names=ALLOWED,
        proxy_client_cert_file=cert,
        proxy_client_key_file=key,
    )
    async with serving(flags=flags) as api, Tasks() as tasks:
        texts = [await asyncio.to_thread(Path(each.ca).read_text) for each in (clients, proxies)]
        await bootstrap.ensure(api.server, flags.service_cluster_ip_range, 6450, *texts)
        tasks.start("aggregation", api.server.aggregation.run)
        root_ca = {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": "authority"}}
        await api.ok("POST", "/api/v1/namespaces/default/configmaps", root_ca)
        async with running_node(api, tmp_path / "node") as node, kubelet_of(node, tmp_path, clients):
            node.runtime.__class__ = BusyRuntime
            yield World(api, node, clients, proxies)
        await tasks.cancel()


@pytest.fixture
async def served(world: World) -> AsyncIterator[World]:
    """With the metrics server, as main opens it, found by the API server."""
    client = client_of(world.api, "metrics-server")
    pair = world.clients.pair("system:metrics-server", names=["metrics-server.kube-system.svc"])
    context = tls.server_context(*pair, None, require_client=False)
    connector = aiohttp.TCPConnector(ssl=tls.client_context(world.clients.ca, *pair))
    ca = await asyncio.to_thread(Path(world.clients.ca).read_text)
    async with aiohttp.ClientSession(connector=connector) as kubelets, Tasks() as tasks:
        meter = Meter(client, kubelets)
        tasks.start("metrics server", serve, client, meter, context, ("127.0.0.1", 0), ca)
        await until_async("the API server has found it", lambda: is_found(world.api))
        yield world
        await tasks.cancel()
        await client.close()


async def is_found(api: Api) -> bool:
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    items = (await api.ok("GET", "/apis", Accept=accept))["items"]
    found = [each for each in items if each["metadata"]["name"] == "metrics.k8s.io"]
    return bool(found) and found[0]["versions"][0]["freshness"] == "Current"
