"""Create, read, change and delete over HTTP: what every kind has from its row in the table."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from apiserver.admission.chain import CREATE, Attributes, Chain
from apiserver.registry.registry import Registry
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import CONFIG_MAPS, RESOURCES
from tests.support.api_server import ADMIN, Api

MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
PODS = "/api/v1/namespaces/default/pods"
MERGE, STRATEGIC, JSON_PATCH = (
    f"application/{kind}+json" for kind in ("merge-patch", "strategic-merge-patch", "json-patch")
)


def config_map(name: str, **data: str) -> dict[str, object]:
    return {"metadata": {"name": name}, "data": data}


def deployment(name: str) -> dict[str, object]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
    return {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": labels}, "template": template}}


def pod(name: str, **spec: object) -> dict[str, object]:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "nginx"}]} | spec}


async def test_what_is_created_is_stored_and_stamped(api: Api) -> None:
    made = await api.ok("POST", MAPS, config_map("a", k="v"))
    assert made["kind"] == "ConfigMap"
    assert made["apiVersion"] == "v1"
    assert made["metadata"]["namespace"] == "default"
    assert made["metadata"]["uid"]
    assert made["metadata"]["creationTimestamp"].endswith("Z")
    assert await api.ok("GET", f"{MAPS}/a") == made


async def test_a_taken_name_is_refused(api: Api) -> None:
    await api.ok("POST", MAPS, config_map("a"))
    again = await api("POST", MAPS, config_map("a"))
    assert (again.code, again.json["reason"]) == (409, "AlreadyExists")
    assert again.json["message"] == 'configmaps "a" already exists'


async def test_generate_name_adds_five_characters(api: Api) -> None:
    made = await api.ok("POST", MAPS, {"metadata": {"generateName": "x-"}})
    assert len(made["metadata"]["name"]) == len("x-") + 5


async def test_nothing_is_created_in_a_namespace_that_is_not_there(api: Api) -> None:
    refused = await api("POST", "/api/v1/namespaces/none/configmaps", config_map("a"))
    assert (refused.code, refused.json["message"]) == (404, 'namespaces "none" not found')


async def test_a_stale_version_conflicts_and_none_wins(api: Api) -> None:
    first = await api.ok("POST", MAPS, config_map("a", k="1"))
    await api.ok("PUT", f"{MAPS}/a", {**first, "data": {"k": "2"}})
    refused = await api("PUT", f"{MAPS}/a", {**first, "data": {"k": "3"}})
    assert (refused.code, refused.json["reason"]) == (409, "Conflict")
    assert (await api.ok("PUT", f"{MAPS}/a", config_map("a", k="4")))["data"] == {"k": "4"}


async def test_a_write_that_changes_nothing_makes_no_revision(api: Api) -> None:
    made = await api.ok("POST", MAPS, config_map("a", k="v"))
    before = await api.server.storage.current_revision()
    same = await api.ok("PATCH", f"{MAPS}/a", {"data": {"k": "v"}}, MERGE)
    assert same["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert await api.server.storage.current_revision() == before


async def test_concurrent_patches_all_land(api: Api) -> None:
    await api.ok("POST", MAPS, config_map("a"))
    await asyncio.gather(*(api.ok("PATCH", f"{MAPS}/a", {"data": {f"k{i}": "v"}}, MERGE) for i in range(20)))
    assert len((await api.ok("GET", f"{MAPS}/a"))["data"]) == 20


async def test_the_three_patches(api: Api) -> None:
    await api.ok("POST", DEPLOYMENTS, deployment("d"))
    await api.ok("PATCH", f"{DEPLOYMENTS}/d", {"spec": {"replicas": 2}}, MERGE)
    sidecar = {"spec": {"template": {"spec": {"containers": [{"name": "s", "image": "i"}]}}}}
    await api.ok("PATCH", f"{DEPLOYMENTS}/d", sidecar, STRATEGIC)
    operations = [{"op": "replace", "path": "/spec/replicas", "value": 3}]
    patched = await api.ok("PATCH", f"{DEPLOYMENTS}/d", operations, JSON_PATCH)
    assert patched["spec"]["replicas"] == 3
    assert len(patched["spec"]["template"]["spec"]["containers"]) == 2
    failed = await api(
        "PATCH", f"{DEPLOYMENTS}/d", [{"op": "test", "path": "/spec/replicas", "value": 9}], JSON_PATCH
    )
    assert failed.code == 422


async def test_generation_counts_the_spec_and_status_is_another_door(api: Api) -> None:
    await api.ok("POST", DEPLOYMENTS, deployment("d") | {"status": {"replicas": 9}})
    changed = await api.ok(
        "PATCH", f"{DEPLOYMENTS}/d", {"spec": {"replicas": 2}, "status": {"replicas": 7}}, MERGE
    )
    assert changed["metadata"]["generation"] == 2
    assert "replicas" not in changed["status"]
    patch = {"spec": {"replicas": 5}, "status": {"replicas": 1, "observedGeneration": 2}}
    through = await api.ok("PATCH", f"{DEPLOYMENTS}/d/status", patch, MERGE)
    assert (through["spec"]["replicas"], through["status"]["replicas"]) == (2, 1)
    assert through["metadata"]["generation"] == 2


async def test_scale_is_a_small_view(api: Api) -> None:
    await api.ok("POST", DEPLOYMENTS, deployment("d"))
    scaled = await api.ok("PATCH", f"{DEPLOYMENTS}/d/scale", {"spec": {"replicas": 4}}, MERGE)
    assert (scaled["kind"], scaled["spec"]["replicas"], scaled["status"]["selector"]) == ("Scale", 4, "app=d")
    current = await api.ok("GET", f"{DEPLOYMENTS}/d")
    assert (current["spec"]["replicas"], current["metadata"]["generation"]) == (4, 2)


async def test_dry_run_stores_nothing(api: Api) -> None:
    shown = await api.ok("POST", f"{MAPS}?dryRun=All", config_map("a"))
    assert shown["metadata"]["uid"]
    assert (await api("GET", f"{MAPS}/a")).code == 404


async def test_unknown_fields_are_warned_about_or_refused(api: Api) -> None:
    warned = await api("POST", MAPS, config_map("a") | {"foo": 1})
    assert warned.headers["Warning"] == '299 - "unknown field \\"foo\\""'
    strict = await api(
        "POST", f"{MAPS}?fieldValidation=Strict", b'{"metadata":{"name":"b"},"data":{"a":"1","a":"2"}}'
    )
    assert strict.code == 400
    assert 'strict decoding error: duplicate field "data.a"' in strict.json["message"]


async def test_delete_answers_with_a_status_or_the_object(api: Api) -> None:
    made = await api.ok("POST", MAPS, config_map("a"))
    gone = await api.ok("DELETE", f"{MAPS}/a")
    assert gone["status"] == "Success"
    assert gone["details"]["uid"] == made["metadata"]["uid"]
    await api.ok("POST", PODS, pod("p"))
    assert (await api.ok("DELETE", f"{PODS}/p"))["kind"] == "Pod"
    assert (await api("GET", f"{PODS}/p")).code == 404


async def test_a_running_pod_is_given_its_grace(api: Api) -> None:
    await api.ok("POST", PODS, pod("p", nodeName="n"))
    going = await api.ok("DELETE", f"{PODS}/p")
    assert going["metadata"]["deletionGracePeriodSeconds"] == 30
    await api.ok("DELETE", f"{PODS}/p?gracePeriodSeconds=0")
    assert (await api("GET", f"{PODS}/p")).code == 404


async def test_finalizers_hold_an_object_until_the_last_is_gone(api: Api) -> None:
    body = config_map("a")
    body["metadata"] = {"name": "a", "finalizers": ["example.com/x"]}
    await api.ok("POST", MAPS, body)
    going = await api.ok("DELETE", f"{MAPS}/a")
    assert going["metadata"]["deletionTimestamp"]
    await api.ok("PATCH", f"{MAPS}/a", {"metadata": {"finalizers": None}}, MERGE)
    assert (await api("GET", f"{MAPS}/a")).code == 404


async def test_a_collection_is_deleted_by_selector(api: Api) -> None:
    for name in "ab":
        body = config_map(name)
        body["metadata"] = {"name": name, "labels": {"app": name}}
        await api.ok("POST", MAPS, body)
    deleted = await api.ok("DELETE", f"{MAPS}?labelSelector=app%3Da")
    assert [each["metadata"]["name"] for each in deleted["items"]] == ["a"]
    assert (await api("GET", f"{MAPS}/b")).code == 200


async def test_binding_assigns_a_pod_once(api: Api) -> None:
    await api.ok("POST", PODS, pod("p"))
    target = {"target": {"kind": "Node", "name": "n1"}, "metadata": {"name": "p"}}
    assert (await api("POST", f"{PODS}/p/binding", target)).code == 201
    bound = await api.ok("GET", f"{PODS}/p")
    assert bound["spec"]["nodeName"] == "n1"
    assert bound["status"]["conditions"][0]["type"] == "PodScheduled"
    again = await api("POST", f"{PODS}/p/binding", target)
    assert (again.code, 'already assigned to node "n1"' in again.json["message"]) == (409, True)


async def test_a_namespace_goes_when_it_is_finalized(api: Api) -> None:
    await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "n"}})
    going = await api.ok("DELETE", "/api/v1/namespaces/n")
    assert going["status"]["phase"] == "Terminating"
    refused = await api("POST", "/api/v1/namespaces/n/configmaps", config_map("a"))
    assert refused.json["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    await api.ok("PUT", "/api/v1/namespaces/n/finalize", going | {"spec": {"finalizers": []}})
    assert (await api("GET", "/api/v1/namespaces/n")).code == 404
    assert (await api("DELETE", "/api/v1/namespaces/default")).code == 403


async def test_services_are_given_addresses_of_their_own(api: Api) -> None:
    path = "/api/v1/namespaces/default/services"
    made = [
        await api.ok("POST", path, {"metadata": {"name": f"s{i}"}, "spec": {"ports": [{"port": 80}]}})
        for i in range(5)
    ]
    addresses = {each["spec"]["clusterIP"] for each in made}
    assert len(addresses) == 5
    assert all(address.startswith("127.96.") for address in addresses)
    taken = {"metadata": {"name": "t"}, "spec": {"clusterIP": addresses.pop(), "ports": [{"port": 80}]}}
    refused = await api("POST", path, taken)
    assert "provided IP is already allocated" in refused.json["message"]


async def test_events_are_one_kind_in_two_groups(api: Api) -> None:
    about = {"kind": "Pod", "name": "p", "namespace": "default"}
    body = {"metadata": {"name": "e"}, "involvedObject": about, "message": "hello", "reason": "R"}
    await api.ok("POST", "/api/v1/namespaces/default/events", body)
    other = await api.ok("GET", "/apis/events.k8s.io/v1/namespaces/default/events/e")
    assert (other["note"], other["regarding"]["name"], other["apiVersion"]) == (
        "hello",
        "p",
        "events.k8s.io/v1",
    )
    listed = await api.ok("GET", "/apis/events.k8s.io/v1/events?fieldSelector=regarding.name%3Dp")
    assert [each["note"] for each in listed["items"]] == ["hello"]


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_verb_a_collection_has_not(api: Api, method: str) -> None:
    refused = await api(method, "/api/v1/namespaces", {})
    assert (refused.code, refused.json["reason"]) == (405, "MethodNotAllowed")


async def test_bodies_have_a_limit_and_a_type(api: Api) -> None:
    too_large = await api("POST", MAPS, config_map("large", k="x" * (3 * 1024 * 1024)))
    assert (too_large.code, too_large.json["reason"]) == (413, "RequestEntityTooLarge")
    assert (await api("POST", MAPS, b"{}", "text/plain")).code == 415
    assert (await api("POST", MAPS, config_map("untyped"), "")).code == 201
    assert (await api("POST", MAPS, b"metadata: {name: y}\ndata: {a: b}", "application/yaml")).code == 201
    assert (await api("GET", MAPS, Accept="text/html")).code == 406
    assert b"kind: ConfigMap" in (await api("GET", f"{MAPS}/y", Accept="application/yaml")).body


async def test_every_kind_can_be_listed(api: Api) -> None:
    for resource in RESOURCES:
        if "list" in resource.verbs:
            listed = await api.ok("GET", resource.path())
            assert listed["kind"] == resource.list_kind
            assert isinstance(listed["items"], list)


async def test_data_and_patches_have_limits(api: Api) -> None:
    refused = await api("POST", MAPS, config_map("large", k="x" * (1024 * 1024 + 1)))
    text = 'ConfigMap "large" is invalid: []: Too long: may not be more than 1048576 bytes'
    assert (refused.code, refused.json["message"]) == (422, text)
    await api.ok("POST", MAPS, config_map("a"))
    operation = {"op": "test", "path": "/kind", "value": "ConfigMap"}
    refused = await api("PATCH", f"{MAPS}/a", [operation] * 10001, JSON_PATCH)
    text = "The allowed maximum operations in a JSON patch is 10000, got 10001"
    assert (refused.code, refused.json["message"]) == (413, f"Request entity too large: {text}")
    large = await api("POST", MAPS, config_map("a", k="x" * (3 * 1024 * 1024)))
    assert large.json["message"] == "Request entity too large: limit is 3145728"


class Same(Random):
    """Chance that is none."""

    def choice(self, seq: Any) -> Any:
        return seq[0]


async def test_a_generated_name_that_is_always_taken_is_refused(api: Api) -> None:
    server = api.server
    registry = Registry(server.storage, server.cache, Chain(()), server.clock, Same(), lambda: "u", 3600)
    asked = Attributes(CREATE, CONFIG_MAPS, "default", "", ADMIN)

    def unnamed() -> Object:
        head = {"apiVersion": "v1", "kind": "ConfigMap"}
        return {**head, "metadata": {"generateName": "x-", "namespace": "default"}}

    made = await registry.create(asked, unnamed())
    with pytest.raises(StatusError) as refused:
        await registry.create(asked, unnamed())
    text = f'configmaps "{made["metadata"]["name"]}" already exists, '
    text += "the server was not able to generate a unique name for the object"
    assert (refused.value.code, refused.value.reason, refused.value.message) == (409, "AlreadyExists", text)
    assert refused.value.details["retryAfterSeconds"] == 1
