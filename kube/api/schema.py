"""Core: the published schemas: which fields a kind has, of what type, and how its lists merge.

The schemas are those that Kubernetes publishes, as the `kubernetes_validate` package carries them. One
definition becomes one `Type` the first time somebody asks for it; nothing is read until then. On these
types stand

    prune     the decoding of JSON: unknown fields and nulls dropped, quantities and times made canonical,
    wrong types refused validate  required fields strategic merge (kube.api.patch.strategic), the protobuf
    decoder's idea of zero, OpenAPI and `kubectl explain`

Invariants: types are shared and never change once built; a recursive definition (JSONSchemaProps) refers to
itself. Absent: defaults (kube.api.defaults) and rules between fields (the strategies): the published
schemas hold none.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from kube.api import quantity
from kube.api.errors import FieldError, bad_request
from kube.api.gvk import GroupVersionKind
from kube.api.meta import Object, deep_copy, format_micro_time, format_time, parse_time

VERSION_FOLDER = "v1.36.0-local"
REFERENCE = "#/$defs/"
SPECIAL = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int-or-string",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "micro-time",
}
ZEROS = {"integer": 0, "boolean": False}
# Most values are what their field wants as they are, which their JSON type says.
PLAIN = {"string": str, "boolean": bool}
# What a null element of a list or map is to Go.
EMPTY: dict[str, Any] = {
    **ZEROS,
    "struct": {},
    "map": {},
    "list": [],
    "string": "",
    "bytes": "",
    "number": 0,
    "quantity": "0",
    "int-or-string": 0,
}
# What a JSON value is called in Go's words, and what a type is, for the message of a mismatch.
GO_VALUES = {bool: "bool", str: "string", int: "number", float: "number", list: "array", dict: "object"}


@dataclass(slots=True)
class Type:
    """One type of the API.

    kind: struct, map, list, any, or a scalar: string, bytes, integer, number, boolean, quantity,
    int-or-string, time, micro-time name: the Go name, such as v1.PodSpec or int32 fields, required: of a
    struct; item: of a map's values or a list's elements strategies, merge_key: how strategic merge treats
    it; list_type, list_keys, map_type: how server-side apply does
    """

    kind: str
    name: str
    fields: dict[str, Type] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    item: Type | None = None
    strategies: tuple[str, ...] = ()
    merge_key: str = ""
    list_type: str = ""
    list_keys: tuple[str, ...] = ()
    map_type: str = ""


class Schemas:
    """All definitions of one Kubernetes version, compiled as they are asked for."""

    def __init__(self, definitions: Mapping[str, Mapping[str, Any]]) -> None:
        self.definitions = definitions
        self._types: dict[str, Type] = {}
        self._names = {
            GroupVersionKind(gvk["group"], gvk["version"], gvk["kind"]): name
            for name, definition in definitions.items()
            for gvk in definition.get("x-kubernetes-group-version-kind", ())
        }

    @staticmethod
    def load() -> Schemas:
        """The schemas of the version we serve, read once (about 20 ms)."""
        return _load()

    def definition_name(self, gvk: GroupVersionKind) -> str | None:
        """The name of a kind's definition, such as io.k8s.api.apps.v1.Deployment."""
        return self._names.get(gvk)

    def type_of(self, gvk: GroupVersionKind) -> Type | None:
        """The type of a kind, or None for a kind that has no published schema."""
        name = self._names.get(gvk)
        return self.type_named(name) if name else None

    def type_named(self, name: str) -> Type:
        """The type of a definition."""
        known = self._types.get(name)
        if known is not None:
            return known
        short = ".".join(name.split(".")[-2:])
        if name in SPECIAL:
            built = Type(SPECIAL[name], short)
        else:
            built = Type("any", short)
            # Registered before its fields are built, so that a recursive definition finds itself.
            self._types[name] = built
            _copy_into(built, self._compile(self.definitions[name], short))
        self._types[name] = built
        return built

    def _compile(self, schema: Mapping[str, Any], name: str = "") -> Type:
        if "$ref" in schema:
            target = self.type_named(schema["$ref"].removeprefix(REFERENCE))
            return _annotated(target, schema)
        kind = next((each for each in _as_list(schema.get("type", "any")) if each != "null"), "any")
        if kind == "object" and "properties" in schema:
            fields = {key: self._compile(value) for key, value in schema["properties"].items()}
            return _annotated(Type("struct", name, fields, tuple(schema.get("required", ()))), schema)
        if kind == "object" and "additionalProperties" in schema:
            item = self._compile(schema["additionalProperties"])
            return _annotated(Type("map", f"map[string]{item.name}", item=item), schema)
        if kind == "array":
            item = self._compile(schema["items"])
            return _annotated(Type("list", f"[]{item.name}", item=item), schema)
        if kind in ("object", "any"):
            return Type("any", name)
        if kind == "string" and schema.get("format") == "byte":
            return Type("bytes", "[]uint8")
        go_name = {"integer": schema.get("format", "int64"), "number": "float64", "boolean": "bool"}
        return Type(kind, go_name.get(kind, kind))

    def prune(self, gvk: GroupVersionKind, o: Object) -> list[str]:
        """Decode an object in place; return its unknown fields, each as `unknown field "spec.foo"`.

        StatusError 400 when a value is of the wrong type. A kind without a schema is left as it is.
        """
        root = self.type_of(gvk)
        unknown: list[str] = []
        if root is not None:
            _Decoder(gvk, unknown).struct(root, o, "")
        return unknown

    def validate(self, gvk: GroupVersionKind, o: Object) -> list[FieldError]:
        """The required texts and structs that are missing (numbers and lists have a zero value)."""
        root = self.type_of(gvk)
        errors: list[FieldError] = []
        if root is not None:
            fields = {key: value for key, value in o.items() if key != "status"}
            _find_missing(root, fields, "", errors)
        return errors


