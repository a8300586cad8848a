"""Who may do what: certificates, tokens, roles, impersonation."""

from __future__ import annotations

from apiserver.authentication.user import known
from tests.support.api_server import Api, serving

PODS = "/api/v1/namespaces/default/pods"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"


async def grant(api: Api, user: str, verbs: list[str], resources: list[str], group: str = "") -> None:
    rule = {"apiGroups": [group], "resources": resources, "verbs": verbs}
    role = {"metadata": {"name": user}, "rules": [rule]}
    await api.ok("POST", f"{RBAC}/namespaces/default/roles", role)
    binding = {
        "metadata": {"name": user},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": user},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }
    await api.ok("POST", f"{RBAC}/namespaces/default/rolebindings", binding)
    await api.server.cache.consistent()


async def test_anonymous_sees_the_version_and_nothing_else() -> None:
    async with serving(user=None) as api:
        assert (await api("GET", "/version")).code == 200
        assert (await api("GET", "/readyz")).code == 200
        refused = await api("GET", PODS)
        assert refused.json["message"] == (
            'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" '
            'in the namespace "default"'
        )
        assert (await api("GET", "/metrics")).json["message"] == (
            'forbidden: User "system:anonymous" cannot get path "/metrics"'
        )
        assert (await api("GET", PODS, Authorization="Bearer nonsense")).code == 401


async def test_a_role_lets_a_user_do_just_that() -> None:
    async with serving(user=known("bob")) as api:
        assert (await api("GET", PODS)).code == 403
        async with serving(api.server.storage) as admin:
            await grant(admin, "bob", ["list"], ["pods"])
        await api.server.cache.consistent()
        assert (await api("GET", PODS)).code == 200
        assert (await api("GET", "/api/v1/pods")).code == 403
        assert (await api("POST", PODS, {})).code == 403


async def test_impersonation_shows_what_another_may_do(api: Api) -> None:
    await grant(api, "carol", ["get"], ["pods"])
    refused = await api("GET", PODS, Impersonate_User="carol")
    assert (refused.code, "carol" in refused.json["message"]) == (403, True)
    assert (await api("GET", f"{PODS}/none", Impersonate_User="carol")).code == 404


async def test_nobody_grants_more_than_he_has(api: Api) -> None:
    await grant(api, "dave", ["create"], ["roles"], "rbac.authorization.k8s.io")
    role = {
        "metadata": {"name": "more"},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}],
    }
    refused = await api("POST", f"{RBAC}/namespaces/default/roles", role, Impersonate_User="dave")
    assert refused.code == 403
    assert refused.json["message"].endswith(
        "is attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}'
    )


async def test_the_token_of_an_account_is_the_account(api: Api) -> None:
    made = await api.ok("POST", f"{ACCOUNT}/token", {"spec": {}})
    bearer = f"Bearer {made['status']['token']}"
    review = await api.ok(
        "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, Authorization=bearer
    )
    user = review["status"]["userInfo"]
    assert user["username"] == "system:serviceaccount:default:default"
    assert "system:serviceaccounts:default" in user["groups"]
    await api.ok("DELETE", ACCOUNT)
    await api.server.cache.consistent()
    assert (await api("GET", PODS, Authorization=bearer)).code == 401


async def test_questions_about_access_are_answered(api: Api) -> None:
    await grant(api, "erin", ["list"], ["pods"])
    asked = {"namespace": "default", "verb": "list", "resource": "pods"}
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    answer = await api.ok("POST", path, {"spec": {"user": "erin", "resourceAttributes": asked}})
    assert answer["status"]["allowed"] is True
    asked["verb"] = "create"
    answer = await api.ok("POST", path, {"spec": {"user": "erin", "resourceAttributes": asked}})
    assert answer["status"]["allowed"] is False
