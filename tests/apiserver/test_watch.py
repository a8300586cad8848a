"""Watches and lists over HTTP: what an informer relies on."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import aiohttp
import orjson
import pytest

from apiserver.handlers.list_options import ListOptions
from apiserver.handlers.watch import life_seconds, watch
from apiserver.request import ApiRequest, RequestInfo
from apiserver.storage import object_log, watch_cache
from kube.api.resources import CONFIG_MAPS
from tests.support.api_server import Api
from tests.support.wait import until_async

MAPS = "/api/v1/namespaces/default/configmaps"
MERGE = "application/merge-patch+json"


async def put(api: Api, name: str, **labels: str) -> Any:
    path = f"{MAPS}/{name}"
    if (await api("GET", path)).code == 404:
        return await api.ok("POST", MAPS, {"metadata": {"name": name, "labels": labels}})
    return await api.ok("PATCH", path, {"metadata": {"labels": labels}}, MERGE)


def brief(event: Any) -> tuple[str, str]:
    return event["type"], event["object"]["metadata"]["name"]


def version(o: Any) -> str:
    return str(o["metadata"]["resourceVersion"])


async def test_a_watch_without_version_begins_with_what_is_there(api: Api) -> None:
    await put(api, "a")
    async with api.watch(f"{MAPS}?watch=true") as events:
        assert brief(await anext(events)) == ("ADDED", "a")
        changed = await put(api, "a", x="1")
        event = await anext(events)
        assert (brief(event), version(event["object"])) == (("MODIFIED", "a"), version(changed))
        await api.ok("DELETE", f"{MAPS}/a")
        gone = await anext(events)
        assert brief(gone) == ("DELETED", "a")
        assert int(version(gone["object"])) > int(version(changed))


async def test_a_watch_from_a_version_sees_only_what_came_after(api: Api) -> None:
    await put(api, "a")
    listed = await api.ok("GET", MAPS)
    await put(api, "b")
    async with api.watch(f"{MAPS}?watch=true&resourceVersion={version(listed)}") as events:
        assert brief(await anext(events)) == ("ADDED", "b")


async def test_an_object_that_leaves_the_selector_is_deleted_for_the_watcher(api: Api) -> None:
    before = await put(api, "a", app="x")
    async with api.watch(f"{MAPS}?watch=1&labelSelector=app%3Dx&resourceVersion={version(before)}") as events:
        left = await put(api, "a", app="y")
        event = await anext(events)
        assert brief(event) == ("DELETED", "a")
        assert event["object"]["metadata"]["labels"] == {"app": "x"}
        assert version(event["object"]) == version(left)
        await put(api, "a", app="x")
        assert brief(await anext(events)) == ("ADDED", "a")


async def test_a_field_selector_names_one_object(api: Api) -> None:
    await put(api, "a")
    await put(api, "b")
    query = "watch=1&resourceVersion=0&fieldSelector=metadata.name%3Db"
    async with api.watch(f"{MAPS}?{query}") as events:
        assert brief(await anext(events)) == ("ADDED", "b")


async def test_send_initial_events_ends_with_a_bookmark(api: Api) -> None:
    await put(api, "a")
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    async with api.watch(f"{MAPS}?{query}") as events:
        assert brief(await anext(events)) == ("ADDED", "a")
        end = await anext(events)
        assert end["type"] == "BOOKMARK"
        assert end["object"]["kind"] == "ConfigMap"
        annotations = end["object"]["metadata"]["annotations"]
        assert annotations["k8s.io/initial-events-end"] == "true"
        blueprint = orjson.loads(base64.b64decode(annotations["kubernetes.io/initial-events-list-blueprint"]))
        assert (blueprint["kind"], blueprint["items"]) == ("ConfigMapList", [])
        await put(api, "b")
        assert brief(await anext(events)) == ("ADDED", "b")
    refused = await api("GET", f"{MAPS}?watch=1&sendInitialEvents=true")
    assert refused.code == 422


async def test_a_watch_ends_at_its_timeout_with_a_bookmark(api: Api) -> None:
    listed = await api.ok("GET", MAPS)
    query = f"watch=1&timeoutSeconds=1&allowWatchBookmarks=true&resourceVersion={version(listed)}"
    async with api.watch(f"{MAPS}?{query}") as events:
        assert [event["type"] async for event in events] == ["BOOKMARK"]


async def test_a_watch_from_before_the_history_is_told_to_list_again(api: Api) -> None:
    log = api.server.cache.log(CONFIG_MAPS)
    log.start_revision = api.server.cache.revision
    async with api.watch(f"{MAPS}?watch=1&resourceVersion=1") as events:
        seen = [event async for event in events]
    assert [(each["type"], each["object"]["code"], each["object"]["reason"]) for each in seen] == [
        ("ERROR", 410, "Expired")
    ]


async def test_watches_end_when_the_server_stops(api: Api) -> None:
    async with api.watch(f"{MAPS}?watch=1") as events:
        api.server.stopping.set()
        assert [event async for event in events] == []


async def test_metadata_alone_and_tables_are_watched_too(api: Api) -> None:
    await put(api, "a")
    partial = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    async with api.watch(f"{MAPS}?watch=1", Accept=partial) as events:
        assert (await anext(events))["object"]["kind"] == "PartialObjectMetadata"
    async with api.watch(f"{MAPS}?watch=1", Accept="application/json;as=Table;v=v1;g=meta.k8s.io") as events:
        table = (await anext(events))["object"]
        assert (table["kind"], table["rows"][0]["cells"][0]) == ("Table", "a")


async def test_pages_are_of_one_revision(api: Api) -> None:
    for name in "abcde":
        await put(api, name)
    first = await api.ok("GET", f"{MAPS}?limit=2")
    assert [each["metadata"]["name"] for each in first["items"]] == ["a", "b"]
    assert first["metadata"]["remainingItemCount"] == 3
    await put(api, "bb")
    token = first["metadata"]["continue"]
    second = await api.ok("GET", f"{MAPS}?limit=2&continue={token}")
    assert [each["metadata"]["name"] for each in second["items"]] == ["c", "d"]
    assert version(second) == version(first)
    last = await api.ok("GET", f"{MAPS}?limit=2&continue={second['metadata']['continue']}")
    assert [each["metadata"]["name"] for each in last["items"]] == ["e"]
    assert "continue" not in last["metadata"]


async def test_a_page_whose_revision_is_gone_can_be_gone_on_with(api: Api) -> None:
    for name in "abc":
        await put(api, name)
    first = await api.ok("GET", f"{MAPS}?limit=1")
    await put(api, "d")
    await api.server.storage.compact(await api.server.storage.current_revision())
    expired = await api("GET", f"{MAPS}?limit=1&continue={first['metadata']['continue']}")
    assert (expired.code, expired.json["reason"]) == (410, "Expired")
    onward = await api.ok("GET", f"{MAPS}?continue={expired.json['metadata']['continue']}")
    assert [each["metadata"]["name"] for each in onward["items"]] == ["b", "c", "d"]


async def test_lists_leave_out_what_every_item_would_repeat(api: Api) -> None:
    made = await put(api, "a")
    listed = await api.ok("GET", MAPS)
    assert listed["items"] == [{key: made[key] for key in made if key not in ("kind", "apiVersion")}]
    assert int(version(listed)) >= int(version(made))


async def test_the_old_way_to_watch_one_object(api: Api) -> None:
    await put(api, "a")
    await put(api, "b")
    for path in ("namespaces/default/configmaps/b", "namespaces/default/configmaps/b?watch=false"):
        async with api.watch(f"/api/v1/watch/{path}") as events:
            assert brief(await anext(events)) == ("ADDED", "b")
            await put(api, "a", x=path[-1])
            changed = await put(api, "b", x=path[-1])
            event = await anext(events)
            assert (brief(event), version(event["object"])) == (("MODIFIED", "b"), version(changed))
    async with api.watch("/api/v1/watch/namespaces/default?timeoutSeconds=1") as events:
        assert [brief(each) async for each in events] == [("ADDED", "default")]
    async with api.watch("/api/v1/watch/configmaps") as events:
        seen = [brief(await anext(events))[1] for _ in range(len(api.server.cache.log(CONFIG_MAPS).objects))]
        assert {"a", "b"} <= set(seen)


async def test_a_watch_may_begin_now(api: Api) -> None:
    await put(api, "a")
    query = "watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan"
    for version_asked in ("", "&resourceVersion=0"):
        async with api.watch(f"{MAPS}?{query}{version_asked}") as events:
            made = await put(api, f"b{len(version_asked)}")
            assert brief(await anext(events)) == ("ADDED", made["metadata"]["name"])


@pytest.mark.parametrize("query", ["", "resourceVersion=0&"])
async def test_without_a_version_a_bookmark_says_when_that_was_all(api: Api, query: str) -> None:
    await put(api, "a")
    table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    async with api.watch(f"{MAPS}?{query}watch=1&allowWatchBookmarks=1", Accept=table) as events:
        assert (await anext(events))["object"]["kind"] == "ConfigMap", "a list in a stream is no Table"
        end = (await anext(events))["object"]["metadata"]
        assert end["annotations"]["k8s.io/initial-events-end"] == "true"


async def test_a_watch_of_the_future_waits_as_long_as_its_time(api: Api) -> None:
    later = api.server.cache.revision + 2
    async with api.watch(f"{MAPS}?watch=1&resourceVersion={later}") as events:
        for name in "abc":
            await put(api, name)
        assert brief(await anext(events)) == ("ADDED", "c")
    async with api.watch(f"{MAPS}?watch=1&resourceVersion=999999&timeoutSeconds=1") as events:
        assert [event async for event in events] == []
    assert not api.server.cache._waiting, "nobody waits any more, and nothing is kept of who did"


async def test_all_there_is_in_the_future_is_not_waited_for(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_cache, "FUTURE_SECONDS", 0.05)
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=999999"
    async with api.watch(f"{MAPS}?{query}") as events:
        seen = [event async for event in events]
    assert [(each["type"], each["object"]["code"]) for each in seen] == [("ERROR", 504)]


async def test_only_the_first_table_of_a_watch_has_columns(api: Api) -> None:
    listed = await api.ok("GET", MAPS)
    old = "application/json;as=Table;v=v1beta1;g=meta.k8s.io"
    url = f"{MAPS}?watch=1&resourceVersion={version(listed)}&includeObject=Object"
    async with api.watch(url, Accept=old) as events, api.watch(url, Accept=old) as others:
        made = await put(api, "a")
        changed = await put(api, "a", x="1")
        for watcher in (events, others):
            first, second = await anext(watcher), await anext(watcher)
            table = first["object"]
            assert (first["type"], table["apiVersion"]) == ("ADDED", "meta.k8s.io/v1beta1")
            assert table["metadata"] == {"resourceVersion": version(made)}
            assert table["columnDefinitions"][0]["name"] == "Name"
            assert table["rows"][0]["object"] == made
            assert (second["type"], second["object"]["columnDefinitions"]) == ("MODIFIED", None)
            assert second["object"]["rows"][0]["object"] == changed


async def test_bookmarks_of_tables_are_tables(api: Api) -> None:
    listed = await api.ok("GET", MAPS)
    url = f"{MAPS}?watch=1&resourceVersion={version(listed)}&allowWatchBookmarks=1&timeoutSeconds=1"
    async with api.watch(url, Accept="application/json;as=Table;v=v1;g=meta.k8s.io") as events:
        end = await anext(events)
    assert (end["type"], end["object"]["kind"]) == ("BOOKMARK", "Table")
    assert int(end["object"]["metadata"]["resourceVersion"]) >= int(version(listed))


async def test_a_pod_comes_and_goes_by_its_fields(api: Api) -> None:
    path = "/api/v1/namespaces/default/pods"
    container = {"name": "c", "image": "i"}
    made = await api.ok("POST", path, {"metadata": {"name": "p"}, "spec": {"containers": [container]}})
    query = f"resourceVersion={version(made)}&fieldSelector=spec.nodeName%3Dn1,status.phase!%3DFailed"
    async with api.watch(f"{path}?watch=1&{query}") as events:
        target = {"target": {"kind": "Node", "name": "n1"}, "metadata": {"name": "p"}}
        await api.ok("POST", f"{path}/p/binding", target)
        came = await anext(events)
        assert (brief(came), came["object"]["spec"]["nodeName"]) == (("ADDED", "p"), "n1")
        failed = await api.ok("PATCH", f"{path}/p/status", {"status": {"phase": "Failed"}}, MERGE)
        went = await anext(events)
        assert (brief(went), version(went["object"])) == (("DELETED", "p"), version(failed))
        assert went["object"]["status"]["phase"] == "Pending"
    events_path = "/apis/events.k8s.io/v1/namespaces/default/events"
    refused = await api("GET", f"{events_path}?fieldSelector=involvedObject.name%3Dp")
    assert refused.code == 400


async def test_a_watcher_that_does_not_keep_up_is_told_to_list_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_log, "WINDOW_EVENTS", 3)
    sent: list[bytes] = []
    taken = asyncio.Event()

    async def send(message: Any) -> None:
        if message.get("body"):
            sent.append(message["body"])
            await taken.wait()

    request = ApiRequest({"type": "http", "path": MAPS, "query_string": b"watch=1", "headers": []})
    request.info, request.resource = RequestInfo(MAPS, "watch", namespace="default"), CONFIG_MAPS
    await put(api, "a")
    stream = await watch(api.server, request)
    watching = asyncio.create_task(stream(request.scope, asyncio.Event().wait, send))  # type: ignore[arg-type]
    await until_async("the first event is sent", lambda: len(sent) == 1)
    for at in range(5):
        changed = await put(api, "a", x=str(at))
    await api.server.cache.at_least(int(version(changed)))
    taken.set()
    await watching
    end = orjson.loads(sent[-1])
    assert (end["type"], end["object"]["reason"], len(sent)) == ("ERROR", "Expired", 2)
    assert api.server.cache.log(CONFIG_MAPS).counts.overtaken == 1


async def test_an_event_is_written_once_for_all_who_watch(api: Api) -> None:
    url = f"{MAPS}?watch=1&resourceVersion={api.server.cache.revision}"
    written = 0
    inner = api.server.cache.frames.get

    def get(key: Any, write: Any) -> bytes:
        def counted() -> bytes:
            nonlocal written
            written += 1
            return bytes(write())

        return inner(key, counted)

    api.server.cache.frames.get = get  # type: ignore[method-assign]
    async with api.watch(url) as one, api.watch(url) as two, api.watch(url) as three:
        await put(api, "a")
        assert [brief(await anext(each)) for each in (one, two, three)] == [("ADDED", "a")] * 3
    assert written == 1


async def test_a_browser_watches_over_a_websocket(api: Api) -> None:
    await put(api, "a")
    async with api.session.ws_connect(f"{api.base}{MAPS}?watch=1&timeoutSeconds=1") as socket:
        assert brief(await socket.receive_json()) == ("ADDED", "a")
        await put(api, "b")
        assert brief(await socket.receive_json()) == ("ADDED", "b")
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
    async with api.session.ws_connect(f"{api.base}{MAPS}?watch=1") as socket:
        await socket.receive_json()
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await api.session.ws_connect(f"{api.base}{MAPS}?watch=1&limit=x")


def test_watches_that_ask_for_no_time_end_at_different_times() -> None:
    options = ListOptions.for_watch(CONFIG_MAPS, {})
    times = [life_seconds(options, lambda uid=uid: uid) for uid in ("00000000-", "80000000-", "ffffffff-")]
    assert times[:2] == [1800.0, 2700.0]
    assert times[1] < times[2] < 3600