@cache
def _load() -> Schemas:
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / VERSION_FOLDER
    return Schemas(orjson.loads((folder / "_definitions.json").read_bytes())["$defs"])


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _annotated(base: Type, schema: Mapping[str, Any]) -> Type:
    """The type with what its field says about merging; the type itself where the field says nothing."""
    notes = {
        "strategies": tuple(filter(None, schema.get("x-kubernetes-patch-strategy", "").split(","))),
        "merge_key": schema.get("x-kubernetes-patch-merge-key", ""),
        "list_type": schema.get("x-kubernetes-list-type", ""),
        "list_keys": tuple(schema.get("x-kubernetes-list-map-keys", ())),
        "map_type": schema.get("x-kubernetes-map-type", ""),
    }
    notes = {key: value for key, value in notes.items() if value}
    return replace(base, **notes) if notes else base


def _copy_into(target: Type, source: Type) -> None:
    for each in Type.__slots__:
        setattr(target, each, getattr(source, each))


class _Decoder:
    """Walks an object along its type, changing it in place."""

    def __init__(self, gvk: GroupVersionKind, unknown: list[str]) -> None:
        self.gvk = gvk
        self.unknown = unknown

    def struct(self, of: Type, value: dict[str, Any], path: str) -> None:
        for key, item in list(value.items()):
            below = of.fields.get(key)
            if below is not None and type(item) is PLAIN.get(below.kind):
                continue
            at = f"{path}.{key}" if path else key
            if below is None:
                self.unknown.append(f'unknown field "{at}"')
                del value[key]
            elif item is None:
                del value[key]
            else:
                value[key] = self.value(below, item, at, of.name.rpartition(".")[2])
        # Go writes required numbers and booleans even when they are zero.
        for key in of.required:
            if key not in value and of.fields[key].kind in ZEROS:
                value[key] = ZEROS[of.fields[key].kind]

    def value(self, of: Type, value: Any, path: str, parent: str) -> Any:
        """The decoded value; `parent` is the struct that holds it, for messages."""
        match of.kind:
            case "any":
                return value
            case "struct" if isinstance(value, dict):
                self.struct(of, value, path)
                return value
            case "map" if isinstance(value, dict):
                assert of.item is not None
                for key, item in value.items():
                    value[key] = self.element(of.item, item, f"{path}.{key}", parent)
                return value
            case "list" if isinstance(value, list):
                assert of.item is not None
                return [self.element(of.item, item, f"{path}[{i}]", parent) for i, item in enumerate(value)]
            case "struct" | "map" | "list":
                raise self.mismatch(of, value, path, parent)
        return self.scalar(of, value, path, parent)

    def element(self, of: Type, value: Any, path: str, parent: str) -> Any:
        """A decoded element of a list or map; unlike a field, one that is null is there, and empty."""
        if value is None:
            value = deep_copy(EMPTY.get(of.kind))
        return value if value is None else self.value(of, value, path, parent)

    def scalar(self, of: Type, value: Any, path: str, parent: str) -> Any:
        try:
            decoded = decode_scalar(of.kind, value)
        except TypeError:
            raise self.mismatch(of, value, path, parent) from None
        except ValueError as error:
            raise self.refused(str(error)) from None
        if of.kind == "integer" and not fits_integer(decoded, of.name):
            raise self.mismatch(of, value, path, parent)
        if of.kind == "int-or-string" and not fits_integer(decoded, "int32"):
            raise self.refused(f"json: cannot unmarshal number {decoded} into Go value of type int32")
        return decoded

    def mismatch(self, of: Type, value: Any, path: str, parent: str) -> Exception:
        where = ".".join(part.partition("[")[0] for part in path.split("."))
        what = GO_VALUES.get(type(value), "null")
        if what == "number" and of.kind == "integer":
            what += f" {value}"
        return self.refused(
            f"json: cannot unmarshal {what} into Go struct field {parent}.{where} of type {of.name}"
        )

    def refused(self, why: str) -> Exception:
        kind = self.gvk.kind
        return bad_request(f'{kind} in version "{self.gvk.version}" cannot be handled as a {kind}: {why}')


