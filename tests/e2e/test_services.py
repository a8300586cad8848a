"""Services as a user sees them: exposed with kubectl, called with plain sockets, while pods come and go."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import urllib.request
from collections import Counter
from typing import Any

import pytest

from kube.base.low_ports import bindable
from tests.support.cluster import Cluster
from tests.support.load import OK, PAUSE_SECONDS, ask
from tests.support.wait import until

pytestmark = pytest.mark.e2e

WEB = bindable(80)


class Load:
    """Clients that ask one address again and again, one connection each time, until they are told to stop."""

    def __init__(self, host: str, port: int, clients: int = 3) -> None:
        self._address, self._clients = (host, port), clients
        self.answers: Counter[str] = Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()))

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    async def _all(self) -> None:
        await asyncio.gather(*(self._client() for _ in range(self._clients)))

    async def _client(self) -> None:
        while not self._stop.is_set():
            self.answers[await ask(*self._address)] += 1
            await asyncio.sleep(PAUSE_SECONDS)


def status(host: str, port: int) -> str:
    return asyncio.run(ask(host, port))


@pytest.fixture
def web(cluster: Cluster, namespace: str) -> Any:
    """Three nginx pods behind a Service with a node port."""
    cluster.kubectl("create", "deployment", "web", "--image=nginx", "--replicas=3", "-n", namespace)
    cluster.kubectl("expose", "deployment", "web", "--port=80", "--type=NodePort", "-n", namespace)
    cluster.kubectl("rollout", "status", "deployment/web", "-n", namespace)
    service = cluster.json("get", "service", "web", "-n", namespace)
    until("the Service answers", lambda: status(service["spec"]["clusterIP"], WEB) == OK)
    return service


def test_cluster_ip_and_node_ports_answer(cluster: Cluster, namespace: str, web: Any) -> None:
    node_port = web["spec"]["ports"][0]["nodePort"]
    nodes = cluster.json("get", "nodes")["items"]
    addresses = [
        each["address"] for n in nodes for each in n["status"]["addresses"] if each["type"] == "InternalIP"
    ]
    assert len(addresses) == 3
    if cluster.layout.number == 0:
        addresses.append("127.0.0.1")
    assert {address: status(address, node_port) for address in addresses} == dict.fromkeys(addresses, OK)
    row = cluster.kubectl("get", "service", "web", "-n", namespace).splitlines()[1].split()
    assert row[:5] == ["web", "NodePort", web["spec"]["clusterIP"], "<none>", f"80:{node_port}/TCP"]


def test_nobody_is_refused_while_pods_are_deleted_and_rolled(
    cluster: Cluster, namespace: str, web: Any
) -> None:
    with Load(web["spec"]["clusterIP"], WEB) as load:
        pods = cluster.kubectl("get", "pods", "-n", namespace, "-o", "name").split()
        cluster.kubectl("delete", *pods[:2], "-n", namespace)
        cluster.kubectl("rollout", "status", "deployment/web", "-n", namespace)
        cluster.kubectl("rollout", "restart", "deployment/web", "-n", namespace)
        cluster.kubectl("rollout", "status", "deployment/web", "-n", namespace)
        cluster.kubectl("scale", "deployment/web", "--replicas=1", "-n", namespace)
        cluster.kubectl("rollout", "status", "deployment/web", "-n", namespace)
    assert set(load.answers) == {OK}
    assert load.answers[OK] > 10


def test_a_service_without_pods_refuses_and_one_that_is_deleted_goes(
    cluster: Cluster, namespace: str, web: Any
) -> None:
    address = web["spec"]["clusterIP"]
    cluster.kubectl("scale", "deployment/web", "--replicas=0", "-n", namespace)
    until("clients are refused", lambda: "ConnectionRefused" in status(address, WEB))
    cluster.kubectl("scale", "deployment/web", "--replicas=1", "-n", namespace)
    until("clients are served again", lambda: status(address, WEB) == OK)
    cluster.kubectl("delete", "service", "web", "-n", namespace)
    until("nobody listens", lambda: "ConnectionRefused" in status(address, WEB))
    until("its slices went", lambda: "web" not in cluster.kubectl("get", "endpointslices", "-n", namespace))
    until("its Endpoints went", lambda: "web" not in cluster.kubectl("get", "endpoints", "-n", namespace))


def test_the_kubernetes_service_reaches_the_api(cluster: Cluster) -> None:
    service = cluster.json("get", "service", "kubernetes", "-n", "default")
    assert [port["port"] for port in service["spec"]["ports"]] == [443]
    context = ssl.create_default_context(cafile=str(cluster.layout.cert("ca")))
    url = f"https://{service['spec']['clusterIP']}:{bindable(443)}/version"

    def version() -> Any:
        try:
            with urllib.request.urlopen(url, context=context) as answer:
                return json.load(answer)
        except OSError:
            return None

    assert until("the API answers on the Service's address", version)["gitVersion"].startswith("v1.")


def test_the_proxy_comes_back_and_so_do_its_addresses(own_cluster: Cluster) -> None:
    cluster = own_cluster
    cluster.kubectl("create", "deployment", "web", "--image=nginx")
    cluster.kubectl("expose", "deployment", "web", "--port=80")
    address = cluster.json("get", "service", "web")["spec"]["clusterIP"]
    until("the Service answers", lambda: status(address, WEB) == OK)
    before = cluster.kill("proxy-0")
    until("another proxy runs", lambda: cluster.running().get("proxy-0", before) != before)
    until("the Service answers again", lambda: status(address, WEB) == OK)
