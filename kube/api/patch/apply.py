"""Core: server-side apply on values: lays a configuration over an object, takes out what left it.

Who owns what is decided elsewhere (the API server's managed_fields); this module only knows how a list of
named elements merges and how a path is removed.

After: github.com/kubernetes-sigs/structured-merge-diff, typed/{merge,remove}.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from kube.api.errors import StatusError, unnamed
from kube.api.gvk import GroupVersionKind
from kube.api.meta import Object, deep_copy
from kube.api.patch.field_paths import ANY, KEY_DEFAULTS, Path, child_type, element, is_granular
from kube.api.schema import Type


def merge(of: Type, live: Any, applied: Any) -> Any:
    """The live value with the applied one laid over it; shares nothing with either."""
    if isinstance(applied, dict) and isinstance(live, dict) and is_granular(of):
        merged = deep_copy({key: value for key, value in live.items() if key not in applied})
        for key, value in applied.items():
            merged[key] = merge(child_type(of, key), live.get(key), value)
        # Keys keep the order in which the object had them.
        order = [*live, *(key for key in applied if key not in live)]
        return {key: merged[key] for key in order}
    if isinstance(applied, list) and of.list_type in ("map", "set"):
        return _merge_list(of, live if isinstance(live, list) else [], applied)
    return deep_copy(applied)


def _merge_list(of: Type, live: list[Any], applied: list[Any]) -> list[Any]:
    """Live elements where they were, applied ones merged into them, new ones at the end."""
    wanted: dict[str, Any] = {}
    for index, item in enumerate(applied):
        name = _named(of, index, item)
        if name in wanted:
            raise unnamed(f"duplicate entries for key [{name.partition(':')[2]}]")
        wanted[name] = item
    merged = []
    for item in live:
        name = element(of, item)
        if name in wanted:
            merged.append(merge(of.item or ANY, item, wanted.pop(name)))
        else:
            merged.append(deep_copy(item))
    return merged + [deep_copy(item) for item in wanted.values()]


def _named(of: Type, index: int, item: Any) -> str:
    """The element's name in paths; StatusError where it has none."""
    if of.list_type == "map":
        if not isinstance(item, dict):
            raise unnamed(f"element {index}: an element of a list of maps must be a map")
        missing = [key for key in of.list_keys if item.get(key, KEY_DEFAULTS.get(key)) is None]
        if missing:
            text = f"element {index}: associative list with keys has an element that omits key field "
            text += f'"{missing[0]}"'
            raise unnamed(text)
    return element(of, item)


def remove(of: Type, value: Any, paths: Iterable[Path]) -> Any:
    """A copy without the fields and elements at these paths; a map that becomes empty goes too."""
    result = deep_copy(value)
    gone = set(paths)
    _remove(of, result, [path for path in sorted(gone) if not _is_key(path)])
    return result


def _is_key(path: Path) -> bool:
    """True for a field that names the element it stands in: it goes with the element, never alone."""
    return len(path) > 1 and path[-2].startswith("k:") and path[-1][2:] in orjson.loads(path[-2][2:])


def _remove(of: Type, value: Any, paths: Sequence[Path]) -> None:
    """Take out what the paths name; one pass through a list, however many of its elements go."""
    below: dict[str, list[Path]] = {}
    for path in paths:
        below.setdefault(path[0], []).append(path[1:])
    if isinstance(value, dict):
        for step, rests in below.items():
            if step.startswith("f:") and step[2:] in value:
                _remove_field(of, value, step[2:], rests)
    elif isinstance(value, list):
        kept = []
        for item in value:
            # Of elements with one name only the first is meant.
            rests = below.pop(element(of, item), []) if below else []
            if () in rests:
                continue
            if rests:
                _remove(of.item or ANY, item, rests)
            kept.append(item)
        value[:] = kept


def _remove_field(of: Type, value: dict[str, Any], key: str, rests: list[Path]) -> None:
    if () in rests:
        del value[key]
        return
    _remove(child_type(of, key), value[key], rests)
    if value[key] in ({}, []):
        del value[key]


def unknown_fields(o: Object, gvk: GroupVersionKind, unknown: Sequence[str]) -> StatusError:
    """The refusal of a configuration with fields that the schema does not have."""
    name, namespace = o["metadata"].get("name", ""), o["metadata"].get("namespace", "")
    fields = (each.partition('"')[2].rstrip('"') for each in unknown)
    wrong = [f".{field}: field not declared in schema" for field in fields]
    shown = wrong[0] if len(wrong) == 1 else "errors:\n  " + "\n  ".join(wrong)
    about = f"{namespace}/{name}; {gvk.group}/{gvk.version}, Kind={gvk.kind}"
    return unnamed(f"failed to create typed patch object ({about}): {shown}")
