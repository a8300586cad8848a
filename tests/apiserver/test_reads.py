"""Reads over HTTP: at which revision, in which form, and what is said to who asks for what cannot be."""

from __future__ import annotations

import gzip
import random
from typing import Any

import pytest
import yaml

from apiserver.filters import compression
from apiserver.storage import watch_cache
from kube.api.resources import CONFIG_MAPS
from tests.support.api_server import Answer, Api, serving

MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
OLD_TABLE = "application/json;as=Table;v=v1beta1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


async def make(api: Api, name: str, data: str = "") -> str:
    """A ConfigMap; answers with its revision."""
    made = await api.ok("POST", MAPS, {"metadata": {"name": name}, "data": {"k": data}})
    return str(made["metadata"]["resourceVersion"])


def names(answer: Any) -> list[str]:
    return [each["metadata"]["name"] for each in answer["items"]]


def refusal(answer: Answer) -> tuple[int, str, str]:
    return answer.code, answer.json.get("reason", ""), answer.json["message"]


async def compact(api: Api) -> None:
    await api.server.storage.compact(await api.server.storage.current_revision())


async def test_a_list_at_a_past_revision_shows_what_was_there_then(api: Api) -> None:
    first = await make(api, "a")
    for name in "bcd":
        await make(api, name)
    await api.ok("DELETE", f"{MAPS}/a")
    exact = f"{MAPS}?resourceVersion={first}&resourceVersionMatch=Exact"
    listed = await api.ok("GET", exact)
    assert (names(listed), listed["metadata"]) == (["a"], {"resourceVersion": first})
    newer = await api.ok("GET", f"{MAPS}?resourceVersion={first}&resourceVersionMatch=NotOlderThan&limit=1")
    assert names(newer) == ["b"]
    assert int(newer["metadata"]["resourceVersion"]) > int(first)
    assert names(await api.ok("GET", f"{MAPS}?resourceVersion={first}&limit=1")) == ["a"]
    assert names(await api.ok("GET", f"{MAPS}?resourceVersion=0&limit=1")) == ["b", "c", "d"]
    await compact(api)
    assert refusal(await api("GET", exact)) == (
        410,
        "Expired",
        "The resourceVersion for the provided list is too old.",
    )


async def test_pages_stay_what_they_were_while_the_kind_changes(api: Api) -> None:
    for name in ("a", "b", "c"):
        await make(api, name)
    first = await api.ok("GET", f"{MAPS}?limit=1")
    token, revision = first["metadata"]["continue"], first["metadata"]["resourceVersion"]
    quiet = await api.ok("GET", f"{MAPS}?limit=1&continue={token}")
    await make(api, "aa")
    await api.ok("DELETE", f"{MAPS}/b")
    changed = await api.ok("GET", f"{MAPS}?limit=1&continue={token}")
    assert quiet == changed, "the same page, once from memory and once from the store"
    assert (names(changed), changed["metadata"]["resourceVersion"]) == (["b"], revision)
    assert changed["metadata"]["remainingItemCount"] == 1


async def test_a_list_that_was_cut_off_goes_on_with_what_there_is(api: Api) -> None:
    for name in ("a", "b", "c", "d"):
        await make(api, name)
    first = await api.ok("GET", f"{MAPS}?limit=1&labelSelector=!x")
    assert "remainingItemCount" not in first["metadata"]
    await make(api, "bb")
    await compact(api)
    expired = await api("GET", f"{MAPS}?limit=2&continue={first['metadata']['continue']}")
    assert (expired.code, expired.json["reason"]) == (410, "Expired")
    onward = await api.ok("GET", f"{MAPS}?limit=2&continue={expired.json['metadata']['continue']}")
    assert (names(onward), onward["metadata"]["remainingItemCount"]) == (["b", "bb"], 2)
    last = await api.ok("GET", f"{MAPS}?limit=2&continue={onward['metadata']['continue']}")
    assert names(last) == ["c", "d"]


