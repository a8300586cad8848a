"""Core: strategic merge patch: a merge that knows which lists are maps in disguise.

Maps merge and null removes, as in a JSON merge. A list whose schema has patch strategy `merge` merges too:
its elements are matched by the merge key (or by value, for scalars); any other list is replaced. Directives
in the patch say the rest:

    $patch: replace | delete           for the map it stands in; in an element of a list, replace is for the
                                       whole list and delete for the element with that merge key
    $retainKeys: [a, b]                all other keys of the map go
    $deleteFromPrimitiveList/x: [v]    these values leave list x
    $setElementOrder/x: [...]          the order of list x; elements only the server knows keep their place
                                       among the others

Refusals that Kubernetes has no code for are 500 there, and so here.

After: k8s staging/src/k8s.io/apimachinery/pkg/util/strategicpatch/patch.go.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from kube.api import go_words
from kube.api.errors import StatusError, bad_request, unnamed, unprocessable
from kube.api.meta import Object, deep_copy
from kube.api.schema import GO_VALUES, Type

PATCH = "$patch"
RETAIN_KEYS = "$retainKeys"
DELETE_FROM = "$deleteFromPrimitiveList/"
SET_ORDER = "$setElementOrder/"
ANY = Type("any", "any")


def apply(original: Object, patch: Any, of: Type) -> Object:
    """A new object; StatusError where the patch or its directives make no sense."""
    if not isinstance(patch, dict):
        found = GO_VALUES.get(type(patch), "null")
        raise bad_request(f"json: cannot unmarshal {found} into Go value of type map[string]interface {{}}")
    return merge_map(original, patch, of)


def merge_map(original: Mapping[str, Any], patch: Mapping[str, Any], of: Type) -> dict[str, Any]:
    """The original map with the patch merged in; shares nothing with its arguments."""
    match patch.get(PATCH):
        case "replace":
            return clean_map(patch)
        case "delete":
            return {}
        case None:
            pass
        case other:
            raise unknown_directive(other, patch)
    result: dict[str, Any] = deep_copy(original)
    if RETAIN_KEYS in patch:
        result = retain(result, patch)
    for key, value in patch.items():
        if key.startswith(DELETE_FROM):
            name = key.removeprefix(DELETE_FROM)
            if not isinstance(value, list):
                raise bad_request("invalid patch format of primitive list")
            if isinstance(result.get(name), list):
                gone = {_hashable(item) for item in value}
                result[name] = [item for item in result[name] if _hashable(item) not in gone]
        elif key.startswith("$"):
            continue
        elif value is None:
            result.pop(key, None)
        else:
            order = order_of(patch, key)
            result[key] = merge_value(result.get(key), value, field_type(of, key), order)
    for key in patch:
        name = key.removeprefix(SET_ORDER)
        if name != key and name not in patch and isinstance(result.get(name), list):
            below = field_type(of, name)
            order = order_of(patch, name) or []
            result[name] = reorder(result[name], [], order, result[name], below.merge_key)
    return result


def order_of(patch: Mapping[str, Any], key: str) -> list[Any] | None:
    """The order a patch gives to a list, if it does."""
    order = patch.get(SET_ORDER + key)
    if order is not None and not isinstance(order, list):
        raise bad_request("invalid patch format of setElementOrder list")
    return order


def unknown_directive(directive: Any, where: Mapping[str, Any]) -> StatusError:
    """Refuses a `$patch` that is neither replace nor delete."""
    return unnamed(f"unknown patch type: {go_words.text(directive)} in map: {go_words.text(dict(where))}")


def field_type(of: Type, key: str) -> Type:
    """The type of a field; a map's values share one, and what has no schema merges as plain JSON."""
    if of.kind == "map" and of.item is not None:
        return of.item
    return of.fields.get(key, ANY)


