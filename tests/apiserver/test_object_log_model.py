"""The log against a naive model: whoever lists at any revision and watches on from there with any selector
sees, at the end, what a list with that selector shows, and each change once and as the right thing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.handlers.list_options import ListOptions
from apiserver.storage import object_log
from apiserver.storage.entry import Entry
from apiserver.storage.object_log import Event, ObjectLog, TooOld, seen_as
from apiserver.storage.waiting import scope_of
from kube.api.resources import PODS

NAMES = st.sampled_from(("a", "b", "c"))
NODES = st.sampled_from(("", "n1", "n2"))
APPS = st.sampled_from(("", "web", "db"))
CHANGES = st.lists(st.one_of(st.tuples(NAMES, NODES, APPS), st.tuples(NAMES)), max_size=25)
QUERIES = st.sampled_from(
    (
        {},
        {"labelSelector": "app=web"},
        {"labelSelector": "app"},
        {"fieldSelector": "spec.nodeName=n1"},
        {"fieldSelector": "spec.nodeName!=n1,metadata.name!=b", "labelSelector": "app!=db"},
    )
)
Objects = dict[str, Any]


def pod(name: str, node: str, app: str) -> bytes:
    labels = {"app": app} if app else {}
    metadata = {"name": name, "namespace": "n", "labels": labels}
    return orjson.dumps({"metadata": metadata, "spec": {"nodeName": node} if node else {}})


def apply(log: ObjectLog, change: tuple[str, ...], revision: int) -> None:
    if len(change) == 1:
        log.delete(f"n/{change[0]}", revision)
    else:
        log.put(f"n/{change[0]}", pod(*change), revision)


def listed(log: ObjectLog, match: Callable[[Entry], bool] | None) -> Objects:
    found = log.in_namespace("n")
    return {each.key: each.decode() for each in found if match is None or match(each)}


def follow(log: ObjectLog, known: Objects, event: Event, match: Callable[[Entry], bool] | None) -> None:
    """What an informer does with an event; each must fit what it knows."""
    kind = seen_as(event, match)
    if kind is None:
        return
    o, key = orjson.loads(log.shown(event, kind)), event.entry.key
    assert o["metadata"]["resourceVersion"] == str(event.revision)
    assert (key in known) is (kind != "ADDED"), kind
    if kind == "DELETED":
        before = known.pop(key)
        assert {**o, "metadata": {**o["metadata"], "resourceVersion": ""}} == {
            **before,
            "metadata": {**before["metadata"], "resourceVersion": ""},
        }
    else:
        known[key] = o


@settings(deadline=None)
@given(CHANGES, QUERIES, st.integers(0, 25), st.integers(1, 9))
def test_a_list_and_a_watch_from_it_make_the_list_of_later(
    changes: list[tuple[str, ...]], query: dict[str, str], start: int, batch: int
) -> None:
    match = ListOptions.for_list(PODS, query).matcher()
    log = ObjectLog(PODS)
    for revision, change in enumerate(changes[:start], 1):
        apply(log, change, revision)
    known = listed(log, match)
    cursor = log.cursor(len(changes[:start]))
    for revision, change in enumerate(changes[start:], start + 1):
        apply(log, change, revision)
    while not cursor.is_at_end:
        for event in cursor.take(batch):
            follow(log, known, event, match)
    assert known == listed(log, match)


@settings(deadline=None)
@given(CHANGES, st.integers(1, 6), st.integers(0, 25))
def test_a_cursor_has_all_events_or_is_too_old(
    changes: list[tuple[str, ...]], window: int, start: int
) -> None:
    whole = ObjectLog(PODS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(object_log, "WINDOW_EVENTS", window)
        log = ObjectLog(PODS)
        for revision, change in enumerate(changes, 1):
            apply(log, change, revision)
    for revision, change in enumerate(changes, 1):
        apply(whole, change, revision)
    expected = [event.revision for event in whole.cursor(start).take()]
    try:
        assert [event.revision for event in log.cursor(start).take()] == expected
    except TooOld:
        assert len(expected) > window


SCOPED = (
    {},
    {"fieldSelector": "spec.nodeName=n1"},
    {"fieldSelector": "metadata.name=a"},
    {"labelSelector": "app"},
)


@settings(deadline=None)
@given(CHANGES, st.sampled_from(SCOPED), st.sampled_from(("", "n", "m")), st.sets(st.integers(0, 25)))
def test_who_is_woken_for_his_scope_alone_misses_nothing(
    changes: list[tuple[str, ...]], query: dict[str, str], namespace: str, timers: set[int]
) -> None:
    options = ListOptions.for_list(PODS, query)
    match, log = options.matcher(), ObjectLog(PODS)
    cursor = log.cursor(0, scope_of(PODS, namespace, options.fields))
    known: Objects = {}
    calls: list[int] = []

    def look() -> None:
        for event in cursor.take():
            if event.entry.key.startswith(namespace):
                follow(log, known, event, match)
        cursor.wait(lambda: calls.append(1))

    look()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(object_log, "WINDOW_EVENTS", 1)
        for revision, change in enumerate(changes, 1):
            apply(log, change, revision)
            assert not calls, "nobody is called before the whole revision is there"
            log.wake()
            if calls or revision in timers:
                was_called = calls.copy()
                calls.clear()
                cursor.stop_waiting()
                assert cursor.is_at_end is not bool(was_called)
                look()
    expected = listed(log, match) if namespace != "m" else {}
    assert known == expected
