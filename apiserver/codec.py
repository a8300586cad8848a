"""Core: reads objects from request bodies (JSON, YAML, protobuf) and writes them (JSON, YAML).

A body says what it is in its Content-Type; none means JSON. Duplicate keys, which JSON parsers silently let
win, are reported, since a strict client wants to know. What is too deep or of too many values for those who
come after is no object.

After: k8s staging/src/k8s.io/apimachinery/pkg/runtime/serializer/
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import orjson
import yaml

from kube.api import errors, protobuf, shape
from kube.api.go_words import syntax_error
from kube.api.meta import Object
from kube.api.negotiation import JSON, PROTOBUF, SUPPORTED, YAML
from kube.api.resources import Resource
from kube.api.schema import GO_VALUES

SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SafeDumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


# As many strict errors as Kubernetes tells, and not more text than helps.
DUPLICATES_MAX = 100
DUPLICATES_CHARS_MAX = 1 << 16
# JSON has texts, numbers, booleans and null; what else YAML may call a value has no place in an object.
TAGS = {
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map", "merge")
}
# Longer numbers do not fit 64 bits.
NUMBER_CHARS_MAX = 100


class Loader(SafeLoader):  # type: ignore[misc, valid-type]  # chosen when the module loads
    """YAML as JSON has it: times stay texts, keys are texts; it remembers which keys it had twice."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.twice: list[str] = []
        self._nodes = 0

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:
        """Called for each node before it is made, which takes time: too many are stopped here."""
        self._nodes += 1
        if self._nodes > shape.VALUES_MAX:
            raise yaml.YAMLError(shape.TOO_MANY)

    def ascend_resolver(self) -> None:
        """Tags do not depend on the path of a node."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys: set[Any] = set()
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.YAMLError("a key is no text")
            if key_node.value in keys and len(self.twice) < DUPLICATES_MAX:
                line = value_node.start_mark.line + 1
                self.twice.append(f'line {line}: key "{key_node.value}" already set in map')
            keys.add(key_node.value)
        return {_key(key): value for key, value in super().construct_mapping(node, deep).items()}

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        if node.tag not in TAGS:
            raise yaml.YAMLError(f"the tag {node.tag} has no meaning here")
        if isinstance(node, yaml.ScalarNode) and node.tag.endswith((":int", ":float")):
            if len(node.value) > NUMBER_CHARS_MAX:
                raise yaml.YAMLError("a number is too long")
            value = super().construct_object(node, deep)
            if not math.isfinite(value):
                raise yaml.YAMLError(f"json: unsupported value: {node.value}")
            return value
        return super().construct_object(node, deep)


def _key(key: Any) -> str:
    """A key as JSON has it: `on: a` and `1: a` have keys that are texts."""
    if isinstance(key, bool):
        return "true" if key else "false"
    return "null" if key is None else str(key)


Loader.yaml_implicit_resolvers = {
    first: [(tag, expression) for tag, expression in resolvers if tag in TAGS]
    for first, resolvers in SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class Decoded:
    """A body: its object, and the text of each duplicate key."""

    o: Any
    duplicates: list[str]


def media_type(content_type: str) -> str:
    """The type without its parameters; none is JSON."""
    return content_type.partition(";")[0].strip().lower() or JSON


def decode(content_type: str, body: bytes, what: str, *, strict: bool = True) -> Decoded:
    """Read a body; `what` names the expected kind in error messages."""
    kind = media_type(content_type)
    if kind not in SUPPORTED:
        raise errors.unsupported_media_type(SUPPORTED)
    if kind == PROTOBUF:
        try:
            return Decoded(_shaped(protobuf.decode(body), what), [])
        except (ValueError, IndexError, KeyError) as error:
            raise errors.bad_request(f"the protobuf body cannot be decoded: {error}") from error
    if kind == YAML:
        o, twice = read_yaml(body, what)
        return Decoded(o, [yaml_mistakes(twice)] if twice and strict else [])
    o = read_json(body, what)
    return Decoded(o, duplicate_keys(body) if strict else [])


def read_json(body: bytes, what: str) -> Any:
    """Parse JSON; StatusError 400 with the parser's complaint."""
    try:
        return _shaped(orjson.loads(body), what)
    except orjson.JSONDecodeError as error:
        raise _unrecognized(what, syntax_error(body) or str(error)) from error


def _shaped(o: Any, what: str) -> Any:
    if wrong := shape.problem(o):
        raise _unrecognized(what, wrong)
    return o


