"""What aggregation decides without asking anybody: the order of groups, addresses, conditions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apiserver.aggregation.api_service import ApiService, in_order, name_of
from apiserver.aggregation.availability import PASSED, Verdict, addresses, failed, with_verdict
from apiserver.aggregation.catalog import resources_of
from apiserver.aggregation.flags import proxy_authority, proxy_pair, request_header
from apiserver.main import Flags
from kube.base.run import StartupError

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def api_service(group: str, version: str, priority: int = 1000, version_priority: int = 15) -> ApiService:
    spec = {
        "group": group,
        "version": version,
        "groupPriorityMinimum": priority,
        "versionPriority": version_priority,
        "service": {"namespace": "n", "name": "s"},
    }
    return ApiService.of({"metadata": {"name": f"{version}.{group}"}, "spec": spec})


def test_groups_and_versions_by_priority_then_by_name() -> None:
    found = [
        api_service("b", "v1beta1"),
        api_service("b", "v1"),
        api_service("b", "v10"),
        api_service("b", "v2"),
        api_service("b", "nightly"),
        api_service("b", "v1alpha1"),
        api_service("b", "v1beta2", version_priority=100),
        api_service("a", "v1", priority=10),
        api_service("c", "v1", priority=10),
        api_service("c", "v2", priority=2000),
        api_service("apiregistration.k8s.io", "v1", priority=1),
    ]
    order = in_order([each.group_version for each in found], {each.name: each for each in found})
    assert list(order) == ["apiregistration.k8s.io", "c", "b", "a"]
    assert order["b"] == ["v1beta2", "v10", "v2", "v1", "v1beta1", "v1alpha1", "nightly"]


def test_the_api_service_of_a_path() -> None:
    paths = (
        "/apis/g/v",
        "/apis/g/v/",
        "/apis/g/v/namespaces/n/x",
        "/apis/g",
        "/apis/g/",
        "/api/v1/pods",
        "/",
    )
    assert [name_of(path) for path in paths] == ["v.g", "v.g", "v.g", "", "", "", ""]


def slices(
    *endpoints: tuple[str, bool | None], name: str = "https", port: int = 8443
) -> list[dict[str, Any]]:
    found = [{"addresses": [ip], "conditions": {"ready": ready}} for ip, ready in endpoints]
    return [{"endpoints": found, "ports": [{"name": name, "port": port}]}]


def test_addresses_are_those_of_ready_endpoints_at_the_named_port() -> None:
    asked = api_service("g", "v1")
    service = {"spec": {"type": "ClusterIP", "ports": [{"name": "https", "port": 443}]}}
    found = addresses(asked, service, slices(("1.1.1.1", True), ("2.2.2.2", False), ("3.3.3.3", None)))
    assert found == [("1.1.1.1", 8443), ("3.3.3.3", 8443)]
    assert addresses(asked, service, slices(("1.1.1.1", True), name="other")) == []
    assert addresses(asked, None, slices(("1.1.1.1", True))) == []
    elsewhere = {"spec": {"type": "ExternalName", "externalName": "api.example.com"}}
    assert addresses(asked, elsewhere, []) == [("api.example.com", 443)]


def test_a_condition_is_written_where_it_says_something_new() -> None:
    o = with_verdict({"metadata": {"name": "v.g"}}, PASSED, NOW)
    (condition,) = o["status"]["conditions"]
    assert (condition["status"], condition["reason"]) == ("True", "Passed")
    assert with_verdict(o, PASSED, NOW + timedelta(hours=1)) is o
    missing = with_verdict(o, Verdict(False, "ServiceNotFound", "a"), NOW + timedelta(hours=1))
    assert missing["status"]["conditions"][0]["lastTransitionTime"] == "2030-01-01T01:00:00Z"
    other = with_verdict(missing, failed("refused"), NOW + timedelta(hours=2))
    assert other["status"]["conditions"][0]["lastTransitionTime"] == "2030-01-01T01:00:00Z"
    # Two servers may have different trouble with one that does not answer.
    assert with_verdict(other, failed("timed out"), NOW) is other


def test_a_subresource_without_its_resource_has_a_place() -> None:
    listed = {"resources": [{"name": "a/scale", "namespaced": True, "kind": "Scale", "group": "autoscaling"}]}
    (found,) = resources_of(listed, "g", "v1")
    assert found["resource"] == "a"
    assert found["verbs"] == []
    (below,) = found["subresources"]
    assert below["responseKind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}


def test_flags_are_lists_and_mistakes_name_them() -> None:
    found = request_header(Flags(requestheader_allowed_names="a, b,", requestheader_group_headers=""))
    assert (found.allowed_names, found.username_headers) == (("a", "b"), ("X-Remote-User",))
    assert found.group_headers == ()
    with pytest.raises(StartupError, match="--proxy-client-cert-file and --proxy-client-key-file"):
        proxy_pair(Flags(proxy_client_cert_file="a"))
    with pytest.raises(StartupError, match="--requestheader-client-ca-file /nowhere: No such file"):
        proxy_authority(Flags(requestheader_client_ca_file="/nowhere"))
    assert proxy_authority(Flags()) == ""
