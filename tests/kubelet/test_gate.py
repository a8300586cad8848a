"""Who may ask the kubelet what: certificates and tokens, reviewed by a real API server in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from kube.base import tls
from kube.base.clock import SystemClock
from kubelet.server.access import subresources_of
from kubelet.server.gate import Gate
from kubelet.server.served import Served
from kubelet.server.server import KubeletServer
from tests.kubelet.conftest import TestNode
from tests.support.certificates import Authority, make_authority
from tests.support.in_process import client_of
from tests.support.wait import until_async


class Visitors:
    """Asks the port of node n1 with a certificate, a token, or neither."""

    def __init__(self, authority: Authority, base: str) -> None:
        self._authority, self._base = authority, base

    async def get(self, path: str, user: str = "", group: str = "", token: str = "") -> tuple[int, str]:
        pair = self._authority.pair(user, group) if user else ()
        connector = aiohttp.TCPConnector(ssl=tls.client_context(self._authority.ca, *pair))
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(self._base + path, headers=headers) as answer,
        ):
            return answer.status, await answer.text()


@pytest.fixture
async def visitors(node: TestNode, tmp_path: Path) -> AsyncIterator[Visitors]:
    authority = make_authority(tmp_path / "pki")
    context = tls.server_context(*authority.pair("n1"), authority.ca, require_client=False)
    client = client_of(node.api, "kubelet")
    served = Served(node.kubelet.pods.store, node.runtime, SystemClock())
    registry = CollectorRegistry()
    server = KubeletServer("127.0.0.1", 0, context, {}, registry, served, Gate(client, "n1"))
    await server.start()
    yield Visitors(authority, f"https://127.0.0.1:{server.port}")
    await server.stop()
    await client.close()


async def test_nobody_is_let_in_without_a_name(visitors: Visitors) -> None:
    assert await visitors.get("/pods") == (401, "Unauthorized")
    assert await visitors.get("/healthz", token="nonsense") == (401, "Unauthorized")


async def test_a_certificate_needs_rights(visitors: Visitors) -> None:
    assert (await visitors.get("/pods", "kube-apiserver-kubelet-client", "system:masters"))[0] == 200
    for path, subresources in (
        ("/pods", "pods proxy"),
        ("/healthz", "healthz proxy"),
        ("/metrics", "metrics"),
        ("/containerLogs/default/p/c", "proxy"),
        ("/no/such/path", "proxy"),
    ):
        forbidden = f"Forbidden (user=jane, verb=get, resource=nodes, subresource(s)=[{subresources}])\n"
        assert await visitors.get(path, "jane") == (403, forbidden)


async def test_a_token_has_the_rights_of_its_account(node: TestNode, visitors: Visitors) -> None:
    api = node.api
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    await api.ok("POST", accounts, {"metadata": {"name": "scraper"}})
    token = (await api.ok("POST", f"{accounts}/scraper/token", {}))["status"]["token"]
    rules = [{"apiGroups": [""], "resources": ["nodes/metrics", "nodes/pods"], "verbs": ["get"]}]
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    await api.ok("POST", f"{rbac}/clusterroles", {"metadata": {"name": "scraper"}, "rules": rules})
    binding = {
        "metadata": {"name": "scraper"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "scraper"},
        "subjects": [{"kind": "ServiceAccount", "name": "scraper", "namespace": "default"}],
    }
    await api.ok("POST", f"{rbac}/clusterrolebindings", binding)
    rights = {
        "spec": {
            "user": "system:serviceaccount:default:scraper",
            "resourceAttributes": {"verb": "get", "resource": "nodes", "subresource": "metrics"},
        }
    }

    async def holds() -> bool:
        reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return bool((await api.ok("POST", reviews, rights))["status"]["allowed"])

    await until_async("the role holds", holds)
    assert (await visitors.get("/metrics", token=token))[0] == 200
    assert (await visitors.get("/pods", token=token))[0] == 200
    code, text = await visitors.get("/exec/default/p/c", token=token)
    assert (code, text.split(",")[0]) == (403, "Forbidden (user=system:serviceaccount:default:scraper")


def test_paths_have_rights_of_their_own() -> None:
    assert subresources_of("/stats/summary") == ["stats"]
    assert subresources_of("/logs/") == ["log"]
    assert subresources_of("/metrics/resource") == ["metrics"]
    assert subresources_of("/podsx") == ["proxy"]
    assert subresources_of("/runningpods/") == ["pods", "proxy"]
    assert subresources_of("/configz") == ["configz", "proxy"]
