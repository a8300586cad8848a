"""Watches and lists over HTTP: what an informer relies on."""

from __future__ import annotations

import base64
from typing import Any

import orjson

from kube.api.resources import CONFIG_MAPS
from tests.support.api_server import Api

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
