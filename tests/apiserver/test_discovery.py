"""Discovery and OpenAPI, read off the table of resources as clients read them."""

from __future__ import annotations

import re

import pytest

from kube.api import discovery, openapi
from kube.api.resources import DEPLOYMENTS, PODS, RESOURCES, Resource
from kube.api.schema import Schemas
from tests.support.api_server import serving

WIDGETS = Resource("example.com", "v1", "widgets", "Widget", True, verbs=("get", "list", "patch"))


def test_aggregated_discovery_lists_every_resource_once() -> None:
    names = []
    for core in (True, False):
        for group in discovery.items(RESOURCES, core):
            for version in group["versions"]:
                names += [
                    (group["metadata"].get("name", ""), each["resource"]) for each in version["resources"]
                ]
    assert len(names) == len(RESOURCES)


def test_aggregated_discovery_orders_groups_and_versions_by_preference() -> None:
    groups = discovery.items(RESOURCES, core=False)
    assert [group["metadata"]["name"] for group in groups[:3]] == [
        "apiregistration.k8s.io",
        "apps",
        "events.k8s.io",
    ]
    autoscaling = next(group for group in groups if group["metadata"]["name"] == "autoscaling")
    assert [version["version"] for version in autoscaling["versions"]] == ["v2", "v1"]


def test_aggregated_resource_has_what_kubectl_reads() -> None:
    (core,) = discovery.items(RESOURCES, core=True)
    pods = next(each for each in core["versions"][0]["resources"] if each["resource"] == "pods")
    assert pods["shortNames"] == ["po"]
    assert pods["categories"] == ["all"]
    assert pods["scope"] == "Namespaced"
    eviction = next(each for each in pods["subresources"] if each["subresource"] == "eviction")
    assert eviction["responseKind"] == {"group": "policy", "version": "v1", "kind": "Eviction"}


def test_legacy_lists_name_subresources_and_their_foreign_kinds() -> None:
    answer = discovery.resource_list(RESOURCES, "apps", "v1")
    assert answer is not None
    scale = next(each for each in answer["resources"] if each["name"] == "deployments/scale")
    assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")
    assert discovery.resource_list(RESOURCES, "apps", "v2") is None


async def test_groups() -> None:
    async with serving() as api:
        names = [group["name"] for group in (await api.ok("GET", "/apis"))["groups"]]
        assert len(names) == len(set(names))
        assert names[:3] == ["apiregistration.k8s.io", "apps", "events.k8s.io"]
        group = await api.ok("GET", "/apis/autoscaling")
        assert group["preferredVersion"]["groupVersion"] == "autoscaling/v2"
        assert (await api("GET", "/apis/nosuch")).code == 404


def test_index_names_every_group_version_and_changes_with_its_content() -> None:
    before, after = openapi.index(RESOURCES)["paths"], openapi.index((*RESOURCES, WIDGETS))["paths"]
    assert "version" in before
    assert openapi.version_document()["paths"]
    assert set(after) - set(before) == {"apis/example.com/v1"}
    assert before["apis/apps/v1"] == after["apis/apps/v1"]
    wider = Resource("example.com", "v1", "widgets", "Widget", True, verbs=("get",))
    changed = openapi.index((*RESOURCES, wider))["paths"]
    assert changed["apis/example.com/v1"] != after["apis/example.com/v1"]


def test_every_patchable_resource_has_the_operation_kubectl_looks_for() -> None:
    document = openapi.document(RESOURCES, "apps", "v1", Schemas.load())
    assert document is not None
    patch = document["paths"][DEPLOYMENTS.path("{namespace}", "{name}")]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {
        "group": "apps",
        "version": "v1",
        "kind": "Deployment",
    }
    assert "fieldValidation" in {parameter["name"] for parameter in patch["parameters"]}
    assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]


@pytest.mark.parametrize("group, version", sorted({(each.group, each.version) for each in RESOURCES}))
def test_documents_are_whole_and_not_nullable(group: str, version: str) -> None:
    document = openapi.document(RESOURCES, group, version, Schemas.load())
    assert document is not None
    schemas = document["components"]["schemas"]
    for name in re.findall(r"#/components/schemas/([\w.-]+)", str(document)):
        assert name in schemas
    assert "'null'" not in str(document)
    for resource in RESOURCES:
        if (resource.group, resource.version) == (group, version) and "get" in resource.verbs:
            assert (
                resource.path("{namespace}" if resource.namespaced else None, "{name}") in document["paths"]
            )


def test_pod_schema_keeps_merge_keys() -> None:
    document = openapi.document(RESOURCES, PODS.group, PODS.version, Schemas.load())
    assert document is not None
    containers = document["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["type"] == "array"
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert openapi.document(RESOURCES, "nosuch", "v1", Schemas.load()) is None


async def test_every_document_of_the_index_is_served() -> None:
    async with serving() as api:
        index = await api("GET", "/openapi/v3")
        for path in ("version", "apis/apps/v1"):
            document = await api("GET", index.json["paths"][path]["serverRelativeURL"])
            assert document.code == 200
            assert document.json["paths"]


async def test_openapi_v2_is_json_or_protobuf() -> None:
    async with serving() as api:
        plain = await api("GET", "/openapi/v2")
        document = plain.json
        assert document["swagger"] == "2.0"
        definitions = document["definitions"]
        assert definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] == {
            "type": "string",
            "format": "int-or-string",
        }
        replicas = definitions["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]["replicas"]
        assert (replicas["type"], replicas["format"]) == ("integer", "int32")
        patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
        assert patch["x-kubernetes-group-version-kind"]["kind"] == "Deployment"
        assert "dryRun" in [each["name"] for each in patch["parameters"]]
        wanted = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
        binary = await api("GET", "/openapi/v2", Accept=wanted)
        assert "protobuf" in binary.headers["Content-Type"]
        assert binary.body.startswith(b"\x0a\x032.0")  # field 1 of Document, the version
        again = await api("GET", "/openapi/v2", Accept=wanted, If_None_Match=binary.headers["ETag"])
        assert (again.code, again.body) == (304, b"")
