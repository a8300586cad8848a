"""Laws of the patches: what holds whatever the object and whatever the patch."""

from __future__ import annotations

from typing import Any

import jsonpatch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from kube.api.errors import StatusError
from kube.api.gvk import GroupVersionKind
from kube.api.meta import deep_copy
from kube.api.patch import json_merge, json_patch, strategic
from kube.api.schema import Schemas, Type

laws = settings(
    deadline=None, derandomize=True, max_examples=150, suppress_health_check=[HealthCheck.too_slow]
)
KEYS = some.text("abc", min_size=1, max_size=2)
SCALARS = some.booleans() | some.integers(0, 9) | some.text("xy", max_size=2)
VALUES = some.recursive(
    SCALARS,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = some.dictionaries(KEYS, VALUES, max_size=3)
NAMES = some.sampled_from("abcd")
IMAGES = some.sampled_from(["i", "j", None])
POINTERS = some.lists(KEYS, min_size=1, max_size=2).map(lambda steps: "/" + "/".join(steps))
OPERATIONS = some.fixed_dictionaries(
    {"op": some.sampled_from(["add", "remove", "replace", "move", "copy", "test", "jump"]), "path": POINTERS},
    optional={"value": VALUES, "from": POINTERS},
)


def difference(before: Any, after: Any) -> Any:
    """The merge patch that leads from one map to another."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return after
    gone: dict[str, Any] = {key: None for key in before if key not in after}
    kept = {key: value for key, value in after.items() if key not in before or before[key] != value}
    return gone | {key: difference(before.get(key), value) for key, value in kept.items()}


@laws
@given(OBJECTS, OBJECTS)
def test_a_merge_patch_of_the_difference_leads_there(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert json_merge.apply(before, difference(before, after)) == after


@laws
@given(OBJECTS, OBJECTS)
def test_a_json_patch_of_the_difference_leads_there(before: dict[str, Any], after: dict[str, Any]) -> None:
    operations = jsonpatch.make_patch(before, after).patch
    assert json_patch.apply(before, operations) == after


@laws
@given(OBJECTS, some.lists(OPERATIONS, max_size=4))
def test_a_json_patch_is_done_whole_or_refused_whole(o: dict[str, Any], operations: list[Any]) -> None:
    before = deep_copy(o)
    code = 200
    try:
        json_patch.apply(o, deep_copy(operations))
    except StatusError as error:
        code = error.code
    assert code in (200, 400, 422)
    assert o == before


def by_name(elements: list[Any]) -> list[Any]:
    """Elements of which no two have one name."""
    return list({each["name"]: each for each in elements}.values())


def containers(**more: Any) -> Any:
    fields = {"image": IMAGES.filter(bool), "args": some.lists(some.sampled_from("xy"), max_size=2)}
    element = some.fixed_dictionaries({"name": NAMES}, optional=fields | more)
    return some.lists(element, max_size=4).map(by_name)


PODS = some.fixed_dictionaries(
    {
        "metadata": some.fixed_dictionaries(
            {}, optional={"finalizers": some.lists(NAMES, max_size=3, unique=True)}
        ),
        "spec": some.fixed_dictionaries(
            {"containers": containers()},
            optional={"nodeSelector": some.dictionaries(NAMES, NAMES, max_size=2)},
        ),
    }
)


@some.composite
def patches(draw: Any) -> dict[str, Any]:
    """A strategic merge patch of a pod as kubectl makes them: with directives, in an order that it names."""
    elements = draw(containers(**{"$patch": some.just("delete"), "image": IMAGES}))
    spec: dict[str, Any] = {"containers": elements}
    if draw(some.booleans()):
        named = [each["name"] for each in elements if "$patch" not in each]
        rest = draw(some.lists(NAMES.filter(lambda name: name not in named), max_size=2, unique=True))
        spec["$setElementOrder/containers"] = [{"name": name} for name in [*named, *rest]]
    if draw(some.booleans()):
        spec["nodeSelector"] = draw(
            some.dictionaries(NAMES, NAMES | some.none(), max_size=2)
            | some.just({"$patch": "replace", "a": "z"})
            | some.just({"$patch": "delete"})
            | some.just({"$retainKeys": ["a"], "a": "y"})
        )
    patch: dict[str, Any] = {"spec": spec}
    if draw(some.booleans()):
        gone = draw(some.lists(NAMES, max_size=2, unique=True))
        patch["metadata"] = {"$deleteFromPrimitiveList/finalizers": gone}
    return patch


def pod_type() -> Type:
    of = Schemas.load().type_of(GroupVersionKind("", "v1", "Pod"))
    assert of is not None
    return of


def directives(value: Any) -> list[str]:
    """Every key of a patch's own language in a value."""
    if isinstance(value, dict):
        own = [key for key in value if key.startswith("$")]
        return own + [each for item in value.values() for each in directives(item)]
    return [each for item in value for each in directives(item)] if isinstance(value, list) else []


@laws
@given(PODS, patches())
def test_a_strategic_merge_is_done_once_and_leaves_no_directive(
    pod: dict[str, Any], patch: dict[str, Any]
) -> None:
    before, of = deep_copy(pod), pod_type()
    once = strategic.apply(pod, patch, of)
    assert strategic.apply(once, patch, of) == once
    assert directives(once) == []
    assert pod == before


@laws
@given(PODS, patches())
def test_a_strategic_merge_touches_only_the_elements_it_names(
    pod: dict[str, Any], patch: dict[str, Any]
) -> None:
    merged = strategic.apply(pod, patch, pod_type())["spec"]["containers"]
    named = {each["name"]: each for each in patch["spec"]["containers"]}
    had = {each["name"]: each for each in pod["spec"]["containers"]}
    for each in merged:
        assert each["name"] in named or each == had[each["name"]]
    gone = {name for name, each in named.items() if "$patch" in each}
    assert {each["name"] for each in merged} == (had.keys() | named.keys()) - gone


@laws
@given(PODS, patches())
def test_a_strategic_merge_keeps_the_order_it_names(pod: dict[str, Any], patch: dict[str, Any]) -> None:
    order = [each["name"] for each in patch["spec"].get("$setElementOrder/containers", ())]
    merged = [each["name"] for each in strategic.apply(pod, patch, pod_type())["spec"]["containers"]]
    assert [name for name in merged if name in order] == [name for name in order if name in merged]
