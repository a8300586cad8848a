"""Which requests the rules and selectors of a policy choose."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.admission.chain import CONNECT, CREATE, DELETE, UPDATE, Attributes
from apiserver.admission.policies.inputs import asked_about, inputs
from apiserver.admission.policies.matching import Asked, by_labels, by_rules, versions_of
from apiserver.authentication.user import User
from kube.api.resources import CONFIG_MAPS, HORIZONTAL_POD_AUTOSCALERS, NAMESPACES, NODES, PODS, Resource

USER = User("jane")
EVERYTHING = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}


def asked(resource: Resource, operation: str = CREATE, subresource: str = "", **metadata: Any) -> Asked:
    space = "here" if resource.namespaced else ""
    attributes = Attributes(operation, resource, space, "x", USER, subresource)
    o = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": "x", **metadata}}
    return asked_about(attributes, o, o if operation == UPDATE else None)


@pytest.mark.parametrize(
    ("rule", "request_of", "is_chosen"),
    [
        ({}, asked(PODS), True),
        ({}, asked(PODS, CONNECT, "exec"), True),
        ({"resources": ["*"]}, asked(PODS), True),
        ({"resources": ["*"]}, asked(PODS, UPDATE, "status"), False),
        ({"resources": ["pods"]}, asked(PODS, UPDATE, "status"), False),
        ({"resources": ["pods/*"]}, asked(PODS, UPDATE, "status"), True),
        ({"resources": ["*/status"]}, asked(PODS, UPDATE, "status"), True),
        ({"resources": ["*/status"]}, asked(PODS), False),
        ({"apiGroups": ["apps"]}, asked(PODS), False),
        ({"apiVersions": ["v1beta1"]}, asked(PODS), False),
        ({"operations": ["UPDATE", "DELETE"]}, asked(PODS), False),
        ({"operations": ["UPDATE", "DELETE"]}, asked(PODS, DELETE), True),
        ({"scope": "Cluster"}, asked(PODS), False),
        ({"scope": "Cluster"}, asked(NODES), True),
        ({"scope": "Namespaced"}, asked(NAMESPACES), False),
        ({"scope": "*", "resourceNames": ["x", "y"]}, asked(PODS), True),
        ({"resourceNames": ["y"]}, asked(PODS), False),
    ],
)
def test_a_rule(rule: dict[str, Any], request_of: Asked, is_chosen: bool) -> None:
    found = by_rules({"resourceRules": [{**EVERYTHING, **rule}]}, request_of)
    assert (found is not None) is is_chosen
    excluded = by_rules({"excludeResourceRules": [{**EVERYTHING, **rule}]}, request_of)
    assert (excluded is None) is is_chosen


def test_a_rule_about_another_version_sees_the_object_in_that_version() -> None:
    stored, other = versions_of(HORIZONTAL_POD_AUTOSCALERS)[:2]
    request = asked(stored)
    request.new["spec"] = {"maxReplicas": 3}  # type: ignore[index]  # it is there
    rule = {**EVERYTHING, "apiVersions": [other.version]}
    assert by_rules({"resourceRules": [rule], "matchPolicy": "Exact"}, request) is None
    found = by_rules({"resourceRules": [rule], "matchPolicy": "Equivalent"}, request)
    assert found is other
    told = inputs(request, other, None)
    assert told["object"]["apiVersion"] == other.api_version
    assert told["request"]["kind"]["version"] == told["request"]["resource"]["version"] == other.version
    assert told["request"]["requestKind"]["version"] == stored.version


IN_PRODUCTION = {"namespaceSelector": {"matchLabels": {"environment": "production"}}}
PRODUCTION = {"metadata": {"labels": {"environment": "production"}}}


@pytest.mark.parametrize(
    ("request_of", "namespace", "is_chosen"),
    [
        (asked(PODS), PRODUCTION, True),
        (asked(PODS), {"metadata": {}}, False),
        (asked(PODS), None, False),
        (asked(NODES), None, True),
        # What a Namespace is to be counts, and when it goes, what it was.
        (asked(NAMESPACES, labels={"environment": "production"}), None, True),
        (asked(NAMESPACES, UPDATE), PRODUCTION, False),
        (asked(NAMESPACES, UPDATE, "status"), PRODUCTION, True),
        (asked(NAMESPACES, DELETE), PRODUCTION, True),
    ],
)
def test_the_namespace_chooses(request_of: Asked, namespace: Any, is_chosen: bool) -> None:
    assert by_labels(IN_PRODUCTION, request_of, namespace) is is_chosen
    assert by_labels({}, request_of, namespace)


def test_the_object_chooses_as_it_was_or_will_be() -> None:
    selector = {"objectSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}
    assert by_labels(selector, asked(CONFIG_MAPS, labels={"a": "b"}), None)
    assert by_labels(selector, asked(CONFIG_MAPS, DELETE, labels={"a": "b"}), None)
    assert not by_labels(selector, asked(CONFIG_MAPS), None)
    was = asked(CONFIG_MAPS, UPDATE)
    changed = Asked(was.attributes, was.new, {"metadata": {"labels": {"a": "b"}}})
    assert by_labels(selector, changed, None)
    absent = {"objectSelector": {"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}}
    # A Scale has no labels, the options of a connection nothing to be labelled.
    assert by_labels(absent, asked(PODS, UPDATE, "scale", labels={"a": "b"}), None)
    assert not by_labels(absent, asked(PODS, CONNECT, "exec"), None)
