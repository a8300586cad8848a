"""metrics.k8s.io: from a runtime through the kubelet's port and the metrics server to a client of the API
server; and who is let in by the metrics server itself.
"""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from kube.base import tls
from tests.metrics_server.conftest import World
from tests.support.certificates import Authority
from tests.support.wait import until_async

METRICS = "/apis/metrics.k8s.io/v1beta1"
PODS = f"{METRICS}/namespaces/default/pods"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.fixture
async def busy(served: World) -> World:
    await served.node.create("p")
    await served.node.wait("p", "Running")
    return served


async def test_what_pods_use_is_told_within_seconds(busy: World) -> None:
    pods = await busy.api.ok("GET", PODS)
    (pod,) = pods["items"]
    (container,) = pod["containers"]
    assert container["name"] == "c"
    assert container["usage"]["memory"] == "1Mi"
    assert 490_000_000 < int(container["usage"]["cpu"].rstrip("n")) < 510_000_000
    assert pods["kind"] == "PodMetricsList"
    nodes = await busy.api.ok("GET", f"{METRICS}/nodes")
    assert [each["metadata"]["name"] for each in nodes["items"]] == ["n1"]
    assert nodes["items"][0]["usage"]["memory"] == "1Mi"


async def test_one_and_those_selected(busy: World) -> None:
    api = busy.api
    one = await api.ok("GET", f"{PODS}/p")
    assert one["kind"] == "PodMetrics"
    missing = await api("GET", f"{PODS}/q")
    assert missing.code == 404
    assert missing.json["message"] == 'podmetrics.metrics.k8s.io "default/q" not found'
    assert (await api.ok("GET", f"{METRICS}/pods?labelSelector=a"))["items"] == []
    assert (await api("GET", f"{METRICS}/pods?labelSelector=a%20in")).code == 400
    assert (await api.ok("GET", f"{METRICS}/nodes/n1"))["metadata"]["name"] == "n1"
    for method, path in (("DELETE", "/nodes/n1"), ("GET", "/nodes?watch=true"), ("POST", "/pods")):
        assert (await api(method, METRICS + path)).code == 405
    assert (await api("GET", f"{METRICS}/things")).code == 404
    table = await api.ok("GET", f"{METRICS}/pods", Accept=TABLE)
    assert [each["name"] for each in table["columnDefinitions"]] == ["Name", "cpu", "memory", "Window"]
    assert table["rows"][0]["cells"][0] == "p"
    assert (await api.ok("GET", f"{PODS}/p", Accept=TABLE))["rows"][0]["object"]["metadata"]["name"] == "p"
    assert (await api("GET", f"{PODS}?includeObject=All", Accept=TABLE)).code == 400
    partial = TABLE.replace("Table", "PartialObjectMetadataList")
    assert (await api.ok("GET", PODS, Accept=partial))["items"][0]["metadata"]["name"] == "p"
    text = await api("GET", f"{PODS}/p", Accept="application/yaml")
    assert b"kind: PodMetrics\n" in text.body


async def test_discovery_and_documents_name_it(served: World) -> None:
    api = served.api
    groups = await api.ok("GET", "/apis")
    # The group that clients should look into last.
    assert groups["groups"][-1]["name"] == "metrics.k8s.io"
    listed = await api.ok("GET", METRICS)
    assert [(each["name"], each["kind"]) for each in listed["resources"]] == [
        ("nodes", "NodeMetrics"),
        ("pods", "PodMetrics"),
    ]
    path = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io"
    found = await api.ok("GET", path)
    assert found["spec"]["groupPriorityMinimum"] == 100
    assert found["spec"]["service"] == {"namespace": "kube-system", "name": "metrics-server", "port": 443}
    url = (await api.ok("GET", "/openapi/v3"))["paths"][METRICS.strip("/")]["serverRelativeURL"]
    document = await api.ok("GET", url)
    assert f"{METRICS}/namespaces/{{namespace}}/pods/{{name}}" in document["paths"]
    schemas = document["components"]["schemas"]
    assert "containers" in schemas["io.k8s.metrics.pkg.apis.metrics.v1beta1.PodMetrics"]["properties"]


async def test_users_need_rights_there_as_well(served: World) -> None:
    """The API server refuses first; what it lets pass the metrics server has reviewed again."""
    refused = await served.api("GET", f"{METRICS}/nodes", Impersonate_User="alice")
    assert refused.code == 403
    group, reader = "rbac.authorization.k8s.io", "system:aggregated-metrics-reader"
    binding = {
        "metadata": {"name": "alice"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": reader},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "alice"}],
    }
    await served.api.ok("POST", f"/apis/{group}/v1/clusterrolebindings", binding)

    async def is_let_in() -> bool:
        return (await served.api("GET", f"{METRICS}/nodes", Impersonate_User="alice")).code == 200

    await until_async("alice may read", is_let_in)


async def ask(
    world: World, path: str, signer: Authority | None, name: str = "", organization: str = "", **headers: str
) -> tuple[int, Any]:
    """Ask the metrics server itself."""
    pair = signer.pair(name, organization) if signer else ()
    connector = aiohttp.TCPConnector(ssl=tls.client_context(world.clients.ca, *pair))
    sent = {key.replace("_", "-"): value for key, value in headers.items()}
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(await world.where() + path, headers=sent) as answer,
    ):
        return answer.status, await answer.json(content_type=None) if "json" in answer.content_type else None


async def test_only_the_front_proxy_is_believed_whom_it_names(served: World) -> None:
    proxies, clients, path = served.proxies, served.clients, f"{METRICS}/nodes"
    root = {"X_Remote_User": "root", "X_Remote_Group": "system:masters"}
    assert (await ask(served, path, proxies, "front-proxy-client", **root))[0] == 200
    # It names nobody; another certificate of the same authority; none.
    assert (await ask(served, path, proxies, "front-proxy-client"))[0] == 401
    assert (await ask(served, path, proxies, "somebody", **root))[0] == 401
    assert (await ask(served, path, None, **root))[0] == 401
    # A user of the cluster is who his certificate says, whatever his headers do.
    code, refusal = await ask(served, path, clients, "bob", **root)
    assert code == 403
    assert refusal["message"] == (
        'nodes.metrics.k8s.io is forbidden: User "bob" cannot list resource "nodes" '
        'in API group "metrics.k8s.io" at the cluster scope'
    )
    assert (await ask(served, path, clients, "admin", "system:masters"))[0] == 200
    code, refusal = await ask(served, "/metrics", clients, "bob")
    assert (code, refusal["message"]) == (403, 'forbidden: User "bob" cannot get path "/metrics"')
    # Discovery is for all who are known, health for everyone.
    assert (await ask(served, METRICS, clients, "bob"))[0] == 200
    assert (await ask(served, "/readyz", None))[0] == 200


async def test_a_token_is_reviewed(served: World) -> None:
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    token = (await served.api.ok("POST", path, {"spec": {"audiences": []}}))["status"]["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    code, refusal = await ask(served, f"{METRICS}/nodes", None, **bearer)
    assert code == 403
    assert "system:serviceaccount:default:default" in refusal["message"]
    assert (await ask(served, METRICS, None, Authorization="Bearer nonsense"))[0] == 401
