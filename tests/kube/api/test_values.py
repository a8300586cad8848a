"""Resources, metadata, errors, conditions and random names; and laws that hold for any input."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from kube.api import conditions, errors, hashing, meta, quantity, resources
from kube.api.errors import FieldError, StatusError
from kube.api.fields import FieldSelector, Term
from kube.api.gvk import GroupVersionKind, GroupVersionResource
from kube.api.labels import Requirement, Selector
from kube.api.patch import json_merge, strategic
from kube.api.resources import DEPLOYMENTS, HORIZONTAL_POD_AUTOSCALERS, NAMESPACES, PODS, SERVICES
from kube.api.schema import Schemas, Type

NOW = datetime(2030, 1, 1, 12, 30, 5, 123456, tzinfo=UTC)
# The machine's speed is no part of what is tested.
laws = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
TEXT = some.text("ab,=!\\ .", max_size=6)
JSON = some.recursive(
    some.booleans() | some.integers() | some.text("xy", max_size=3),
    lambda inner: (
        some.lists(inner, max_size=3) | some.dictionaries(some.text("abc", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = some.dictionaries(some.text("abc", max_size=2), JSON, max_size=3)


def test_paths() -> None:
    assert PODS.path() == "/api/v1/pods"
    assert PODS.path("default", "p", "status") == "/api/v1/namespaces/default/pods/p/status"
    assert DEPLOYMENTS.path("x", "y") == "/apis/apps/v1/namespaces/x/deployments/y"
    assert NAMESPACES.path(None, "x") == "/api/v1/namespaces/x"
    assert SERVICES.storage_prefix() == "/registry/services/specs"
    assert DEPLOYMENTS.storage_prefix() == "/registry/deployments"


@pytest.mark.parametrize("word", ["po", "pod", "pods", "Pod"])
def test_pods_by_any_name(word: str) -> None:
    assert resources.by_name(word) is PODS


def test_the_preferred_version_owns_the_name() -> None:
    found = resources.by_name("hpa")
    assert found is HORIZONTAL_POD_AUTOSCALERS
    assert found.version == "v2"
    assert resources.by_name("deployments.v1.apps") is DEPLOYMENTS
    assert resources.by_name("nosuch") is None
    assert resources.by_kind("apps/v1", "Deployment") is DEPLOYMENTS
    assert resources.by_gvr(GroupVersionResource("", "v1", "pods")) is PODS


def test_versions_of_a_kind_share_their_storage() -> None:
    both = [each for each in resources.RESOURCES if each.plural == "horizontalpodautoscalers"]
    assert len({each.storage_prefix() for each in both}) == 1


def test_every_resource_has_a_published_schema() -> None:
    missing = [each.kind for each in resources.RESOURCES if Schemas.load().type_of(each.gvk) is None]
    assert missing == []


def test_metadata_of_bare_and_full_objects() -> None:
    bare: dict[str, Any] = {}
    assert (meta.name(bare), meta.namespace(bare), meta.labels(bare), meta.key(bare)) == ("", "", {}, "")
    assert meta.controller_of({"metadata": {"ownerReferences": None}}) is None
    owner = {"metadata": {"name": "d", "namespace": "n", "uid": "u"}}
    reference = meta.owner_reference(owner, DEPLOYMENTS)
    owned = {"metadata": {"name": "r", "namespace": "n", "ownerReferences": [reference]}}
    assert meta.is_controlled_by(owned, owner)
    assert meta.key(owned) == "n/r"
    assert meta.split_key("n/r") == ("n", "r")
    assert meta.split_key("r") == ("", "r")
    assert "controller" not in meta.owner_reference(owner, DEPLOYMENTS, controller=False)
    assert meta.get({"a": [{"b": None}]}, "a", 0, "b", default=3) == 3
    assert meta.get({"a": [{"b": 1}]}, "a", -1, "b") == 1


def test_times() -> None:
    assert meta.format_time(NOW) == "2030-01-01T12:30:05Z"
    assert meta.format_micro_time(NOW) == "2030-01-01T12:30:05.123456Z"
    assert meta.parse_time("2030-01-01T13:30:05.123456+01:00") == NOW
    with pytest.raises(ValueError, match="zone"):
        meta.parse_time("2030-01-01T13:30:05")


def test_status_error_survives_the_wire() -> None:
    kind = GroupVersionKind("apps", "v1", "Deployment")
    error = errors.invalid(kind, "d", [FieldError.required("a"), FieldError.invalid("b", "x", "no")])
    status = error.status()
    assert (
        status["message"] == 'Deployment.apps "d" is invalid: [a: Required value, b: Invalid value: "x": no]'
    )
    assert status["details"]["causes"][1]["field"] == "b"
    back = StatusError.from_status(status)
    assert back.status() == status
    assert errors.is_invalid(back)


@pytest.mark.parametrize(
    "error, code, message",
    [
        (errors.not_found(PODS, "x"), 404, 'pods "x" not found'),
        (errors.already_exists(DEPLOYMENTS, "x"), 409, 'deployments.apps "x" already exists'),
        (errors.forbidden(PODS, "", "no"), 403, "pods is forbidden: no"),
        (errors.too_large_resource_version(9, 1), 504, "Timeout: Too large resource version: 9, current: 1"),
        (errors.too_large("limit is 3145728"), 413, "Request entity too large: limit is 3145728"),
        (errors.internal("x"), 500, "Internal error occurred: x"),
    ],
)
def test_words_of_errors(error: StatusError, code: int, message: str) -> None:
    assert (error.code, error.message) == (code, message)
    assert error.status()["code"] == code


def test_predicates() -> None:
    assert errors.is_not_found(errors.not_found(PODS, "x"))
    assert errors.is_conflict(errors.conflict(PODS, "x"))
    assert errors.is_already_exists(errors.already_exists(PODS, "x"))
    assert errors.is_expired(errors.expired("x"))
    assert errors.is_expired(errors.gone("x"))
    assert errors.is_forbidden(errors.forbidden(PODS, "x", "y"))
    assert not errors.is_not_found(ValueError())


def test_a_condition_moves_its_time_only_with_its_status() -> None:
    later = datetime(2031, 1, 1, tzinfo=UTC)
    first = conditions.set_condition([], {"type": "Ready", "status": "False"}, NOW)
    same = conditions.set_condition(first, {"type": "Ready", "status": "False", "reason": "x"}, later)
    moved = conditions.set_condition(same, {"type": "Ready", "status": "True"}, later)
    assert same[0]["lastTransitionTime"] == meta.format_time(NOW)
    assert same[0]["reason"] == "x"
    assert moved[0]["lastTransitionTime"] == meta.format_time(later)
    assert conditions.is_true({"status": {"conditions": moved}}, "Ready")
    assert conditions.remove(moved, "Ready") == []


def test_random_names_use_what_they_are_given() -> None:
    assert hashing.random_suffix(lambda letters: letters[0]) == "bbbbb"
    assert not set("aeiou013") & set(hashing.ALPHABET)


@laws
@given(some.fractions(), some.sampled_from(["decimal", "binary", "exponent"]))
def test_a_quantity_is_what_its_text_says(amount: Fraction, family: str) -> None:
    rounded = quantity._to_nano(amount)
    if abs(rounded) < 10**18:
        written = quantity.Quantity(rounded, family)
        assert quantity.parse(str(written)) == written


@laws
@given(some.integers(-(10**6), 10**6), some.integers(-(10**6), 10**6))
def test_quantities_add_and_compare_as_numbers(a: int, b: int) -> None:
    first, second = quantity.parse(f"{a}m"), quantity.parse(f"{b}m")
    assert (first + second).milli_value() == a + b
    assert (first - second).milli_value() == a - b
    assert (first < second) == (a < b)


@laws
@given(OBJECTS)
def test_an_empty_patch_changes_nothing_and_shares_nothing(o: dict[str, Any]) -> None:
    for patched in (json_merge.apply(o, {}), strategic.apply(o, {}, strategic.ANY)):
        assert patched == o
        assert patched is not o


@laws
@given(OBJECTS, OBJECTS)
def test_merging_is_idempotent(o: dict[str, Any], patch: dict[str, Any]) -> None:
    once = json_merge.apply(o, patch)
    assert json_merge.apply(once, patch) == once


@laws
@given(OBJECTS, OBJECTS)
def test_without_a_schema_strategic_merge_is_a_json_merge(o: dict[str, Any], patch: dict[str, Any]) -> None:
    assert strategic.apply(o, patch, strategic.ANY) == json_merge.apply(o, patch)


@laws
@given(
    some.dictionaries(
        some.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True), some.sampled_from(["", "x", "y-1"])
    )
)
def test_a_selector_reads_its_own_text(values: dict[str, str]) -> None:
    selector = Selector.from_set(values)
    assert Selector.parse(str(selector)) == selector
    assert selector.matches(values)


def test_a_set_requirement_reads_its_own_text() -> None:
    selector = Selector((Requirement("a", "in", ("x", "y")), Requirement("b", "!")))
    assert Selector.parse(str(selector)) == selector


@laws
@given(TEXT, some.sampled_from(["=", "!="]))
def test_a_field_selector_reads_its_own_text(value: str, operator: str) -> None:
    selector = FieldSelector((Term("a.b", operator, value),))
    assert FieldSelector.parse(str(selector)) == selector
    assert selector.required("a.b") == (value if operator == "=" else None)


def test_every_type_is_of_a_known_kind() -> None:
    scalars = {
        "string",
        "bytes",
        "integer",
        "number",
        "boolean",
        "quantity",
        "int-or-string",
        "time",
        "micro-time",
    }
    seen: dict[int, str] = {}

    def visit(of: Type) -> None:
        if id(of) not in seen:
            seen[id(of)] = of.kind
            for below in (*of.fields.values(), *([of.item] if of.item else [])):
                visit(below)

    schemas = Schemas.load()
    for name in schemas.definitions:
        visit(schemas.type_named(name))
    assert set(seen.values()) == scalars | {"struct", "map", "list", "any"}
