"""The log of one kind: cursors over it, and what a watcher with a selector sees."""

from __future__ import annotations

import orjson
import pytest

from apiserver.storage import object_log
from apiserver.storage.object_log import ObjectLog, TooOld, seen_as
from kube.api.fields import FieldSelector
from kube.api.resources import CONFIG_MAPS


def value(name: str, **labels: str) -> bytes:
    return orjson.dumps({"metadata": {"name": name, "namespace": "n", "labels": labels}})


def test_a_cursor_begins_after_its_revision_and_takes_each_event_once() -> None:
    log = ObjectLog(CONFIG_MAPS, start_revision=4)
    for revision in (5, 6, 9):
        log.put("n/a", value("a"), revision)
    cursor = log.cursor(5)
    assert [event.revision for event in cursor.take()] == [6, 9]
    assert cursor.take() == []
    log.delete("n/a", 10)
    assert [(event.revision, event.deleted) for event in cursor.take()] == [(10, True)]


def test_a_cursor_from_before_the_log_is_too_old() -> None:
    log = ObjectLog(CONFIG_MAPS, start_revision=4)
    with pytest.raises(TooOld, match=r"too old resource version: 3 \(4\)"):
        log.cursor(3)


def test_a_cursor_overtaken_by_the_window_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_log, "WINDOW_EVENTS", 3)
    log = ObjectLog(CONFIG_MAPS)
    slow = log.cursor(0)
    for revision in range(1, 6):
        log.put("n/a", value("a"), revision)
    with pytest.raises(TooOld):
        slow.take()
    with pytest.raises(TooOld):
        log.cursor(1)
    assert [event.revision for event in log.cursor(2).take()] == [3, 4, 5]


def test_a_deleted_object_carries_the_revision_of_its_deletion() -> None:
    log = ObjectLog(CONFIG_MAPS)
    log.put("n/a", value("a"), 7)
    log.delete("n/a", 9)
    last = log.cursor(7).take()[0].entry
    assert orjson.loads(last.data)["metadata"]["resourceVersion"] == "9"
    assert not log.objects


def test_selector_transitions() -> None:
    log = ObjectLog(CONFIG_MAPS)
    for revision, label in ((1, "no"), (2, "yes"), (3, "yes"), (4, "no"), (5, "yes")):
        log.put("n/a", value("a", app=label), revision)
    log.delete("n/a", 6)
    events = log.cursor(0).take()
    seen = [seen_as(event, lambda entry: entry.labels.get("app") == "yes") for event in events]
    assert seen == [None, "ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED"]
    left = orjson.loads(log.shown(events[3], "DELETED"))["metadata"]
    assert (left["labels"], left["resourceVersion"]) == ({"app": "yes"}, "4")


def test_a_namespace_is_a_part_of_the_keys() -> None:
    log = ObjectLog(CONFIG_MAPS)
    for revision, key in enumerate(("b/x", "a/y", "a/x", "a-b/x", "ab/x"), 1):
        log.put(key, value(key.partition("/")[2]), revision)
    assert [entry.key for entry in log.in_namespace("a")] == ["a/x", "a/y"]
    assert [entry.key for entry in log.in_namespace("")] == ["a-b/x", "a/x", "a/y", "ab/x", "b/x"]


def test_the_window_ends_at_so_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_log, "WINDOW_BYTES", 1000)
    log = ObjectLog(CONFIG_MAPS)
    slow = log.cursor(0)
    for revision in range(1, 8):
        log.put("n/a", value("a", padding="x" * 200), revision)
        assert log.size_bytes == sum(len(event.entry.data) for event in log.events) <= 1000
    assert [event.revision for event in log.cursor(log.start_revision).take()] == [5, 6, 7]
    with pytest.raises(TooOld, match=r"too old resource version: 0 \(4\)"):
        slow.take()
    assert log.counts.overtaken == 1


def test_a_cursor_takes_as_much_as_it_is_told() -> None:
    log = ObjectLog(CONFIG_MAPS)
    cursor = log.cursor(0)
    for revision in range(1, 6):
        log.put("n/a", value("a"), revision)
    assert [event.revision for event in cursor.take(2)] == [1, 2]
    assert (cursor.revision, cursor.is_at_end) == (2, False)
    assert [event.revision for event in cursor.take(9)] == [3, 4, 5]
    assert (cursor.revision, cursor.is_at_end) == (5, True)


def test_a_log_that_is_retired_ends_its_cursors() -> None:
    log = ObjectLog(CONFIG_MAPS)
    cursor, woken = log.cursor(0), []
    cursor.wait(lambda: woken.append(True))
    log.retire()
    with pytest.raises(TooOld):
        cursor.take()
    assert (woken, log.counts.overtaken) == ([True], 0)


def test_what_has_not_changed_since_a_revision_is_known() -> None:
    log = ObjectLog(CONFIG_MAPS, start_revision=4)
    assert (log.has_changed_since(3), log.has_changed_since(4)) == (True, False)
    log.put("n/a", value("a"), 6)
    assert (log.has_changed_since(5), log.has_changed_since(6)) == (True, False)


def test_a_list_may_begin_within_a_namespace() -> None:
    log = ObjectLog(CONFIG_MAPS)
    for revision, key in enumerate(("a/x", "a/y", "b/x"), 1):
        log.put(key, value(key.partition("/")[2]), revision)
    assert [entry.key for entry in log.in_namespace("a", "x\0")] == ["a/y"]
    assert [entry.key for entry in log.in_namespace("", "a/x\0")] == ["a/y", "b/x"]


def test_a_selector_that_names_an_object_looks_at_no_other() -> None:
    log = ObjectLog(CONFIG_MAPS)
    for revision, key in enumerate(("a/x", "a/y", "b/x"), 1):
        log.put(key, value(key.partition("/")[2]), revision)

    def found(namespace: str, selector: str, start: str = "") -> list[str]:
        return [entry.key for entry in log.within(namespace, FieldSelector.parse(selector), start)]

    assert found("a", "metadata.name=y") == ["a/y"]
    assert found("a", "metadata.name=z") == []
    assert found("a", "metadata.name=x", "x\0") == []
    assert found("a", "metadata.name!=x") == ["a/x", "a/y"]
    assert found("", "metadata.name=x") == ["a/x", "a/y", "b/x"], "of every namespace"
