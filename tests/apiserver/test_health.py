"""What a server says of itself: its checks, its figures, and the stamp on every answer."""

from __future__ import annotations

import re
from uuid import UUID

import pytest

from apiserver.storage.interface import Unavailable
from tests.support.api_server import Api
from tests.support.memory_storage import MemoryStorage
from tests.support.wait import until_async

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
JUST_OK = "ok"


async def text(api: Api, path: str) -> tuple[int, str]:
    answer = await api("GET", path)
    return answer.code, answer.body.decode()


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/readyz/etcd", "/livez/ping"])
async def test_all_is_well(api: Api, path: str) -> None:
    assert await text(api, path) == (200, JUST_OK)


async def test_each_check_has_a_line(api: Api) -> None:
    code, lines = await text(api, "/readyz?verbose&exclude=etcd&exclude=nothing")
    assert code == 200
    assert "[+]ping ok\n[+]log ok\n[+]etcd excluded: ok\n" in lines
    assert "[+]poststarthook/rbac/bootstrap-roles ok\n" in lines
    assert lines.endswith('no matches for "nothing"\nreadyz check passed\n')
    assert await text(api, "/livez/poststarthook/rbac/bootstrap-roles") == (200, JUST_OK)
    assert (await text(api, "/livez/shutdown"))[0] == 404
    assert (await text(api, "/readyz/shutdown"))[0] == 200


async def test_a_silent_store_is_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(_: MemoryStorage) -> int:
        raise Unavailable("nobody answers")

    monkeypatch.setattr(MemoryStorage, "current_revision", silent)
    code, lines = await text(api, "/livez")
    assert (code, "[-]etcd failed: reason withheld\n" in lines) == (500, True)
    assert lines.endswith("livez check failed\n")
    assert await text(api, "/livez?exclude=etcd") == (200, JUST_OK)
    assert await text(api, "/livez/etcd") == (500, "internal server error: nobody answers\n")


async def test_who_ends_is_not_ready_but_alive(api: Api) -> None:
    api.server.stopping.set()
    code, lines = await text(api, "/readyz")
    assert (code, "[-]shutdown failed: reason withheld\n" in lines) == (500, True)
    assert await text(api, "/livez") == (200, JUST_OK)


async def test_every_answer_is_stamped(api: Api) -> None:
    for path in (CONFIG_MAPS, "/version", "/nowhere", f"{CONFIG_MAPS}/none"):
        answer = await api("GET", path)
        UUID(answer.headers["Audit-Id"])
        assert answer.headers["Cache-Control"] == "no-cache, private"
    assert (await api("GET", CONFIG_MAPS, **{"Audit-ID": "mine"})).headers["Audit-Id"] == "mine"
    async with api.session.get(f"{api.base}{CONFIG_MAPS}?watch=true&timeoutSeconds=1") as watch:
        UUID(watch.headers["Audit-Id"])


async def test_figures_have_kubernetes_names(api: Api) -> None:
    await api.ok("POST", CONFIG_MAPS, {"metadata": {"name": "a"}})
    await api("GET", f"{CONFIG_MAPS}/none")
    await api("GET", "/apis/nowhere.example.com/v1/things")
    async with api.watch(f"{CONFIG_MAPS}?watch=true"):
        assert (await streams(api)) == 1
    await until_async("the watch has ended", lambda: ended(api))
    figures = await scrape(api)
    of_config_maps = 'group="",resource="configmaps",scope="resource",subresource="",verb="{}",version="v1"'
    assert count(figures, "apiserver_request_total", 'code="201"', 'verb="POST"', 'scope="namespace"') == 1
    assert (
        count(figures, "apiserver_request_total", 'code="404"', *of_config_maps.format("GET").split(",")) == 1
    )
    assert count(figures, "apiserver_request_duration_seconds_count", 'verb="WATCH"') == 1
    assert count(figures, "apiserver_current_inflight_requests", 'request_kind="readOnly"') == 1
    assert count(figures, "apiserver_storage_objects", 'resource="flowschemas.flowcontrol') == 13
    assert "nowhere" not in figures
    for name in ("kubernetes_build_info", "etcd_request_duration_seconds", "process_cpu_seconds_total"):
        assert f"# TYPE {name} " in figures


async def ended(api: Api) -> bool:
    return await streams(api) == 0


async def streams(api: Api) -> float:
    return count(await scrape(api), "apiserver_longrunning_requests", 'verb="WATCH"')


async def scrape(api: Api) -> str:
    return (await api("GET", "/metrics")).body.decode()


def count(figures: str, name: str, *labels: str) -> float:
    """The sum of a metric's series that have these labels."""
    lines = (line for line in figures.splitlines() if line.startswith(f"{name}{{"))
    return sum(float(re.split(r"} ", line)[1]) for line in lines if all(each in line for each in labels))
