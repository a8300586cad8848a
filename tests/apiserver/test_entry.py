"""Entries: the store's bytes with a revision in them, whoever wrote them."""

from __future__ import annotations

import sys
from typing import Any

import orjson
import pytest

from apiserver.storage.entry import EntryMaker
from kube.api.resources import CONFIG_MAPS, PODS

OURS: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "a", "namespace": "n", "labels": {"x": "y"}},
    "data": {"text": '"metadata":{"resourceVersion":"1",'},
}
# Values of other writers: in another order, with blanks, with a revision or without anything in the metadata.
OTHERS = (
    orjson.dumps(dict(reversed(list(OURS.items())))),
    orjson.dumps(OURS, option=orjson.OPT_INDENT_2),
    orjson.dumps(OURS | {"metadata": {"resourceVersion": "3", "name": "a"}}),
    orjson.dumps(OURS | {"metadata": {}}),
)


@pytest.mark.parametrize("value", [orjson.dumps(OURS), *OTHERS])
def test_an_entry_is_the_value_with_its_revision(value: bytes) -> None:
    maker = EntryMaker(CONFIG_MAPS)
    entry = maker.make("n/a", value, 7)
    expected = orjson.loads(value)
    expected["metadata"]["resourceVersion"] = "7"
    assert entry.decode() == expected
    assert entry.data.count(b'"resourceVersion"') == 1
    expected["metadata"]["resourceVersion"] = "12"
    last = maker.at(entry, 12)
    assert (last.revision, last.decode()) == (12, expected)
    assert maker.at(last, 7).decode() == entry.decode()


def test_an_entry_takes_little_more_room_than_its_bytes() -> None:
    value = orjson.dumps(OURS | {"data": {"k": "x" * 5000}})
    entry = EntryMaker(CONFIG_MAPS).make("n/a", value, 7)
    assert sys.getsizeof(entry.data) < len(value) + 100


def test_what_entries_have_in_common_is_kept_once() -> None:
    maker = EntryMaker(PODS)
    one, two = (
        maker.make(
            f"n/{name}", orjson.dumps({"metadata": {"name": name}, "spec": {"nodeName": "node-12"}}), 7
        )
        for name in ("a", "b")
    )
    assert one.fields["spec.nodeName"] is two.fields["spec.nodeName"]
