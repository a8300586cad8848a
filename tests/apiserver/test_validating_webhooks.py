"""Webhooks that refuse what is written, or let it pass; which of them are asked, and about what."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.presence import Presence
from apiserver.registry.registry import encode
from kube.api.resources import VALIDATING_WEBHOOK_CONFIGURATIONS
from tests.apiserver.webhooks import MAPS, REGISTRATION, SPACE, Hooked, config_map, pod
from tests.support.webhook_server import allow, configuration, deny, patch, rule, webhook

MERGE = "application/merge-patch+json"


@pytest.mark.parametrize(
    ("status", "code", "reason", "message"),
    [
        ({}, 400, None, "without explanation"),
        ({"message": "not on Tuesdays"}, 400, None, ": not on Tuesdays"),
        ({"message": "no", "code": 403, "reason": "Forbidden"}, 403, "Forbidden", ": no"),
        ({"reason": "Invalid", "code": 422}, 422, "Invalid", ": Invalid"),
        ({"message": "fine", "code": 200, "status": "Success"}, 400, None, ": fine"),
    ],
)
async def test_a_refusal_has_the_words_and_the_code_of_the_hook(
    hooked: Hooked, status: dict[str, Any], code: int, reason: str | None, message: str
) -> None:
    await hooked.validating("c", webhook("a.b.c", hooked.server.at("/", deny(**status))))
    answer = await hooked.api("POST", MAPS, config_map())
    told = answer.json
    assert (answer.code, told["code"], told.get("reason")) == (code, code, reason)
    space = "" if message.startswith(":") else " "
    assert told["message"] == f'admission webhook "a.b.c" denied the request{space}{message}'
    assert (told["status"], (await hooked.api("GET", f"{MAPS}/m")).code) == ("Failure", 404)


async def test_all_are_asked_at_once_and_the_first_refusal_counts(hooked: Hooked) -> None:
    server = hooked.server
    await hooked.validating(
        "c",
        webhook("a.b.c", server.at("/1", lambda _: {"allowed": True, "warnings": ["one", "same"]})),
        webhook("b.b.c", server.at("/2", lambda _: deny(message="x")(_) | {"warnings": ["same"]})),
        webhook("c.b.c", server.at("/3", deny(message="y"))),
    )
    answer = await hooked.api("POST", MAPS, config_map())
    assert answer.json["message"] == 'admission webhook "b.b.c" denied the request: x'
    assert sorted(path for path, _ in server.asked) == ["/1", "/2", "/3"]
    assert set(answer.headers.getall("Warning")) == {'299 - "one"', '299 - "same"'}


async def test_they_see_what_would_be_stored(hooked: Hooked) -> None:
    change = patch({"op": "add", "path": "/data/b", "value": "2"})
    await hooked.mutating("c", webhook("a.b.c", hooked.server.at("/change", change)))
    await hooked.validating("c", webhook("a.b.c", hooked.server.at("/see")))
    await hooked.api.ok("POST", MAPS, config_map())
    await hooked.api.ok("PATCH", f"{MAPS}/m", {"data": {"c": "3"}}, MERGE)
    created, updated = hooked.server.requests("/see")
    assert created["object"]["data"] == {"a": "1", "b": "2"}
    assert created["object"]["metadata"]["uid"]
    assert (updated["operation"], updated["oldObject"]["data"]) == ("UPDATE", {"a": "1", "b": "2"})
    assert updated["object"]["data"] == {"a": "1", "b": "2", "c": "3"}
    assert updated["options"]["kind"] == "UpdateOptions"


async def test_a_deletion_shows_what_would_go_and_how(hooked: Hooked) -> None:
    await hooked.api.ok("POST", MAPS, config_map())
    await hooked.api.ok("POST", MAPS, config_map("n"))
    rules = rule("configmaps", operations=["DELETE"])
    await hooked.validating("c", webhook("a.b.c", hooked.server.at("/", deny(message="stays")), rules))
    options = {"propagationPolicy": "Background", "gracePeriodSeconds": 3}
    answer = await hooked.api("DELETE", f"{MAPS}/m", options)
    assert (answer.code, answer.json["message"]) == (
        400,
        'admission webhook "a.b.c" denied the request: stays',
    )
    [(_, asked)] = hooked.server.asked
    assert (asked["operation"], asked["name"], asked["object"]) == ("DELETE", "m", None)
    assert asked["oldObject"]["data"] == {"a": "1"}
    assert asked["options"] == {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1", **options}

    hooked.server.paths["/"] = allow
    await hooked.api.ok("DELETE", MAPS)
    names = [request["name"] for _, request in hooked.server.asked[1:]]
    assert names == ["kube-root-ca.crt", "m", "n"][-2:]


async def test_a_connection_is_asked_about_by_its_options(hooked: Hooked) -> None:
    await hooked.api.ok("POST", f"{SPACE}/pods", pod())
    rules = rule("pods/*", operations=["CONNECT"])
    selector = {"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}
    await hooked.validating(
        "c",
        webhook("a.b.c", hooked.server.at("/", deny(message="no shells")), rules),
        webhook("b.b.c", hooked.server.at("/2"), rules, objectSelector=selector),
    )
    answer = await hooked.api("POST", f"{SPACE}/pods/p/exec?command=sh&command=-c&stdin=true&container=c")
    assert answer.json["message"] == 'admission webhook "a.b.c" denied the request: no shells'
    # Options have no labels, and no selector chooses them.
    [(_, asked)] = hooked.server.asked
    assert asked["object"] == {
        "apiVersion": "v1",
        "kind": "PodExecOptions",
        "stdin": True,
        "container": "c",
        "command": ["sh", "-c"],
    }
    shown = {part: asked[part] for part in ("name", "namespace", "operation", "subResource", "options")}
    assert shown == {
        "name": "p",
        "namespace": "default",
        "operation": "CONNECT",
        "subResource": "exec",
        "options": None,
    }


async def test_bindings_and_evictions_are_asked_about_as_such(hooked: Hooked) -> None:
    await hooked.api.ok("POST", f"{SPACE}/pods", pod())
    await hooked.validating(
        "c",
        webhook("a.b.c", hooked.server.at("/bind", deny(message="no")), rule("pods/binding", "bindings")),
        webhook("b.b.c", hooked.server.at("/evict", deny(message="no")), rule("pods/eviction")),
    )
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "p"},
        "target": {"name": "node"},
    }
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}
    for path, body in (
        ("pods/p/binding", binding),
        ("bindings", binding),
        ("pods/p/eviction", eviction),
    ):
        answer = await hooked.api("POST", f"{SPACE}/{path}", body)
        assert answer.json["message"].endswith("denied the request: no"), answer.body
    asked = [
        (request["kind"]["kind"], request["resource"]["resource"], request.get("subResource"))
        for _, request in hooked.server.asked
    ]
    assert asked == [
        ("Binding", "pods", "binding"),
        ("Binding", "bindings", None),
        ("Eviction", "pods", "eviction"),
    ]
    assert "nodeName" not in (await hooked.api.ok("GET", f"{SPACE}/pods/p"))["spec"]


async def test_reviews_are_asked_about(hooked: Hooked) -> None:
    place = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    client = hooked.server.at("/", deny(message="no"))
    await hooked.validating("c", webhook("a.b.c", client, rule("selfsubjectaccessreviews")))
    answer = await hooked.api("POST", place, {"spec": {"nonResourceAttributes": {"path": "/"}}})
    assert answer.json["message"] == 'admission webhook "a.b.c" denied the request: no'


async def test_a_namespace_selector_looks_at_the_namespace(hooked: Hooked) -> None:
    api, namespaces = hooked.api, "/api/v1/namespaces"
    await api.ok("POST", namespaces, {"metadata": {"name": "guarded", "labels": {"guard": "on"}}})
    chosen = {"matchLabels": {"guard": "on"}}
    await hooked.validating(
        "c",
        webhook(
            "a.b.c",
            hooked.server.at("/"),
            rule("configmaps", "namespaces", "clusterroles"),
            namespaceSelector=chosen,
        ),
    )
    await api.ok("POST", MAPS, config_map())
    assert hooked.server.asked == []
    await api.ok("POST", f"{namespaces}/guarded/configmaps", config_map())
    # A Namespace counts by the labels it is to have, and what lies in none is always chosen.
    await api.ok("POST", namespaces, {"metadata": {"name": "free"}})
    await api.ok("PATCH", f"{namespaces}/free", {"metadata": {"labels": {"guard": "on"}}}, MERGE)
    roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    await api.ok("POST", roles, {"metadata": {"name": "r"}, "rules": []})
    seen = [
        (request["kind"]["kind"], request.get("namespace"), request["name"])
        for _, request in hooked.server.asked
    ]
    assert seen == [
        ("ConfigMap", "guarded", "m"),
        ("Namespace", "free", "free"),
        ("ClusterRole", None, "r"),
    ]


async def test_an_object_selector_looks_at_the_object_before_and_after(hooked: Hooked) -> None:
    chosen = {"matchLabels": {"look": "yes"}}
    await hooked.validating("c", webhook("a.b.c", hooked.server.at("/"), objectSelector=chosen))
    for steps, labels in enumerate(({}, {"look": "yes"}, {"look": "no"}, {"look": "never"})):
        body = config_map(**labels)
        await (hooked.api.ok("PUT", f"{MAPS}/m", body) if steps else hooked.api.ok("POST", MAPS, body))
    seen = [request["object"]["metadata"].get("labels") for _, request in hooked.server.asked]
    assert seen == [{"look": "yes"}, {"look": "no"}]


async def test_a_dry_run_is_asked_about_as_one(hooked: Hooked) -> None:
    await hooked.validating("c", webhook("a.b.c", hooked.server.at("/"), sideEffects="NoneOnDryRun"))
    await hooked.api.ok("POST", f"{MAPS}?dryRun=All", config_map())
    [(_, asked)] = hooked.server.asked
    assert (asked["dryRun"], asked["options"]["dryRun"]) == (True, ["All"])


async def test_a_hook_that_does_more_than_answer_is_not_asked_about_dry_runs(hooked: Hooked) -> None:
    """Such a configuration can come from older versions alone: it is put into the store."""
    hook = webhook("a.b.c", hooked.server.at("/"), sideEffects="Some", failurePolicy="Ignore")
    key = f"{VALIDATING_WEBHOOK_CONFIGURATIONS.storage_prefix()}/c"
    await hooked.api.server.storage.create(key, encode(configuration("Validating", "c", hook)))
    await hooked.api.server.cache.consistent()
    answer = await hooked.api("POST", f"{MAPS}?dryRun=All", config_map())
    assert (answer.code, answer.json["message"]) == (
        400,
        'admission webhook "a.b.c" does not support dry run',
    )
    await hooked.api.ok("POST", MAPS, config_map())
    assert len(hooked.server.asked) == 1


async def test_a_change_of_a_configuration_holds_at_once(hooked: Hooked) -> None:
    await hooked.validating("c", webhook("a.b.c", hooked.server.at("/", deny())))
    assert (await hooked.api("POST", MAPS, config_map())).code == 400
    await hooked.api.ok("DELETE", f"{REGISTRATION}/validatingwebhookconfigurations/c")
    await hooked.api.server.cache.consistent()
    await hooked.api.ok("POST", MAPS, config_map())


async def test_one_who_refuses_everything_can_be_taken_away_and_the_server_goes_on(hooked: Hooked) -> None:
    """Neither the configurations themselves nor what the server keeps for itself is asked about."""
    everything = rule("*/*")
    hook = webhook("a.b.c", hooked.server.at("/", deny(message="no")), everything)
    await hooked.mutating("c", hook)
    await hooked.validating("c", hook)
    answer = await hooked.api("POST", MAPS, config_map())
    assert answer.json["message"] == 'admission webhook "a.b.c" denied the request: no'
    asked = len(hooked.server.asked)
    presence = Presence(hooked.api.server, "127.0.0.1", 6450)
    await presence.join()
    await presence.leave()
    change = {"metadata": {"labels": {"x": "y"}}}
    for plural in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"):
        await hooked.api.ok("PATCH", f"{REGISTRATION}/{plural}/c", change, MERGE)
        await hooked.api.ok("DELETE", f"{REGISTRATION}/{plural}/c")
    await hooked.api.server.cache.consistent()
    assert len(hooked.server.asked) == asked
    await hooked.api.ok("POST", MAPS, config_map())


async def test_a_configuration_that_cannot_be_read_can_be_taken_away(hooked: Hooked) -> None:
    """Nobody can write it here, but somebody may have written it into the store."""
    hook = webhook("a.b.c", hooked.server.at("/"))
    hook["objectSelector"] = {"matchExpressions": [{"key": "x", "operator": "Like"}]}
    key = f"{VALIDATING_WEBHOOK_CONFIGURATIONS.storage_prefix()}/c"
    await hooked.api.server.storage.create(key, encode(configuration("Validating", "c", hook)))
    await hooked.api.server.cache.consistent()
    assert (await hooked.api("POST", MAPS, config_map())).code == 500
    await hooked.api.ok("DELETE", f"{REGISTRATION}/validatingwebhookconfigurations/c")
    await hooked.api.server.cache.consistent()
    await hooked.api.ok("POST", MAPS, config_map())


async def test_conditions_choose_what_is_asked_about(hooked: Hooked) -> None:
    conditions = [
        {"name": "not-nodes", "expression": "!('system:nodes' in request.userInfo.groups)"},
        {"name": "asked", "expression": "object.metadata.name.startsWith('m')"},
        {
            "name": "may",
            "expression": "authorizer.group('').resource('configmaps').check('create').allowed()",
        },
    ]
    hook = webhook("a.b.c", hooked.server.at("/"), matchConditions=conditions)
    await hooked.validating("c", hook)
    await hooked.api.ok("POST", MAPS, config_map())
    other = config_map() | {"metadata": {"name": "other"}}
    await hooked.api.ok("POST", MAPS, other)
    assert [each["name"] for each in hooked.server.requests("/")] == ["m"]


@pytest.mark.parametrize("policy", ["Fail", "Ignore"])
async def test_a_condition_that_fails_counts_as_a_webhook_that_does(hooked: Hooked, policy: str) -> None:
    condition = {"name": "c", "expression": "object.data.none == 'x'"}
    hook = webhook("a.b.c", hooked.server.at("/"), matchConditions=[condition], failurePolicy=policy)
    await hooked.validating("c", hook)
    answer = await hooked.api("POST", MAPS, config_map())
    assert hooked.server.asked == []
    if policy == "Ignore":
        assert answer.code == 201
    else:
        assert answer.code == 403
        assert "no such key: none" in answer.json["message"]
