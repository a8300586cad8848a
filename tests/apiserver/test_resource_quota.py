"""Quotas at the API server: what is let in is charged for, and no more than allowed is let in."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.api_server import Answer, Api, serving

SPACE = "/api/v1/namespaces/default"
QUOTA = f"{SPACE}/resourcequotas/q"


def pod(name: str, cpu: str = "", **spec: Any) -> Any:
    resources = {"resources": {"requests": {"cpu": cpu}}} if cpu else {}
    container = {"name": "c", "image": "i", **resources}
    return {"metadata": {"name": name}, "spec": {"containers": [container], **spec}}


async def quota(api: Api, hard: dict[str, str], used: dict[str, str] | None = None, **spec: Any) -> None:
    """A quota as the controller has counted it."""
    made = {"metadata": {"name": "q"}, "spec": {"hard": hard, **spec}}
    await api.ok("POST", f"{SPACE}/resourcequotas", made)
    status = {"hard": hard, "used": dict.fromkeys(hard, "0") if used is None else used}
    merge = "application/merge-patch+json"
    await api.ok("PATCH", f"{QUOTA}/status", {"status": status}, merge)
    await api.server.cache.consistent()


async def used(api: Api) -> dict[str, str]:
    found: dict[str, str] = (await api.ok("GET", QUOTA))["status"]["used"]
    return found


async def create(api: Api, o: Any, plural: str = "pods", query: str = "") -> Answer:
    return await api("POST", f"{SPACE}/{plural}{query}", o)


async def test_what_exceeds_is_refused_in_kubernetes_words() -> None:
    async with serving() as api:
        await quota(api, {"pods": "2", "requests.cpu": "1"})
        assert (await create(api, pod("a", "600m"))).code == 201
        assert await used(api) == {"pods": "1", "requests.cpu": "600m"}
        answer = await create(api, pod("b", "500m"))
        assert answer.code == 403
        assert answer.json["message"] == (
            'pods "b" is forbidden: exceeded quota: q, '
            "requested: requests.cpu=500m, used: requests.cpu=600m, limited: requests.cpu=1"
        )
        assert answer.json["reason"] == "Forbidden"
        assert (await create(api, pod("b", "400m"))).code == 201
        answer = await create(api, pod("c", "1"))
        assert answer.json["message"].endswith(
            "exceeded quota: q, requested: pods=1,requests.cpu=1, "
            "used: pods=2,requests.cpu=1, limited: pods=2,requests.cpu=1"
        )
        assert await used(api) == {"pods": "2", "requests.cpu": "1"}


async def test_many_at_once_get_no_more_than_there_is() -> None:
    async with serving() as api:
        await quota(api, {"pods": "7"})
        answers = await asyncio.gather(*(create(api, pod(f"p{n}")) for n in range(20)))
        assert sorted(each.code for each in answers) == [201] * 7 + [403] * 13
        assert await used(api) == {"pods": "7"}


async def test_a_pod_says_what_the_quota_wants_to_know() -> None:
    async with serving() as api:
        await quota(api, {"limits.cpu": "2", "requests.memory": "1Gi"})
        answer = await create(api, pod("a"))
        assert answer.json["message"] == (
            'pods "a" is forbidden: failed quota: q: must specify limits.cpu for: c; requests.memory for: c'
        )


async def test_a_quota_that_nobody_has_counted_lets_nothing_in() -> None:
    async with serving() as api:
        await quota(api, {"pods": "2", "secrets": "3"}, {"secrets": "1"})
        answer = await create(api, pod("a"))
        assert answer.json["message"] == (
            'pods "a" is forbidden: status unknown for quota: q, resources: pods'
        )
        assert (await create(api, {"metadata": {"name": "s"}}, "secrets")).code == 201


async def test_what_is_not_stored_is_not_charged_for() -> None:
    async with serving() as api:
        await quota(api, {"pods": "2", "count/configmaps": "5"})
        assert (await create(api, pod("a"), query="?dryRun=All")).code == 201
        assert await used(api) == {"pods": "0", "count/configmaps": "0"}
        assert (await create(api, pod("a"))).code == 201
        assert (await create(api, pod("a"))).code == 409
        assert (await create(api, pod("b", restartPolicy="Sometimes"))).code == 422
        assert await used(api) == {"pods": "1", "count/configmaps": "0"}
        assert (await create(api, pod("b"))).code == 201
        assert (await create(api, pod("c"), query="?dryRun=All")).code == 403


async def test_a_service_that_grows_is_charged_for_the_difference() -> None:
    async with serving() as api:
        await quota(api, {"services": "2", "services.nodeports": "1"})
        spec = {"ports": [{"name": "a", "port": 80}]}
        made = await api.ok("POST", f"{SPACE}/services", {"metadata": {"name": "s"}, "spec": spec})
        assert await used(api) == {"services": "1", "services.nodeports": "0"}
        made["spec"]["type"] = "NodePort"
        made = await api.ok("PUT", f"{SPACE}/services/s", made)
        assert await used(api) == {"services": "1", "services.nodeports": "1"}
        made["spec"]["ports"].append({"name": "b", "port": 81})
        answer = await api("PUT", f"{SPACE}/services/s", made)
        assert answer.code == 403
        assert answer.json["message"].endswith(
            "requested: services.nodeports=1, used: services.nodeports=1, limited: services.nodeports=1"
        )


async def test_only_its_scope_and_namespace_is_a_quotas_business() -> None:
    async with serving() as api:
        await quota(api, {"pods": "0"}, scopes=["BestEffort"])
        assert (await create(api, pod("a"))).code == 403
        assert (await create(api, pod("a", "1"))).code == 201
        await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "default-2"}})
        account = {"metadata": {"name": "default"}}
        await api.ok("POST", "/api/v1/namespaces/default-2/serviceaccounts", account)
        await api.ok("POST", "/api/v1/namespaces/default-2/pods", pod("a"))