def fits_integer(value: Any, go_name: str) -> bool:
    """Whether a number has room in Go's type of that name; texts always have."""
    limit = 2**31 if go_name == "int32" else 2**63
    return not isinstance(value, int) or -limit <= value < limit


def decode_scalar(kind: str, value: Any) -> Any:
    """The canonical form of a scalar; TypeError for another JSON type, ValueError for bad text."""
    match kind:
        case "string":
            fits = isinstance(value, str)
        case "boolean":
            fits = isinstance(value, bool)
        case "integer":
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            fits = isinstance(value, int) and not isinstance(value, bool)
        case "number":
            fits = isinstance(value, int | float) and not isinstance(value, bool)
        case "int-or-string":
            fits = isinstance(value, int | str) and not isinstance(value, bool)
        case "quantity":
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise TypeError
            return quantity.canonical(value)
        case _:
            if not isinstance(value, str):
                raise TypeError
            return _decode_text(kind, value)
    if not fits:
        raise TypeError
    return value


def _decode_text(kind: str, value: str) -> Any:
    if kind == "bytes":
        try:
            binascii.a2b_base64(value, strict_mode=True)
        except binascii.Error:
            raise ValueError("illegal base64 data at input byte 0") from None
        return value
    assert kind in ("time", "micro-time"), kind
    try:
        at = parse_time(value)
    except ValueError:
        layout = "2006-01-02T15:04:05Z07:00" if kind == "time" else "2006-01-02T15:04:05.000000Z07:00"
        message = f'parsing time "{value}" as "{layout}": cannot parse "{value}" as "2006"'
        raise ValueError(message) from None
    return format_time(at) if kind == "time" else format_micro_time(at)


def _find_missing(of: Type, value: Mapping[str, Any], path: str, errors: list[FieldError]) -> None:
    for key in of.required:
        kind = of.fields[key].kind
        if key not in value and kind in ("string", "struct", "int-or-string") and (path or key != "status"):
            errors.append(FieldError.required(f"{path}.{key}" if path else key))
    for key, item in value.items():
        below = of.fields.get(key)
        if below is not None and key != "managedFields":
            _find_missing_in(below, item, f"{path}.{key}" if path else key, errors)


def _find_missing_in(of: Type, value: Any, path: str, errors: list[FieldError]) -> None:
    if of.kind == "struct" and isinstance(value, dict):
        _find_missing(of, value, path, errors)
    elif of.kind == "list" and of.item is not None and of.item.kind == "struct":
        for i, item in enumerate(value):
            _find_missing_in(of.item, item, f"{path}[{i}]", errors)
    elif of.kind == "map" and of.item is not None and of.item.kind == "struct":
        for key, item in value.items():
            _find_missing_in(of.item, item, f"{path}[{key}]", errors)