@pytest.mark.parametrize("query", ["", "resourceVersionMatch=Exact&", "limit=1&"])
async def test_a_revision_of_the_future_is_waited_for_a_little(
    api: Api, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    monkeypatch.setattr(watch_cache, "FUTURE_SECONDS", 0.05)
    await make(api, "a")
    current = api.server.cache.revision
    for path in (MAPS, f"{MAPS}/a") if not query else (MAPS,):
        answer = await api("GET", f"{path}?{query}resourceVersion=999999")
        text = f"Timeout: Too large resource version: 999999, current: {current}"
        assert refusal(answer) == (504, "Timeout", text)
        assert answer.headers["Retry-After"] == "1"
        causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
        assert answer.json["details"] == {"causes": causes, "retryAfterSeconds": 1}


async def test_a_get_may_ask_for_any_version_but_no_word(api: Api) -> None:
    version = await make(api, "a")
    for query in ("", "?resourceVersion=0", f"?resourceVersion={version}", "?watch=1"):
        assert (await api.ok("GET", f"{MAPS}/a{query}"))["metadata"]["resourceVersion"] == version
    answer = await api("GET", f"{MAPS}/a?resourceVersion=x")
    assert (answer.code, "reason" in answer.json) == (500, False)


async def test_tables_hold_as_much_of_an_object_as_asked_for(api: Api) -> None:
    version = await make(api, "a")
    shown = {}
    for include in ("", "Metadata", "None", "Object"):
        table = await api.ok("GET", f"{MAPS}?includeObject={include}", Accept=TABLE)
        shown[include] = table["rows"][0]["object"]
    assert shown[""] == shown["Metadata"]
    assert (shown[""]["kind"], shown[""]["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1")
    assert shown["None"] is None
    assert (shown["Object"]["kind"], shown["Object"]["data"]) == ("ConfigMap", {"k": ""})
    old = await api.ok("GET", f"{MAPS}/a", Accept=OLD_TABLE)
    assert (old["apiVersion"], old["metadata"]) == ("meta.k8s.io/v1beta1", {"resourceVersion": version})
    assert old["rows"][0]["object"]["apiVersion"] == "meta.k8s.io/v1beta1"
    assert refusal(await api("GET", f"{MAPS}?includeObject=All", Accept=TABLE)) == (
        400,
        "BadRequest",
        'Unable to convert to Table as requested: includeObject: Invalid value: "All": '
        "must be 'Metadata', 'Object', 'None', or empty",
    )


async def test_metadata_alone(api: Api) -> None:
    await make(api, "a")
    one = await api.ok("GET", f"{MAPS}/a", Accept=PARTIAL)
    assert list(one) == ["kind", "apiVersion", "metadata"]
    listed = await api.ok("GET", f"{MAPS}?limit=1", Accept=PARTIAL_LIST)
    assert (listed["kind"], listed["items"][0]["kind"]) == (
        "PartialObjectMetadataList",
        "PartialObjectMetadata",
    )
    assert (await api("GET", MAPS, Accept=PARTIAL)).code == 406


async def test_yaml_is_written_for_who_asks(api: Api) -> None:
    await make(api, "a")
    answer = await api("GET", MAPS, Accept="application/yaml")
    assert answer.headers["Content-Type"].startswith("application/yaml")
    assert names(yaml.safe_load(answer.body)) == ["a"]
    missing = await api("GET", f"{MAPS}/b", Accept="application/yaml")
    assert yaml.safe_load(missing.body)["reason"] == "NotFound"
    watch = await api("GET", f"{MAPS}?watch=1", Accept="application/yaml")
    assert (watch.code, yaml.safe_load(watch.body)["reason"]) == (406, "NotAcceptable")


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PUT"])
async def test_other_methods_are_not_allowed(api: Api, method: str) -> None:
    answer = await api(method, MAPS)
    assert answer.code == 405
    if method != "HEAD":
        assert refusal(answer)[1:] == (
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )


async def test_large_answers_are_compressed(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "GZIP_BYTES_MIN", 2000)
    await make(api, "a", "x" * 3000)
    async with api.session.get(
        api.base + MAPS, headers={"Accept-Encoding": "gzip"}, auto_decompress=False
    ) as answer:
        packed = await answer.read()
        assert (answer.headers["Content-Encoding"], answer.headers["Vary"]) == ("gzip", "Accept-Encoding")
    plain = await api("GET", MAPS, Accept_Encoding="identity")
    assert gzip.decompress(packed) == plain.body
    assert "Content-Encoding" not in plain.headers
    small = await api("GET", f"{MAPS}?fieldSelector=metadata.name%3Db", Accept_Encoding="gzip")
    assert "Content-Encoding" not in small.headers


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_an_answer_in_pieces_is_whole(api: Api, encoding: str) -> None:
    data = random.Random(1).randbytes(300_000).hex()
    await make(api, "a", data)
    for path in (f"{MAPS}/a", MAPS):
        answer = await api("GET", path, Accept_Encoding=encoding)
        found = answer.json if path != MAPS else answer.json["items"][0]
        assert found["data"] == {"k": data}


async def test_the_cache_is_seen_in_the_metrics(api: Api) -> None:
    await make(api, "a")
    text = (await api("GET", "/metrics")).body.decode()
    labels = f'{{group="",resource="{CONFIG_MAPS.plural}"}}'
    log = api.server.cache.log(CONFIG_MAPS)
    for name, value in (
        ("apiserver_watch_cache_events_received_total", log.counts.received),
        ("apiserver_watch_cache_resource_version", api.server.cache.revision),
        ("apiserver_resource_objects", len(log.objects)),
        ("apiserver_terminated_watchers_total", 0),
    ):
        assert f"{name}{labels} {float(value)}" in text


async def test_a_watch_goes_on_over_a_restart(api: Api) -> None:
    before = await make(api, "a")
    await make(api, "b")
    await api.ok("DELETE", f"{MAPS}/a")
    async with serving(api.server.storage) as restarted:
        url = f"{MAPS}?watch=1&resourceVersion={before}"
        async with restarted.watch(url) as events:
            seen = [await anext(events) for _ in range(2)]
        assert [(each["type"], each["object"]["metadata"]["name"]) for each in seen] == [
            ("ADDED", "b"),
            ("DELETED", "a"),
        ]
        listed = await restarted.ok("GET", f"{MAPS}?resourceVersion=0")
        assert names(listed) == ["b"], "nobody reads before the cache has caught up"
        assert int(listed["metadata"]["resourceVersion"]) >= int(
            seen[-1]["object"]["metadata"]["resourceVersion"]
        )


async def test_a_start_on_a_compacted_store_has_what_history_there_is(api: Api) -> None:
    gone = await make(api, "a")
    await make(api, "b")
    await compact(api)
    for name in "cdef":
        before = await make(api, name)
    async with serving(api.server.storage) as restarted:
        assert names(await restarted.ok("GET", MAPS)) == list("abcdef")
        async with restarted.watch(f"{MAPS}?watch=1&resourceVersion={gone}") as events:
            assert (await anext(events))["object"]["reason"] == "Expired"
        async with restarted.watch(f"{MAPS}?watch=1&resourceVersion={int(before) - 1}") as events:
            assert (await anext(events))["object"]["metadata"]["name"] == "f"


async def test_a_start_right_after_a_compaction_has_no_history(api: Api) -> None:
    before = await make(api, "a")
    await make(api, "b")
    await compact(api)
    async with serving(api.server.storage) as restarted:
        assert names(await restarted.ok("GET", MAPS)) == ["a", "b"]
        async with restarted.watch(f"{MAPS}?watch=1&resourceVersion={before}") as events:
            assert (await anext(events))["object"]["reason"] == "Expired"
