"""Selectors against naive ones: what is written reads back the same, and matches what it says."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TypeVar

from hypothesis import example, given
from hypothesis import strategies as st

from kube.api import fields
from kube.api.errors import StatusError
from kube.api.fields import FieldSelector, Term
from kube.api.labels import Requirement, Selector
from kube.api.resources import PODS

KEYS = st.sampled_from(("a", "in", "notin", "x-1", "example.com/b", "kubernetes.io/os"))
VALUES = st.sampled_from(("", "a", "b", "in", "5", "06", "10", "a.b_c", "9223372036854775808"))
NUMBERS = st.sampled_from(("0", "5", "06", "9"))
LABELS = st.dictionaries(KEYS, VALUES)
COMPARE = {">": operator.gt, "<": operator.lt}
INT64_MAX = 2**63 - 1


T = TypeVar("T")


def unless_refused(parse: Callable[[], T]) -> T | None:
    """What was read; None for a bad request, and nothing else may be raised."""
    try:
        return parse()
    except StatusError as error:
        if error.code != 400:
            raise
        return None


def one_value(made: tuple[str, str, str]) -> Requirement:
    key, sign, value = made
    return Requirement(key, sign, (value,))


REQUIREMENTS = st.one_of(
    st.tuples(KEYS, st.sampled_from(("=", "!=")), VALUES).map(one_value),
    st.tuples(KEYS, st.sampled_from("<>"), NUMBERS).map(one_value),
    st.tuples(KEYS, st.sampled_from(("exists", "!"))).map(lambda made: Requirement(*made)),
    st.tuples(KEYS, st.sampled_from(("in", "notin")), st.sets(VALUES, min_size=1)).map(
        lambda made: Requirement(made[0], made[1], tuple(sorted(made[2])))
    ),
)
SELECTORS = st.lists(REQUIREMENTS, max_size=4).map(
    lambda found: Selector(tuple(sorted(found, key=lambda each: each.key)))
)


def holds(requirement: Requirement, labels: dict[str, str]) -> bool:
    """What Kubernetes' documentation says of each operator, word for word."""
    has, value = requirement.key in labels, labels.get(requirement.key, "")
    match requirement.operator:
        case "exists":
            return has
        case "!":
            return not has
        case "=" | "in":
            return has and value in requirement.values
        case "!=" | "notin":
            return not has or value not in requirement.values
    number = int(value) if value.isdecimal() and int(value) <= INT64_MAX else None
    return number is not None and COMPARE[requirement.operator](number, int(requirement.values[0]))


@given(SELECTORS)
def test_a_label_selector_reads_back_as_it_was_written(selector: Selector) -> None:
    assert Selector.parse(str(selector)) == selector


@given(SELECTORS, LABELS)
def test_a_label_selector_matches_what_it_says(selector: Selector, labels: dict[str, str]) -> None:
    expected = all(holds(each, labels) for each in selector.requirements)
    assert selector.matches(labels) is expected
    assert Selector.parse(str(selector)).matches(labels) is expected


@given(LABELS, LABELS)
def test_a_set_of_labels_is_a_selector(wanted: dict[str, str], labels: dict[str, str]) -> None:
    expected = wanted.items() <= labels.items()
    assert Selector.from_set(wanted).matches(labels) is expected
    assert Selector.from_label_selector({"matchLabels": wanted}).matches(labels) is expected


@given(st.text(alphabet="ab5-./ ,=!<>()\t\nin", max_size=30))
@example("a in (b,c" + ")" * 3)
def test_whatever_is_no_label_selector_is_a_bad_request(text: str) -> None:
    selector = unless_refused(lambda: Selector.parse(text))
    assert selector is None or Selector.parse(str(selector)) == selector


FIELDS = st.sampled_from(fields.SELECTABLE["", "pods"])
TERMS = st.builds(Term, FIELDS, st.sampled_from(("=", "!=")), st.text(max_size=8))
FIELD_SELECTORS = st.lists(TERMS, max_size=4).map(lambda found: FieldSelector(tuple(found)))


@given(FIELD_SELECTORS)
def test_a_field_selector_reads_back_as_it_was_written(selector: FieldSelector) -> None:
    again = FieldSelector.parse(str(selector))
    assert sorted(map(str, again.terms)) == sorted(map(str, selector.terms))
    assert FieldSelector.parse(str(again)) == again


@given(FIELD_SELECTORS, st.dictionaries(FIELDS, st.text(max_size=2)))
def test_a_field_selector_matches_what_it_says(selector: FieldSelector, found: dict[str, str]) -> None:
    equal = {term: found.get(term.field, "") == term.value for term in selector.terms}
    expected = all(equal[term] is (term.operator == "=") for term in selector.terms)
    assert selector.matches(found) is expected


@given(st.text(alphabet="ab.\\,=! ", max_size=20))
def test_whatever_is_no_field_selector_is_a_bad_request(text: str) -> None:
    selector = unless_refused(lambda: fields.understood(PODS, FieldSelector.parse(text)))
    assert selector is None or selector.is_empty, "no field is called like that"
