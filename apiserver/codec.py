"""Core: reads objects from request bodies (JSON, YAML, protobuf) and writes them (JSON, YAML).

A body says what it is in its Content-Type; none means JSON. Duplicate keys, which JSON parsers silently let
win, are reported, since a strict client wants to know.

After: k8s staging/src/k8s.io/apimachinery/pkg/runtime/serializer/
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import orjson
import yaml

from kube.api import errors, protobuf
from kube.api.go_words import syntax_error
from kube.api.meta import Object
from kube.api.negotiation import JSON, PROTOBUF, SUPPORTED, YAML
from kube.api.resources import Resource
from kube.api.schema import GO_VALUES

SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SafeDumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class Loader(SafeLoader):  # type: ignore[misc, valid-type]  # chosen when the module loads
    """YAML as JSON has it: times stay texts, keys are texts; it remembers which keys it had twice."""

    twice: list[str]

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys: set[Any] = set()
        for key_node, value_node in node.value:
            if key_node.value in keys and isinstance(key_node, yaml.ScalarNode):
                line = value_node.start_mark.line + 1
                self.twice.append(f'line {line}: key "{key_node.value}" already set in map')
            elif isinstance(key_node, yaml.ScalarNode):
                keys.add(key_node.value)
        return super().construct_mapping(node, deep)


Loader.yaml_implicit_resolvers = {
    first: [(tag, expression) for tag, expression in resolvers if tag != "tag:yaml.org,2002:timestamp"]
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
            return Decoded(protobuf.decode(body), [])
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
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        text = f"the object provided is unrecognized (must be of type {what}): couldn't get version/kind; "
        why = syntax_error(body) or str(error)
        raise errors.bad_request(f"{text}json parse error: {why}") from error


def read_yaml(body: bytes, what: str) -> tuple[Any, list[str]]:
    """Parse YAML, and say which keys stand twice; StatusError 400 with the parser's complaint."""
    loader = Loader(body)
    loader.twice = []
    try:
        return loader.get_single_data(), loader.twice
    except (yaml.YAMLError, TypeError, ValueError) as error:
        text = f"the object provided is unrecognized (must be of type {what}): couldn't get version/kind; "
        raise errors.bad_request(f"{text}yaml parse error: {error}") from error
    finally:
        loader.dispose()


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
            keys = [key for key, _ in items]
            o.twice = tuple(dict.fromkeys(key for key in keys if keys.count(key) > 1))
        return o

    found: list[str] = []
    _collect(json.loads(body, object_pairs_hook=pairs), "", found)
    return found


def _collect(value: Any, path: str, found: list[str]) -> None:
    if isinstance(value, _Pairs):
        found += [f'duplicate field "{path}{key}"' for key in value.twice]
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