def retain(result: dict[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The map without the keys that $retainKeys leaves out."""
    kept = patch[RETAIN_KEYS]
    if not isinstance(kept, list):
        raise bad_request("invalid patch format of retainKeys")
    if any(key not in kept for key in patch if not key.startswith("$")):
        raise unprocessable()
    return {key: value for key, value in result.items() if key in kept}


def merge_value(have: Any, value: Any, of: Type, order: list[Any] | None) -> Any:
    """One field of a map: merged where both sides are maps, or lists that merge; otherwise replaced."""
    if isinstance(value, dict):
        if isinstance(have, dict) and "replace" not in of.strategies:
            return merge_map(have, value, of)
        return clean(value)
    if isinstance(value, list) and isinstance(have, list) and "merge" in of.strategies:
        return merge_list(have, value, of, order)
    return clean(value)


def merge_list(have: list[Any], patch: list[Any], of: Type, order: list[Any] | None) -> list[Any]:
    """A list that merges, matched by its merge key or by value."""
    if not of.merge_key:
        known = {_hashable(item) for item in have}
        added = {_hashable(item): item for item in patch if _hashable(item) not in known}
        merged = [*have, *added.values()]
        return reorder(merged, patch, order, have, "") if order is not None else merged
    check_elements(patch, of.merge_key)
    if any(item.get(PATCH) == "replace" for item in patch):
        return [clean_map(item) for item in patch if PATCH not in item]
    merged = _merge_elements(have, patch, of)
    return reorder(merged, patch, order, have, of.merge_key) if order is not None else merged


def _merge_elements(have: list[Any], patch: list[Any], of: Type) -> list[Any]:
    """The elements of both; what is said holds for the first with that key, a deletion for all."""
    merged: list[Any] = [deep_copy(item) for item in have]
    places: dict[Any, list[int]] = {}
    for at, item in enumerate(merged):
        places.setdefault(_hashable(item.get(of.merge_key)), []).append(at)
    for item in patch:
        key = _hashable(item[of.merge_key])
        if item.get(PATCH) == "delete":
            for at in places.pop(key, ()):
                merged[at] = None
        elif key in places:
            at = places[key][0]
            merged[at] = merge_map(merged[at], item, of.item or ANY)
        else:
            places[key] = [len(merged)]
            merged.append(clean(item))
    return [item for item in merged if item is not None]


def _hashable(value: Any) -> Any:
    """What is equal for equal values, and may be looked up: lists are too long to be searched for each."""
    if isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def check_elements(patch: list[Any], merge_key: str) -> None:
    """Refuse elements that are no maps, say nothing about which they are, or have an unknown directive."""
    for item in patch:
        if isinstance(item, list):
            raise unprocessable()
        if not isinstance(item, dict):
            raise unnamed(f"list element types are not identical: {go_words.text(patch)}")
        match item.get(PATCH):
            case None | "delete" | "replace":
                pass
            case "merge":
                raise unnamed("merging lists cannot yet be specified in the patch")
            case other:
                raise unknown_directive(other, item)
        if item.get(merge_key) is None and item.get(PATCH) != "replace":
            text = f"map: {go_words.text(item)} does not contain declared merge key: {merge_key}"
            raise unnamed(text)


def reorder(
    merged: list[Any], patch: list[Any], order: list[Any], server: list[Any], merge_key: str
) -> list[Any]:
    """Elements named in `order` in that order; the others keep their place among what the server had."""

    def identity(item: Any) -> Any:
        return _hashable(item.get(merge_key) if merge_key and isinstance(item, dict) else item)

    wanted = _first_places(map(identity, order))
    before = _first_places(map(identity, server))
    values = [item for item in patch if not (isinstance(item, dict) and PATCH in item)]
    if order and not is_subsequence([identity(item) for item in values], list(map(identity, order))):
        text = f"The order in patch list:\n{go_words.text(patch)}\n doesn't match "
        raise unnamed(f"{text}$setElementOrder list:\n{go_words.text(order)}\n")
    named = deque(
        sorted((item for item in merged if identity(item) in wanted), key=lambda item: wanted[identity(item)])
    )
    others = deque(item for item in merged if identity(item) not in wanted)
    result: list[Any] = []
    while named and others:
        first, second = identity(others[0]), identity(named[0])
        other_is_first = first in before and second in before and before[first] < before[second]
        result.append((others if other_is_first else named).popleft())
    return [*result, *named, *others]


def _first_places(items: Iterable[Any]) -> dict[Any, int]:
    places: dict[Any, int] = {}
    for at, item in enumerate(items):
        places.setdefault(item, at)
    return places


def is_subsequence(some: list[Any], whole: list[Any]) -> bool:
    """True when `whole` becomes `some` by leaving out elements."""
    rest = iter(whole)
    return all(item in rest for item in some)


def clean_map(value: Mapping[str, Any]) -> dict[str, Any]:
    """A new map of a patch as it is stored: without nulls, directives, and elements marked as deleted."""
    return {key: clean(item) for key, item in value.items() if item is not None and not key.startswith("$")}


def clean(value: Any) -> Any:
    """A new value of a patch as it is stored."""
    if isinstance(value, dict):
        return clean_map(value)
    if isinstance(value, list):
        kept = [item for item in value if not (isinstance(item, dict) and PATCH in item)]
        return [clean(item) for item in kept]
    return value
