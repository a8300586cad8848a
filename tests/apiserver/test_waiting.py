"""Who is woken by which event."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from apiserver.storage.entry import Entry
from apiserver.storage.waiting import Waiting, scope_of
from kube.api.fields import FieldSelector
from kube.api.resources import NODES, PODS


@dataclass(eq=False)
class Place:
    position: int = 0


@pytest.mark.parametrize(
    ("namespace", "selector", "scope"),
    [
        ("", "", ""),
        ("n", "", "in n"),
        ("n", "metadata.name=a", "at n/a"),
        ("", "metadata.name=a", ""),
        ("", "spec.nodeName=n1", "spec.nodeName n1"),
        ("n", "spec.nodeName=n1,status.phase!=Failed", "spec.nodeName n1"),
        ("n", "spec.nodeName!=n1", "in n"),
        ("", "spec.nodeName=", ""),
    ],
)
def test_the_scope_of_a_watch(namespace: str, selector: str, scope: str) -> None:
    assert scope_of(PODS, namespace, FieldSelector.parse(selector)) == scope


def test_a_kind_without_namespaces_has_names_alone() -> None:
    assert scope_of(NODES, "", FieldSelector.parse("metadata.name=n1")) == "at n1"
    assert scope_of(NODES, "", FieldSelector.parse("spec.unschedulable=true")) == ""


def pod(name: str, node: str) -> Entry:
    return Entry(name, 1, b"{}", {}, {"spec.nodeName": node})


def test_an_event_wakes_those_alone_whom_it_concerns() -> None:
    waiting = Waiting(PODS)
    woken: list[str] = []
    scopes = ("", "in n", "in m", "at n/a", "at n/b", "spec.nodeName x", "spec.nodeName y", "spec.nodeName z")
    places = {scope: Place() for scope in scopes}
    for scope, place in places.items():
        waiting.add(scope, place, lambda scope=scope: woken.append(scope))
    waiting.choose(pod("n/a", "x"), pod("n/a", "y"), 7)
    waiting.choose(pod("n/b", "x"), None, 8)
    assert woken == []
    waiting.wake()
    assert woken == ["", "at n/a", "in n", "spec.nodeName x", "spec.nodeName y", "at n/b"]
    assert [place.position for place in places.values()] == [7, 7, 0, 7, 8, 7, 7, 0]
    assert waiting.remove("in m", places["in m"])
    assert not waiting.remove("in n", places["in n"]), "it was woken"
    waiting.wake_all()
    assert woken[6:] == ["spec.nodeName z"]
