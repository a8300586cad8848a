"""Which requests the rules of a webhook name."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.admission.webhooks.configurations import versions
from apiserver.admission.webhooks.hook import read
from apiserver.admission.webhooks.rules import Asked, Rule, is_exempt, is_in_namespace, named_as
from kube.api.gvk import GroupVersionResource
from kube.api.resources import RESOURCES, Resource, by_gvr
from tests.support.webhook_server import configuration, webhook


def resource(path: str) -> Resource:
    group, version, plural = path.split("/")
    found = by_gvr(GroupVersionResource(group, version, plural))
    assert found is not None
    return found


def asked(text: str) -> Asked:
    """`CREATE apps/v1/deployments/scale default`; without a namespace what lies in none."""
    operation, path, *namespace = text.split()
    group, version, plural, *below = path.split("/")
    of = resource(f"{group}/{version}/{plural}")
    return Asked(operation, of, "".join(below), is_in_namespace(of, "".join(namespace)))


def rule(text: str, **fields: Any) -> Rule:
    """`CREATE,UPDATE apps v1 deployments,pods/*`; `core` is the group without a name."""
    operations, groups, apis, resources = (each.split(",") for each in text.split())
    return Rule.read(
        {
            "operations": operations,
            "apiGroups": [group.replace("core", "") for group in groups],
            "apiVersions": apis,
            "resources": resources,
            **fields,
        }
    )


@pytest.mark.parametrize(
    ("text", "request_text", "named"),
    [
        ("* * * *", "CREATE /v1/pods default", True),
        ("* * * *", "CREATE /v1/nodes", True),
        ("* * * *", "UPDATE /v1/pods/status default", False),
        ("* * * */*", "UPDATE /v1/pods/status default", True),
        ("* * * */*", "CREATE /v1/pods default", True),
        ("CREATE core v1 pods", "CREATE /v1/pods default", True),
        ("CREATE core v1 pods", "UPDATE /v1/pods default", False),
        ("CREATE,DELETE core v1 pods", "DELETE /v1/pods default", True),
        ("CREATE core v1 pods", "CREATE /v1/pods/eviction default", False),
        ("CREATE core v1 pods/*", "CREATE /v1/pods/eviction default", True),
        ("CREATE core v1 pods/*", "CREATE /v1/pods default", True),
        ("CREATE core v1 pods/*", "CREATE /v1/services default", False),
        ("CREATE core v1 pods/binding", "CREATE /v1/pods/eviction default", False),
        ("CONNECT core v1 pods/exec,pods/attach", "CONNECT /v1/pods/attach default", True),
        ("UPDATE * * */scale", "UPDATE apps/v1/deployments/scale default", True),
        ("UPDATE * * */scale", "UPDATE apps/v1/deployments default", False),
        ("* apps v1 *", "CREATE /v1/pods default", False),
        ("* core v2 *", "CREATE /v1/pods default", False),
        ("* core,apps v1,v2 deployments", "CREATE apps/v1/deployments default", True),
    ],
)
def test_a_rule_names_a_request(text: str, request_text: str, *, named: bool) -> None:
    assert rule(text).covers(asked(request_text)) is named


@pytest.mark.parametrize(
    ("scope", "request_text", "named"),
    [
        ("Namespaced", "CREATE /v1/pods default", True),
        ("Namespaced", "CREATE /v1/nodes", False),
        ("Namespaced", "UPDATE /v1/namespaces default", False),
        ("Cluster", "CREATE /v1/pods default", False),
        ("Cluster", "CREATE /v1/nodes", True),
        ("Cluster", "UPDATE /v1/namespaces default", True),
        ("*", "UPDATE /v1/namespaces default", True),
    ],
)
def test_a_rule_has_a_scope(scope: str, request_text: str, *, named: bool) -> None:
    assert rule("* * * *", scope=scope).covers(asked(request_text)) is named


def version_named(request_text: str, *rules: str, exactly: bool = False) -> str | None:
    request = asked(request_text)
    found = named_as([rule(each) for each in rules], request, versions(request.resource), exactly=exactly)
    return found.api_version if found is not None else None


def test_another_version_of_the_same_thing_is_named_unless_it_must_be_exact() -> None:
    request = "CREATE autoscaling/v2/horizontalpodautoscalers default"
    old, new = ("* autoscaling v1 *", "* autoscaling v2 *")
    assert version_named(request, old) == "autoscaling/v1"
    assert version_named(request, old, exactly=True) is None
    assert version_named(request, old, new) == "autoscaling/v2"
    assert version_named("CREATE /v1/events default", "* events.k8s.io v1 events") == "events.k8s.io/v1"
    assert version_named("CREATE /v1/pods default", "* core v2 pods") is None


def test_what_could_not_be_taken_away_again_is_never_asked_about() -> None:
    assert sorted(each.kind for each in RESOURCES if is_exempt(each)) == [
        "MutatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    ]


def test_a_hook_is_read_as_it_is_meant() -> None:
    service = {"namespace": "n", "name": "s", "path": "/a/", "port": 8443}
    one = webhook("a.b.c", {"service": service, "caBundle": "cGVt"}, sideEffects="None")
    two = webhook("a.b.c", {"url": "https://h"}, sideEffects="Unknown", matchPolicy="Exact", timeoutSeconds=3)
    first, second = read([configuration("Mutating", "c", one, two)])
    target = first.target
    assert (target.url, target.service, target.authority) == ("https://s.n.svc:8443/a", ("n", "s"), "pem")
    assert (second.target.url, second.target.service, second.target.authority) == ("https://h/", None, "")
    assert (first.key, second.key) == ("c/a.b.c/0", "c/a.b.c/1")
    assert (first.is_exact, first.has_side_effects, first.fails_open, first.timeout_seconds) == (
        False,
        False,
        False,
        10,
    )
    assert (second.is_exact, second.has_side_effects, second.position) == (True, True, 1)
