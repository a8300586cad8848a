"""Identity in headers: what is told is what is read."""

from __future__ import annotations

from kube.api.front_proxy import EXTRA, extra_of, identity_headers


def test_all_that_is_known_of_a_caller_is_told() -> None:
    assert identity_headers("alice", ("a", "b"), "7", {"example.com/Why 50%": ["x", "y"]}) == [
        ("X-Remote-User", "alice"),
        ("X-Remote-Group", "a"),
        ("X-Remote-Group", "b"),
        ("X-Remote-Uid", "7"),
        ("X-Remote-Extra-example.com%2FWhy%2050%25", "x"),
        ("X-Remote-Extra-example.com%2FWhy%2050%25", "y"),
    ]
    assert identity_headers("bob") == [("X-Remote-User", "bob")]


def test_extra_is_read_as_it_was_told_but_for_its_case() -> None:
    told = identity_headers("alice", extra={"example.com/why": ["x", "y"], "scopes": ["view"]})
    assert extra_of(told, [EXTRA]) == {"example.com/why": ["x", "y"], "scopes": ["view"]}
    assert extra_of([("X-Other", "1")], [EXTRA]) == {}
