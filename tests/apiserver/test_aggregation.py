"""Aggregation: an API server in this process, and behind it real HTTPS servers of others."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from apiserver import bootstrap
from apiserver.main import Flags
from kube.api.conditions import find
from kube.base.tasks import Tasks
from tests.support.api_server import Api, serving
from tests.support.certificates import Authority, make_authority
from tests.support.extension_server import (
    DOCUMENT,
    FLUNDERS,
    GROUP,
    NAME,
    PATH,
    VERSION,
    ExtensionServer,
    extension_server,
)
from tests.support.memory_storage import MemoryStorage
from tests.support.wait import until_async

API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
SERVICES = "/api/v1/namespaces/default/services"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
MERGE = "application/merge-patch+json"


@pytest.fixture
def proxies(tmp_path: Path) -> Authority:
    """Who signs the certificates of proxies."""
    return make_authority(tmp_path / "front-proxy")


@asynccontextmanager
async def aggregating(proxies: Authority, storage: MemoryStorage | None = None) -> AsyncIterator[Api]:
    cert, key = proxies.pair("front-proxy-client")
    flags = Flags(
        requestheader_client_ca_file=proxies.ca, proxy_client_cert_file=cert, proxy_client_key_file=key
    )
    async with serving(storage, flags=flags) as api, Tasks() as tasks:
        tasks.start("aggregation", api.server.aggregation.run)
        yield api
        await tasks.cancel()


@pytest.fixture
async def api(proxies: Authority) -> AsyncIterator[Api]:
    async with aggregating(proxies) as running:
        yield running


@pytest.fixture
async def wardle(tmp_path: Path, proxies: Authority) -> AsyncIterator[ExtensionServer]:
    async with extension_server(tmp_path / "wardle", proxies, "wardle") as server:
        yield server


def api_service(ca: str = "", **spec: Any) -> dict[str, Any]:
    bundle = {"caBundle": base64.b64encode(Path(ca).read_bytes()).decode()} if ca else {}
    spec = {
        "group": GROUP,
        "version": VERSION,
        "groupPriorityMinimum": 1000,
        "versionPriority": 15,
        "service": {"namespace": "default", "name": "wardle"},
        **bundle,
        **spec,
    }
    return {"metadata": {"name": f"{spec['version']}.{spec['group']}"}, "spec": spec}


def service(name: str = "wardle", port: int = 443) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": port}]}}


def endpoint_slice(port: int, name: str = "wardle", ready: bool = True) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": ready}}],
        "ports": [{"name": "", "port": port}],
    }


async def register(api: Api, server: ExtensionServer, **spec: Any) -> None:
    await api.ok("POST", SERVICES, service())
    await api.ok("POST", SLICES, endpoint_slice(server.port))
    await api.ok("POST", API_SERVICES, api_service(server.authority.ca, **spec))
    await becomes(api, NAME, "True", "Passed")


async def becomes(api: Api, name: str, status: str, reason: str) -> str:
    """The message of the condition, once it has this status and reason."""

    async def check() -> str | None:
        answer = await api("GET", f"{API_SERVICES}/{name}")
        condition = find(answer.json, "Available") if answer.code == 200 else None
        if condition and (condition["status"], condition["reason"]) == (status, reason):
            return str(condition["message"])
        return None

    return await until_async(f"{name} is {status} because of {reason}", check)


async def discovered(api: Api, holds: Callable[[dict[str, Any]], bool], group: str = GROUP) -> dict[str, Any]:
    """The version of a group in aggregated discovery, once that holds of it."""

    async def check() -> dict[str, Any] | None:
        items = (await api.ok("GET", "/apis", Accept=AGGREGATED))["items"]
        found = [each["versions"][0] for each in items if each["metadata"]["name"] == group]
        return found[0] if found and holds(found[0]) else None

    return await until_async(f"{group} is discovered", check)


async def current(api: Api) -> dict[str, Any]:
    return await discovered(api, lambda version: version["freshness"] == "Current")


async def test_a_request_goes_on_with_who_asks(api: Api, wardle: ExtensionServer) -> None:
    await register(api, wardle)
    forged = {"X_Remote_User": "root", "X_Remote_Group": "g", "X_Remote_Extra_Scopes": "all", "X_Kept": "1"}
    got = await api("GET", f"{FLUNDERS}/one?a=b%26c&d", **forged, X_Remote_Uid="0", Authorization="Basic e")
    assert got.json == {"kind": "Flunder", "body": ""}
    asked = wardle.last(f"{FLUNDERS}/one")
    assert asked.peer == "front-proxy-client"
    assert asked.query == "a=b%26c&d"
    assert asked.header("X-Remote-User") == ["kubernetes-admin"]
    assert asked.header("X-Remote-Group") == ["system:masters", "system:authenticated"]
    assert [asked.header(each) for each in ("X-Remote-Uid", "X-Remote-Extra-Scopes", "Authorization")] == [
        []
    ] * 3
    assert asked.header("X-Kept") == ["1"]
    # The audit id is ours alone.
    assert len(got.headers.getall("Audit-Id")) == 1


async def test_whom_one_acts_as_is_who_asks(api: Api, wardle: ExtensionServer) -> None:
    await register(api, wardle)
    role = {
        "metadata": {"name": "flunders"},
        "rules": [{"verbs": ["*"], "apiGroups": [GROUP], "resources": ["*"]}],
    }
    binding = {
        "metadata": {"name": "flunders"},
        "roleRef": {"kind": "ClusterRole", "name": "flunders", "apiGroup": "rbac.authorization.k8s.io"},
        "subjects": [{"kind": "User", "name": "alice", "apiGroup": "rbac.authorization.k8s.io"}],
    }
    alice = {"Impersonate_User": "alice", "Impersonate_Extra_example.com%2fwhy": "because"}
    refused = await api("GET", FLUNDERS, **alice)
    assert refused.json["message"] == (
        f'flunders.{GROUP} is forbidden: User "alice" cannot list resource "flunders" '
        f'in API group "{GROUP}" in the namespace "default"'
    )
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    await api.ok("POST", f"{rbac}/clusterroles", role)
    await api.ok("POST", f"{rbac}/clusterrolebindings", binding)

    async def check() -> bool:
        return (await api("GET", FLUNDERS, **alice)).code == 200

    await until_async("alice may list flunders", check)
    asked = wardle.last(FLUNDERS)
    assert asked.header("X-Remote-User") == ["alice"]
    assert asked.header("X-Remote-Extra-example.com%2Fwhy") == ["because"]
    assert not [name for name, _ in asked.headers if name.lower().startswith("impersonate")]


async def test_all_methods_bodies_and_refusals_pass(api: Api, wardle: ExtensionServer) -> None:
    await register(api, wardle)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = await api(method, f"{FLUNDERS}/one", b"{}")
        assert (answer.code, answer.json["body"]) == (201, "{}")
        assert wardle.last(f"{FLUNDERS}/one").method == method

    async def pieces() -> AsyncIterator[bytes]:
        for each in (b"a" * 70_000, b"b" * 70_000):
            yield each

    async with api.session.post(f"{api.base}{FLUNDERS}", data=pieces()) as chunked:
        assert len((await chunked.json())["body"]) == 140_000
    moved = await api("GET", f"{PATH}/moved")
    assert (moved.code, moved.body) == (
        502,
        b"the backend attempted to redirect this request, which is not permitted\n",
    )


async def test_a_watch_comes_event_by_event(api: Api, wardle: ExtensionServer) -> None:
    await register(api, wardle)
    async with api.watch(f"{FLUNDERS}?watch=true") as events:
        for number in range(2):
            wardle.events.put_nowait(b'{"type":"ADDED","object":%d}' % number)
            assert await anext(events) == {"type": "ADDED", "object": number}
        wardle.events.put_nowait(b"")


async def test_a_web_socket_goes_on_as_one(api: Api, wardle: ExtensionServer) -> None:
    await register(api, wardle)
    async with api.session.ws_connect(f"{api.base}{PATH}/connect", protocols=["echo"]) as socket:
        assert socket.protocol == "echo"
        await socket.send_str("hello")
        assert (await socket.receive()).data == "hello"
        await socket.send_bytes(b"\0")
        assert (await socket.receive()).data == b"\0"
    assert wardle.last(f"{PATH}/connect").header("X-Remote-User") == ["kubernetes-admin"]


async def test_availability_is_told_as_it_changes(api: Api, wardle: ExtensionServer) -> None:
    wardle.code = 500
    await api.ok("POST", API_SERVICES, api_service(wardle.authority.ca))
    told = await becomes(api, NAME, "False", "ServiceNotFound")
    assert told == 'service/wardle in "default" is not present'
    unavailable = await api("GET", FLUNDERS)
    assert (unavailable.code, unavailable.body) == (503, b"service unavailable\n")
    await api.ok("POST", SERVICES, service(port=8443))
    told = await becomes(api, NAME, "False", "ServicePortError")
    assert told == 'service/wardle in "default" is not listening on port 443'
    await api.ok("PATCH", f"{SERVICES}/wardle", {"spec": {"ports": [{"port": 443}]}}, MERGE)
    told = await becomes(api, NAME, "False", "EndpointsNotFound")
    assert told == 'cannot find endpointslices for service/wardle in "default"'
    await api.ok("POST", SLICES, endpoint_slice(wardle.port, ready=False))
    told = await becomes(api, NAME, "False", "MissingEndpoints")
    assert told == 'endpointslices for service/wardle in "default" have no addresses with port name ""'
    ready = {"endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}]}
    await api.ok("PATCH", f"{SLICES}/wardle", ready, MERGE)
    told = await becomes(api, NAME, "False", "FailedDiscoveryCheck")
    url = f"https://127.0.0.1:{wardle.port}{PATH}"
    assert told == f"failing or missing response from {url}: bad status from {url}: 500"
    wardle.code = 200
    assert await becomes(api, NAME, "True", "Passed") == "all checks passed"
    assert wardle.last(PATH).header("X-Remote-User") == ["system:kube-aggregator"]
    assert wardle.last(PATH).header("X-Remote-Group") == ["system:masters"]
    await api.ok("DELETE", f"{SERVICES}/wardle")
    await becomes(api, NAME, "False", "ServiceNotFound")
    await api.ok("PATCH", f"{API_SERVICES}/{NAME}", {"spec": {"service": None, "caBundle": None}}, MERGE)
    assert await becomes(api, NAME, "True", "Local") == "Local APIServices are always available"
    assert (await api("GET", FLUNDERS)).code == 404


async def test_servers_write_a_condition_once(proxies: Authority, wardle: ExtensionServer) -> None:
    storage = MemoryStorage()
    async with aggregating(proxies, storage) as one, aggregating(proxies, storage) as other:
        await register(one, wardle)
        for each in (one, other):
            await current(each)
        before = (await one.ok("GET", f"{API_SERVICES}/{NAME}"))["metadata"]["resourceVersion"]
        asked = len(wardle.asked)
        for each in (one, other):
            each.server.aggregation.suspect(each.server.aggregation.services()[NAME])

        async def looked() -> bool:
            # Each asks for discovery, reads it, and asks for the index of OpenAPI.
            return len(wardle.asked) >= asked + 6

        await until_async("both have looked again", looked)
        assert (await other.ok("GET", f"{API_SERVICES}/{NAME}"))["metadata"]["resourceVersion"] == before


async def test_discovery_is_merged_in_the_order_of_priorities(api: Api, wardle: ExtensionServer) -> None:
    await register(api, wardle, groupPriorityMinimum=17790)
    version = await current(api)
    assert version["version"] == VERSION
    flunder = {"group": GROUP, "version": VERSION, "kind": "Flunder"}
    assert version["resources"] == [
        {
            "resource": "flunders",
            "responseKind": flunder,
            "scope": "Namespaced",
            "singularResource": "flunder",
            "verbs": ["create", "get", "list", "watch"],
            "shortNames": ["fl"],
            "subresources": [{"subresource": "status", "responseKind": flunder, "verbs": ["get"]}],
        }
    ]
    wanted = ["apiregistration.k8s.io", "apps", GROUP, "events.k8s.io"]
    items = (await api.ok("GET", "/apis", Accept=AGGREGATED))["items"]
    assert [each["metadata"]["name"] for each in items][:4] == wanted
    assert [each["name"] for each in (await api.ok("GET", "/apis"))["groups"]][:4] == wanted
    group = await api.ok("GET", f"/apis/{GROUP}")
    assert group["preferredVersion"] == {"groupVersion": f"{GROUP}/{VERSION}", "version": VERSION}
    assert (await api.ok("GET", PATH))["resources"][0]["kind"] == "Flunder"
    assert PATH in (await api.ok("GET", "/"))["paths"]
    await api.ok("DELETE", f"{API_SERVICES}/{NAME}")

    async def gone() -> bool:
        return (await api("GET", f"/apis/{GROUP}")).code == 404

    await until_async("the group is gone", gone)
    items = (await api.ok("GET", "/apis", Accept=AGGREGATED))["items"]
    assert GROUP not in [each["metadata"]["name"] for each in items]


async def test_openapi_names_the_documents_of_others(api: Api, wardle: ExtensionServer) -> None:
    await register(api, wardle)
    await current(api)
    paths = (await api.ok("GET", "/openapi/v3"))["paths"]
    url = paths[f"apis/{GROUP}/{VERSION}"]["serverRelativeURL"]
    assert url == f"/openapi/v3{PATH}?hash=ABC"
    assert "apis/apps/v1" in paths
    assert await api.ok("GET", url) == DOCUMENT
    assert wardle.last(f"/openapi/v3{PATH}").header("X-Remote-User") == ["system:aggregator"]


async def test_a_dead_server_leaves_its_group_stale(tmp_path: Path, api: Api, proxies: Authority) -> None:
    async with extension_server(tmp_path / "dead", proxies, "wardle") as dead:
        await register(api, dead)
        await current(api)
    answer = await api("GET", FLUNDERS)
    assert (answer.code, answer.body.decode()) == (
        503,
        f"error trying to reach service: dial tcp 127.0.0.1:{dead.port}: connect: connection refused\n",
    )
    # Who was not reached is looked at at once.
    told = await becomes(api, NAME, "False", "FailedDiscoveryCheck")
    assert told.endswith(f"dial tcp 127.0.0.1:{dead.port}: connect: connection refused")
    stale = await discovered(api, lambda version: version["freshness"] == "Stale")
    assert stale["resources"] == []
    figures = (await api("GET", "/metrics")).body.decode()
    assert f'aggregator_unavailable_apiservice{{name="{NAME}"}} 1.0' in figures
    assert 'aggregator_unavailable_apiservice{name="v1.apps"} 0.0' in figures
    assert (await api("GET", FLUNDERS)).body == b"service unavailable\n"
    assert (await api.ok("GET", "/apis/apps/v1/deployments"))["items"] == []


async def test_a_slow_server_keeps_nobody_waiting(
    tmp_path: Path, api: Api, wardle: ExtensionServer, proxies: Authority
) -> None:
    async with extension_server(tmp_path / "slow", proxies, "slow") as slow:
        slow.held = asyncio.Event()
        await api.ok("POST", SERVICES, service("slow"))
        await api.ok("POST", SLICES, endpoint_slice(slow.port, "slow"))
        of_slow = api_service(group="slow.example.com", service={"namespace": "default", "name": "slow"})
        of_slow["spec"]["insecureSkipTLSVerify"] = True
        await api.ok("POST", API_SERVICES, of_slow)

        async def is_asked() -> bool:
            return bool(slow.asked)

        await until_async("the slow one is asked", is_asked)
        await register(api, wardle)
        assert (await current(api))["freshness"] == "Current"
        await discovered(api, lambda version: version["freshness"] == "Stale", "slow.example.com")
        slow.held.set()
        await becomes(api, of_slow["metadata"]["name"], "True", "Passed")


@pytest.mark.parametrize("wrong", ["authority", "name"])
async def test_who_shows_a_wrong_certificate_is_not_asked(
    tmp_path: Path, api: Api, proxies: Authority, wrong: str
) -> None:
    """That it answers is enough to be available; only then is it seen who it is, as in Kubernetes."""
    name = "wardle" if wrong == "authority" else "other"
    async with extension_server(tmp_path / "server", proxies, name) as server:
        ca = proxies.ca if wrong == "authority" else server.authority.ca
        await api.ok("POST", SERVICES, service())
        await api.ok("POST", SLICES, endpoint_slice(server.port))
        await api.ok("POST", API_SERVICES, api_service(ca))
        await becomes(api, NAME, "True", "Passed")
        await discovered(api, lambda version: version["freshness"] == "Stale")
        answer = await api("GET", FLUNDERS)
        assert answer.code == 503
        assert answer.body.startswith(b"error trying to reach service: ")
        assert all(each.path == PATH for each in server.asked)


async def test_what_others_must_know_is_published(api: Api, proxies: Authority) -> None:
    path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
    assert "requestheader-client-ca-file" not in (await api.ok("GET", path))["data"]
    ca = await asyncio.to_thread(Path(proxies.ca).read_text)
    await bootstrap.ensure(api.server, "127.96.0.0/16", 6450, "clients", ca)
    assert (await api.ok("GET", path))["data"] == {
        "client-ca-file": "clients",
        "requestheader-client-ca-file": ca,
        "requestheader-allowed-names": "[]",
        "requestheader-username-headers": '["X-Remote-User"]',
        "requestheader-group-headers": '["X-Remote-Group"]',
        "requestheader-uid-headers": '["X-Remote-Uid"]',
        "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
    }


@dataclass
class Refusal:
    """A spec that is refused, and why."""

    spec: dict[str, Any]
    why: str


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal({"groupPriorityMinimum": 30000}, "must be positive and less than 20000"),
        Refusal({"versionPriority": 0}, "must be positive and less than 1000"),
        Refusal({"service": {"name": "a"}}, "spec.service.namespace: Required value"),
        Refusal({"service": None, "insecureSkipTLSVerify": True}, "local APIServices may not have"),
        Refusal(
            {"insecureSkipTLSVerify": True, "caBundle": "YQ=="}, "may not be true if caBundle is present"
        ),
        Refusal({"version": "1"}, "spec.version: Invalid value"),
    ],
    ids=lambda refusal: refusal.why,
)
async def test_what_makes_no_sense_is_refused(api: Api, refusal: Refusal) -> None:
    answer = await api("POST", API_SERVICES, api_service(**refusal.spec))
    assert answer.code == 422
    assert refusal.why in answer.json["message"]


async def test_the_port_is_443_unless_it_is_said(api: Api) -> None:
    made = await api.ok("POST", API_SERVICES, api_service())
    assert made["spec"]["service"]["port"] == 443


async def test_a_body_is_not_sent_twice(api: Api, wardle: ExtensionServer) -> None:
    """The connection is used again and ends with the second request: nobody knows what became of that."""
    await register(api, wardle)
    await api("DELETE", f"{FLUNDERS}/one", b"{}")
    wardle.ends_at = f"{FLUNDERS}/two"
    answer = await api("DELETE", f"{FLUNDERS}/two", b"{}")
    assert answer.code == 503
    assert [each.body for each in wardle.asked if each.path == f"{FLUNDERS}/two"] == [b"{}"]