def read_yaml(body: bytes, what: str) -> tuple[Any, list[str]]:
    """Parse YAML, and say which keys stand twice; StatusError 400 with the parser's complaint."""
    loader = None
    try:
        loader = Loader(body)
        node = loader.get_single_node()
        if wrong := _node_problem(node):
            raise yaml.YAMLError(wrong)
        return None if node is None else loader.construct_document(node), loader.twice
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        text = f"the object provided is unrecognized (must be of type {what}): couldn't get version/kind; "
        raise errors.bad_request(f"{text}yaml parse error: {error}") from error
    finally:
        if loader is not None:
            loader.dispose()


def _node_problem(document: Any) -> str:
    """What is wrong with the shape of a YAML document, whose aliases stand for the whole that they name."""
    level, depth, count = [document], 0, 0
    while level:
        count += len(level)
        if count > shape.VALUES_MAX:
            return "document contains excessive aliasing, or " + shape.TOO_MANY
        if depth > shape.DEPTH_MAX:
            return shape.TOO_DEEP
        depth += 1
        below: list[Any] = []
        for node in level:
            if isinstance(node, yaml.MappingNode):
                below += (each for pair in node.value for each in pair)
            elif isinstance(node, yaml.SequenceNode):
                below += node.value
            if len(below) > 2 * shape.VALUES_MAX:
                break
        level = below
    return ""


def yaml_mistakes(twice: list[str]) -> str:
    """Keys that stand twice in a YAML document, in one text, as Go's YAML package has it."""
    return "yaml: unmarshal errors:\n  " + "\n  ".join(twice)


class _Pairs(dict[str, Any]):
    """A JSON object that remembers which keys it had twice."""

    twice: tuple[str, ...] = ()


def duplicate_keys(body: bytes) -> list[str]:
    """`duplicate field "spec.replicas"` for every key that stands twice in one object."""
    if orjson.dumps(orjson.loads(body)) == body.rstrip():
        return []  # nothing was lost in reading it; so it is with most bodies, for clients write no spaces

    def pairs(items: list[tuple[str, Any]]) -> _Pairs:
        o = _Pairs(items)
        if len(o) != len(items):
            counts = Counter(key for key, _ in items)
            o.twice = tuple(key for key, count in counts.items() if count > 1)
        return o

    found: list[str] = []
    # Its numbers are nobody's: they may have more digits than Python reads.
    _collect(json.loads(body, object_pairs_hook=pairs, parse_int=len), "", found)
    return found


def _collect(value: Any, path: str, found: list[str]) -> None:
    if isinstance(value, _Pairs):
        for key in value.twice:
            if len(found) >= DUPLICATES_MAX or sum(map(len, found)) > DUPLICATES_CHARS_MAX:
                return
            found.append(f'duplicate field "{path}{key}"')
        for key, item in value.items():
            if isinstance(item, dict | list):
                _collect(item, f"{path}{key}.", found)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict | list):
                _collect(item, f"{path[:-1]}[{index}].", found)


def check_kind(expected: str, api_version: str, o: Any) -> Object:
    """The object as one of the expected kind (which it may leave out); StatusError 400 otherwise."""
    if not isinstance(o, dict):
        raise _unrecognized(expected, "not an object")
    for field in ("apiVersion", "kind"):
        if not isinstance(o.get(field), str | None):
            what = GO_VALUES[type(o[field])]
            text = f"json: cannot unmarshal {what} into Go struct field .{field} of type string"
            raise _unrecognized(expected, text)
    kind, version = o.get("kind") or expected, o.get("apiVersion") or api_version
    if kind != expected or version != api_version:
        text = f'{kind} in version "{version.rpartition("/")[2]}" cannot be handled as a {expected}: '
        text += f"converting ({version}, Kind={kind}) to ({api_version}, Kind={expected}): unknown conversion"
        raise errors.bad_request(text)
    rest = {key: value for key, value in o.items() if key not in ("apiVersion", "kind")}
    return {"apiVersion": api_version, "kind": expected, **rest}


def _unrecognized(expected: str, why: str) -> errors.StatusError:
    text = f"the object provided is unrecognized (must be of type {expected}): couldn't get version/kind; "
    return errors.bad_request(f"{text}json parse error: {why}")


def head(resource: Resource) -> bytes:
    """How every encoded object of a kind begins; a list leaves it out of its items."""
    return b'{"apiVersion":"%b","kind":"%b",' % (resource.api_version.encode(), resource.kind.encode())


def write_yaml(o: Object) -> bytes:
    """An object as YAML."""
    text: bytes = yaml.dump(o, Dumper=SafeDumper, encoding="utf-8", default_flow_style=False)
    return text
