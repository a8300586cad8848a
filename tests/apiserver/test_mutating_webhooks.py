"""Webhooks that change what is written: the real API server, and a real HTTPS server that answers it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.apiserver.webhooks import MAPS, SPACE, Hooked, config_map, pod
from tests.support.webhook_server import allow, deny, patch, rule, webhook

ADD_LABELS = {"op": "add", "path": "/metadata/labels", "value": {}}
MERGE = "application/merge-patch+json"


def label(key: str, value: str = "yes") -> dict[str, Any]:
    return {"op": "add", "path": f"/metadata/labels/{key}", "value": value}


async def test_a_patch_changes_what_is_stored_and_the_hook_sees_what_is_asked(hooked: Hooked) -> None:
    api, server = hooked.api, hooked.server
    change = patch({"op": "add", "path": "/data", "value": {"b": "2"}})
    await hooked.mutating("c", webhook("a.b.c", server.at("/", change), rule("configmaps", groups=[""])))
    made = await api.ok("POST", f"{MAPS}?fieldManager=me&fieldValidation=Strict", config_map())
    assert made["data"] == {"b": "2"}
    assert (await api.ok("GET", f"{MAPS}/m"))["data"] == {"b": "2"}
    [asked] = server.requests("/")
    kind = {"group": "", "version": "v1", "kind": "ConfigMap"}
    resource = {"group": "", "version": "v1", "resource": "configmaps"}
    assert asked | {"uid": "u"} == {
        "uid": "u",
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": "m",
        "namespace": "default",
        "operation": "CREATE",
        "userInfo": {"username": "kubernetes-admin", "groups": ["system:masters", "system:authenticated"]},
        "object": {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "m", "namespace": "default"},
            "data": {"a": "1"},
        },
        "oldObject": None,
        "dryRun": False,
        "options": {
            "kind": "CreateOptions",
            "apiVersion": "meta.k8s.io/v1",
            "fieldManager": "me",
            "fieldValidation": "Strict",
        },
    }


async def test_hooks_are_asked_by_configuration_and_in_order_and_each_sees_the_change_before(
    hooked: Hooked,
) -> None:
    server = hooked.server
    second = [
        webhook("b.b.b", server.at("/2", patch(label("two")))),
        webhook("a.a.a", server.at("/3", patch(label("three")))),
    ]
    await hooked.mutating("second", *second)
    await hooked.mutating("first", webhook("z.z.z", server.at("/1", patch(ADD_LABELS, label("one")))))
    made = await hooked.api.ok("POST", MAPS, config_map())
    assert made["metadata"]["labels"] == {"one": "yes", "two": "yes", "three": "yes"}
    seen = [(path, list(request["object"]["metadata"].get("labels", {}))) for path, request in server.asked]
    assert seen == [("/1", []), ("/2", ["one"]), ("/3", ["one", "two"])]


async def test_a_hook_is_asked_again_if_it_wants_to_be_and_something_changed_after_it(
    hooked: Hooked,
) -> None:
    server, again = hooked.server, {"reinvocationPolicy": "IfNeeded"}
    quiet = webhook("a.quiet.c", server.at("/never"))
    await hooked.mutating(
        "c",
        webhook("a.b.c", server.at("/again"), **again),
        quiet,
        webhook("b.b.c", server.at("/change", patch(ADD_LABELS, label("x"))), **again),
        webhook("c.b.c", server.at("/after"), **again),
    )
    await hooked.api.ok("POST", MAPS, config_map())
    assert [path for path, _ in server.asked] == ["/again", "/never", "/change", "/after", "/again"]
    assert server.requests("/again")[1]["object"]["metadata"]["labels"] == {"x": "yes"}


async def test_the_servers_own_plugins_see_what_a_hook_has_made(hooked: Hooked) -> None:
    sidecar = {"name": "sidecar", "image": "i"}
    added = patch({"op": "add", "path": "/spec/containers/-", "value": sidecar})

    def once(request: dict[str, Any]) -> Any:
        return added(request) if len(request["object"]["spec"]["containers"]) == 1 else allow(request)

    rules = rule("pods", operations=["CREATE"])
    client = hooked.server.at("/", once)
    await hooked.mutating("c", webhook("a.b.c", client, rules, reinvocationPolicy="IfNeeded"))
    made = await hooked.api.ok("POST", f"{SPACE}/pods", pod())
    own, sidecar = made["spec"]["containers"]
    # Defaults, and the token that ServiceAccount mounts.
    assert sidecar["imagePullPolicy"] == own["imagePullPolicy"] == "Always"
    assert sidecar["volumeMounts"] == own["volumeMounts"]
    assert len(made["spec"]["volumes"]) == 1
    # The second round of ServiceAccount came after the hook's last word.
    assert [len(request["object"]["spec"]["containers"]) for _, request in hooked.server.asked] == [1, 2]


async def test_a_service_gets_its_addresses_after_the_hooks(hooked: Hooked) -> None:
    client = hooked.server.at("/", patch({"op": "replace", "path": "/spec/type", "value": "NodePort"}))
    await hooked.mutating("c", webhook("a.b.c", client, rule("services"), reinvocationPolicy="IfNeeded"))
    service = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    made = await hooked.api.ok("POST", f"{SPACE}/services", service)
    assert made["spec"]["ports"][0]["nodePort"]
    assert "clusterIP" not in hooked.server.asked[0][1]["object"]["spec"]
    addresses = await hooked.api.ok("GET", "/apis/networking.k8s.io/v1/ipaddresses")
    names = {each["spec"]["parentRef"]["name"] for each in addresses["items"]}
    assert (len(addresses["items"]), names) == (2, {"kubernetes", "s"})


async def test_a_name_that_the_server_makes_up_comes_after_the_hooks(hooked: Hooked) -> None:
    await hooked.mutating("c", webhook("a.b.c", hooked.server.at("/1")))
    await hooked.validating("c", webhook("a.b.c", hooked.server.at("/2")))
    made = await hooked.api.ok("POST", MAPS, {"metadata": {"generateName": "m-"}})
    [(_, mutating), (_, validating)] = hooked.server.asked
    assert "name" not in mutating
    assert not {"name", "uid", "creationTimestamp"} & set(mutating["object"]["metadata"])
    assert validating["name"] == made["metadata"]["name"]
    assert validating["object"]["metadata"]["uid"] == made["metadata"]["uid"]


async def test_a_hook_may_name_what_is_made(hooked: Hooked) -> None:
    client = hooked.server.at("/", patch({"op": "add", "path": "/metadata/name", "value": "other"}))
    await hooked.mutating("c", webhook("a.b.c", client, rule("configmaps", operations=["CREATE"])))
    await hooked.api.ok("POST", MAPS, config_map())
    assert (await hooked.api("GET", f"{MAPS}/m")).code == 404
    await hooked.api.ok("GET", f"{MAPS}/other")


@pytest.mark.parametrize(
    ("operation", "code", "message"),
    [
        (
            {"op": "replace", "path": "/kind", "value": "Secret"},
            500,
            'Internal error occurred: admission webhook "a.b.c" attempted to change the kind of the object '
            "from v1, Kind=ConfigMap to v1, Kind=Secret",
        ),
        (
            {"op": "replace", "path": "/metadata/namespace", "value": "kube-system"},
            400,
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        (
            {"op": "replace", "path": "/data", "value": {"a": 1}},
            500,
            'Internal error occurred: ConfigMap in version "v1" cannot be handled as a ConfigMap: '
            "json: cannot unmarshal number into Go struct field ConfigMap.data.a of type string",
        ),
        (
            {"op": "remove", "path": "/nothing"},
            500,
            'Internal error occurred: the patch of admission webhook "a.b.c" does not fit: '
            "can't remove a non-existent object 'nothing'",
        ),
        (
            {"op": "add", "path": "/data/é", "value": ""},
            422,
            'ConfigMap "m" is invalid: data[é]: Invalid value: "é": a valid config key must consist of '
            "alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', "
            "regex used for validation is '[-._a-zA-Z0-9]+')",
        ),
    ],
)
async def test_a_patch_that_makes_no_such_object_is_refused(
    hooked: Hooked, operation: dict[str, Any], code: int, message: str
) -> None:
    # Whatever the policy is about hooks that do not answer.
    client = hooked.server.at("/", patch(operation))
    await hooked.mutating("c", webhook("a.b.c", client, failurePolicy="Ignore"))
    answer = await hooked.api("POST", MAPS, config_map())
    assert (answer.code, answer.json["message"]) == (code, message)


async def test_a_patch_of_an_update_keeps_to_the_door_and_the_name(hooked: Hooked) -> None:
    await hooked.api.ok("POST", f"{SPACE}/pods", pod())
    client = hooked.server.at(
        "/status",
        patch(
            {"op": "add", "path": "/status/message", "value": "hooked"},
            {"op": "add", "path": "/spec/priority", "value": 7},
        ),
    )
    await hooked.mutating("c", webhook("a.b.c", client, rule("pods/status")))
    patched = await hooked.api.ok(
        "PATCH", f"{SPACE}/pods/p/status", {"status": {"reason": "r"}}, "application/merge-patch+json"
    )
    assert (patched["status"]["reason"], patched["status"]["message"]) == ("r", "hooked")
    assert patched["spec"]["priority"] == 0
    [asked] = hooked.server.requests("/status")
    assert (asked["subResource"], asked["operation"], asked["kind"]["kind"]) == ("status", "UPDATE", "Pod")
    assert "reason" not in asked["oldObject"]["status"]

    renamed = hooked.server.at("/name", patch({"op": "replace", "path": "/metadata/name", "value": "q"}))
    await hooked.mutating("d", webhook("a.b.d", renamed, rule("pods")))
    answer = await hooked.api("PATCH", f"{SPACE}/pods/p", {"metadata": {"labels": {"x": "y"}}}, MERGE)
    assert (answer.code, answer.json["details"]["causes"][0]["field"]) == (422, "metadata.name")


async def test_a_scale_is_seen_and_changed_as_a_scale(hooked: Hooked) -> None:
    deployments = "/apis/apps/v1/namespaces/default/deployments"
    template = {
        "metadata": {"labels": {"app": "d"}},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "d"}}, "template": template}
    await hooked.api.ok("POST", deployments, {"metadata": {"name": "d"}, "spec": spec})
    client = hooked.server.at("/", patch({"op": "replace", "path": "/spec/replicas", "value": 3}))
    await hooked.mutating("c", webhook("a.b.c", client, rule("*/scale")))
    scaled = await hooked.api.ok(
        "PATCH", f"{deployments}/d/scale", {"spec": {"replicas": 9}}, "application/merge-patch+json"
    )
    assert scaled["spec"]["replicas"] == 3
    [(_, asked)] = hooked.server.asked
    assert asked["kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert asked["resource"] == {"group": "apps", "version": "v1", "resource": "deployments"}
    assert asked["object"]["spec"]["replicas"] == 9
    assert asked["oldObject"]["spec"]["replicas"] == 1


async def test_a_hook_sees_the_version_that_its_rules_name(hooked: Hooked) -> None:
    place = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
    change = patch({"op": "replace", "path": "/spec/targetCPUUtilizationPercentage", "value": 70})
    named = rule("horizontalpodautoscalers", groups=["autoscaling"]) | {"apiVersions": ["v1"]}
    await hooked.mutating(
        "c",
        webhook("a.b.c", hooked.server.at("/equivalent", change), named),
        webhook("b.b.c", hooked.server.at("/exact"), named, matchPolicy="Exact"),
    )
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
    }
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
    spec = {"maxReplicas": 3, "scaleTargetRef": reference, "metrics": [metric]}
    made = await hooked.api.ok("POST", place, {"metadata": {"name": "h"}, "spec": spec})
    assert made["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 70
    [(path, asked)] = hooked.server.asked
    assert path == "/equivalent"
    versions = [asked[part]["version"] for part in ("kind", "resource", "requestKind", "requestResource")]
    assert versions == ["v1", "v1", "v2", "v2"]
    assert asked["object"]["apiVersion"] == "autoscaling/v1"
    assert asked["object"]["spec"]["targetCPUUtilizationPercentage"] == 50


async def test_what_is_not_stored_can_be_changed_too(hooked: Hooked) -> None:
    await hooked.api.ok("POST", f"{SPACE}/pods", pod())
    account = {"op": "add", "path": "/spec/audiences", "value": ["hooked"]}
    grace = {"op": "add", "path": "/deleteOptions", "value": {"preconditions": {"uid": "another"}}}
    await hooked.mutating(
        "c",
        webhook("a.b.c", hooked.server.at("/token", patch(account)), rule("serviceaccounts/token")),
        webhook("b.b.c", hooked.server.at("/evict", patch(grace)), rule("pods/eviction")),
    )
    token = await hooked.api.ok("POST", f"{SPACE}/serviceaccounts/default/token", {"spec": {}})
    assert token["spec"]["audiences"] == ["hooked"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    answer = await hooked.api("POST", f"{SPACE}/pods/p/eviction", eviction)
    assert answer.code == 409, answer.body
    [asked] = hooked.server.requests("/evict")
    assert asked["kind"] == {"group": "policy", "version": "v1", "kind": "Eviction"}
    assert (asked["subResource"], asked["operation"], asked["name"]) == ("eviction", "CREATE", "p")


async def test_a_command_can_be_changed_before_it_runs(hooked: Hooked) -> None:
    await hooked.api.ok("POST", f"{SPACE}/pods", pod())
    client = hooked.server.at("/", patch({"op": "add", "path": "/container", "value": "sidecar"}))
    await hooked.mutating("c", webhook("a.b.c", client, rule("pods/exec")))
    answer = await hooked.api("POST", f"{SPACE}/pods/p/exec?command=sh&container=c&stdout=1")
    assert (answer.code, answer.json["message"]) == (400, "container sidecar is not valid for pod p")


async def test_what_is_applied_twice_is_changed_once(hooked: Hooked) -> None:
    client = hooked.server.at("/", patch({"op": "add", "path": "/data/hooked", "value": "yes"}))
    await hooked.mutating("c", webhook("a.b.c", client))
    body = {"apiVersion": "v1", "kind": "ConfigMap", **config_map()}
    path, kind = f"{MAPS}/m?fieldManager=me", "application/apply-patch+yaml"
    first, second = [await hooked.api.ok("PATCH", path, body, kind) for _ in range(2)]
    assert first == second
    assert first["data"] == {"a": "1", "hooked": "yes"}
    assert [request["operation"] for _, request in hooked.server.asked] == ["CREATE", "UPDATE"]


async def test_a_deletion_cannot_be_changed(hooked: Hooked) -> None:
    await hooked.api.ok("POST", MAPS, config_map())
    client = hooked.server.at("/", patch({"op": "add", "path": "/data", "value": {}}))
    await hooked.mutating("c", webhook("a.b.c", client))
    answer = await hooked.api("DELETE", f"{MAPS}/m")
    assert (answer.code, answer.json["message"]) == (
        500,
        'Internal error occurred: admission webhook "a.b.c" attempted to modify the object, '
        "which is not supported for this operation",
    )


async def test_a_refusal_ends_it_and_the_audit_log_is_told_of_each_call(hooked: Hooked) -> None:
    server = hooked.server
    said = base64.b64encode(b'[{"op":"add","path":"/data","value":{"b":"2"}}]').decode()
    told = {
        "allowed": True,
        "patchType": "JSONPatch",
        "patch": said,
        "auditAnnotations": {"why": "because"},
        "warnings": ["mind the gap"],
    }
    await hooked.mutating(
        "c",
        webhook("a.b.c", server.at("/1", lambda _: told)),
        webhook("b.b.c", server.at("/2", deny(message="no", code=418, reason="Teapot"))),
        webhook("c.b.c", server.at("/3")),
    )
    answer = await hooked.api("POST", MAPS, config_map())
    assert answer.code == 418
    assert answer.headers.getall("Warning") == ['299 - "mind the gap"']
    assert (answer.json["reason"], answer.json["message"]) == (
        "Teapot",
        'admission webhook "b.b.c" denied the request: no',
    )
    assert [path for path, _ in server.asked] == ["/1", "/2"]
    assert await hooked.audited() == {
        "a.b.c/why": "because",
        "mutation.webhook.admission.k8s.io/round_0_index_0": (
            '{"configuration":"c","webhook":"a.b.c","mutated":true}'
        ),
        "patch.webhook.admission.k8s.io/round_0_index_0": (
            '{"configuration":"c","webhook":"a.b.c","patch":[{"op":"add","path":"/data","value":{"b":"2"}}],'
            '"patchType":"JSONPatch"}'
        ),
        "mutation.webhook.admission.k8s.io/round_0_index_1": (
            '{"configuration":"c","webhook":"b.b.c","mutated":false}'
        ),
    }
