"""Core: which fields an object sets, as paths, and how managedFields write them down.

    {"spec": {"replicas": 1, "containers": [{"name": "c", "image": "i"}]}}

    ("f:spec", "f:replicas")
    ("f:spec", "f:containers", 'k:{"name":"c"}')                 the element itself
    ("f:spec", "f:containers", 'k:{"name":"c"}', "f:image") ...

A list or map is taken apart where the schema says that its elements have names (list type `map`, maps that
are not atomic) or are names (list type `set`); everything else is one field. On sets of such paths ownership
is plain set arithmetic.

After: github.com/kubernetes-sigs/structured-merge-diff, fieldpath/{element,serialize}.go and
typed/tofieldset.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from kube.api.schema import Type

Path = tuple[str, ...]
ANY = Type("any", "any")
SELF = "."
# Parts of a list's key that a client may leave out, and what they are then.
KEY_DEFAULTS = {"protocol": "TCP"}


def fields_of(of: Type, value: Any) -> dict[Path, Any]:
    """Every field the object sets, with its value; None for what is a field by being there."""
    found: dict[Path, Any] = {}
    _collect(of, value, (), found)
    return found


def _collect(of: Type, value: Any, path: Path, found: dict[Path, Any]) -> None:
    if isinstance(value, dict) and is_granular(of):
        for key, item in value.items():
            below = (*path, f"f:{key}")
            if item in (None, {}):
                found[below] = item
                continue
            if of.kind == "map":
                found[below] = None
            _collect(child_type(of, key), item, below, found)
    elif isinstance(value, list) and of.list_type in ("map", "set"):
        for item in value:
            below = (*path, element(of, item))
            found[below] = None
            if of.list_type == "map":
                _collect(of.item or ANY, item, below, found)
    elif path:
        found[path] = value


def is_granular(of: Type) -> bool:
    """True for a struct or map whose fields are owned one by one."""
    return of.kind in ("struct", "map", "any") and of.map_type != "atomic"


def child_type(of: Type, key: str) -> Type:
    """The type of a field or of a map's value."""
    if of.kind == "struct":
        return of.fields.get(key, ANY)
    return of.item or ANY


def element(of: Type, item: Any) -> str:
    """How a path names an element of a list."""
    if of.list_type == "set":
        return "v:" + _json(item)
    return "k:" + _json({key: item.get(key, KEY_DEFAULTS.get(key)) for key in sorted(of.list_keys)})


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def to_fields_v1(paths: Iterable[Path]) -> dict[str, Any]:
    """Paths as managedFields hold them: a tree, in which `.` marks an inner node that is itself a member."""
    root: dict[str, Any] = {}
    for path in sorted(paths):
        node = root
        for step in path[:-1]:
            below = node.setdefault(step, {})
            node = below
        node.setdefault(path[-1], {})
    members = set(paths)
    _mark(root, (), members)
    return root


def _mark(node: dict[str, Any], path: Path, members: set[Path]) -> None:
    for step, below in list(node.items()):
        here = (*path, step)
        if below:
            _mark(below, here, members)
            if here in members:
                below[SELF] = {}


def tree_of(of: Type, value: Any) -> dict[str, Any]:
    """What `to_fields_v1` makes of `fields_of`, in one pass: for objects that are all their maker's."""
    return _tree(of, value, member=False) or {}


def _tree(of: Type, value: Any, *, member: bool) -> dict[str, Any] | None:
    """The tree below a value; None where nothing is a field, not even (as a member) the value itself."""
    node: dict[str, Any] = {}
    if isinstance(value, dict) and is_granular(of):
        for key in sorted(value):
            item = value[key]
            below = {} if item in (None, {}) else _tree(child_type(of, key), item, member=of.kind == "map")
            if below is not None:
                node[f"f:{key}"] = below
    elif isinstance(value, list) and of.list_type in ("map", "set"):
        names = [element(of, item) for item in value]
        if len(set(names)) < len(names):
            node = to_fields_v1(fields_of(of, value))  # two elements of one name: paths know how they join
        elif of.list_type == "set":
            node = {name: {} for name in names}
        else:
            for name, item in zip(names, value, strict=True):
                node[name] = _tree(of.item or ANY, item, member=True) or {}
    else:
        return node
    if node and member:
        node[SELF] = {}
    return node if node or member else None


def from_fields_v1(tree: Mapping[str, Any], path: Path = ()) -> Iterator[Path]:
    """The paths of a tree."""
    for step, below in tree.items():
        if step == SELF:
            yield path
        elif below:
            yield from from_fields_v1(below, (*path, step))
        else:
            yield (*path, step)


def is_fields_v1(tree: Any) -> bool:
    """Whether it is such a tree; a client may have written anything there."""
    return isinstance(tree, dict) and all(
        _is_step(step) and is_fields_v1(below) for step, below in tree.items()
    )


def _is_step(step: str) -> bool:
    kind, colon, rest = step.partition(":")
    if kind not in ("k", "v"):
        return step == SELF or (kind in ("f", "i") and bool(colon))
    try:
        named = orjson.loads(rest)
    except orjson.JSONDecodeError:
        return False
    return kind == "v" or isinstance(named, dict)


def dotted(path: Path) -> str:
    """A path as messages show it: `.spec.containers[name="c"].image`."""
    text = ""
    for step in path:
        kind, _, rest = step.partition(":")
        if kind == "f":
            text += f".{rest}"
        elif kind == "k":
            keys = orjson.loads(rest)
            text += "[" + ",".join(f"{key}={_json(value)}" for key, value in keys.items()) + "]"
        else:
            text += f"[={rest}]"
    return text
