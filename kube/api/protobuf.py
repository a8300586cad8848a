r"""Core: reads the protobuf bodies that kubectl and client-go send, as JSON-shaped dicts.

A body is `k8s\0` and an envelope (runtime.Unknown) naming apiVersion and kind, then the object. One generic
decoder walks it along data/kubernetes-protobuf-fields.tsv: every message's field numbers, names and types.
What protobuf cannot say, tables say:

- Go writes every non-pointer scalar, zero or not; a zero is dropped, as JSON's omitempty does, but kept where
  the Go field is a pointer (data/kubernetes-protobuf-pointers.txt): `replicas: 0` is not no replicas at all.
- Some messages stand for a JSON scalar (Quantity, IntOrString, Time) or raw JSON (RawExtension, FieldsV1).
- Fields that Go embeds are merged into their parent.

Absent: encoding; every client also accepts JSON answers.
After: k8s staging/src/k8s.io/apimachinery/pkg/runtime/serializer/protobuf/protobuf.go and the published
generated.proto files.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from kube.api.errors import bad_request
from kube.api.gvk import parse_api_version
from kube.api.meta import Object, format_micro_time, format_time

MAGIC = b"k8s\0"
PREFIX = "k8s.io."
META = f"{PREFIX}apimachinery.pkg.apis.meta.v1."
EXTENSIONS = f"{PREFIX}apiextensions_apiserver.pkg.apis.apiextensions.v1."
PACKAGES = {
    "apiextensions.k8s.io": f"{PREFIX}apiextensions_apiserver.pkg.apis.apiextensions.",
    "apiregistration.k8s.io": f"{PREFIX}kube_aggregator.pkg.apis.apiregistration.",
    "internal.apiserver.k8s.io": f"{PREFIX}api.apiserverinternal.",
}
RENAMED = {
    "Webhooks": "webhooks",
    "Expression": "expression",
    "Name": "name",
    "uID": "uid",
    "aPIGroup": "apiGroup",
}
INLINED = {
    "volumeSource",
    "persistentVolumeSource",
    "localObjectReference",
    "handler",
    "ephemeralContainerCommon",
    "ingressRuleValue",
    "ruleWithOperations",
    "rule",
    "deviceConfiguration",
}
ZEROS = {"string": "", "bytes": "", "bool": False, "double": 0.0}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
# What comes of bytes that are cut off, of other types than the table says, of times beyond the calendar, and
# of envelopes within envelopes.
UNREADABLE = (
    IndexError,
    struct.error,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message; `label` is single, repeated or map (a map's keys are always text)."""

    name: str
    label: str
    type: str
    keeps_zero: bool

    @property
    def is_scalar(self) -> bool:
        return "." not in self.type

    @property
    def is_inlined(self) -> bool:
        return self.name in INLINED and not self.is_scalar


def json_name(message: str, name: str) -> str:
    """A field's name in JSON, which the table's proto name is not for a handful of fields."""
    if message == f"{EXTENSIONS}JSONSchemaProps":
        if name in ("ref", "schema"):
            return f"${name}"
        if name.startswith("xKubernetes"):
            return re.sub(r"[A-Z]", lambda letter: f"-{letter.group().lower()}", name)
    return RENAMED.get(name, name)


@cache
def messages() -> dict[str, dict[int, Field]]:
    """Every message's fields by number, read once (about 10 ms)."""
    data = files("kube.api") / "data"
    pointers = set()
    for line in (data / "kubernetes-protobuf-pointers.txt").read_text().splitlines()[1:]:
        message, name, _ = line.split()
        pointers.add((PREFIX + message, name))
    table: dict[str, dict[int, Field]] = {}
    for line in (data / "kubernetes-protobuf-fields.tsv").read_text().splitlines():
        if line.startswith("#"):
            continue
        message, number, name, kind = line.split("\t")
        label, kind = parse_type(kind, message)
        keeps_zero = (message, name) in pointers or label != "single"
        table.setdefault(message, {})[int(number)] = Field(json_name(message, name), label, kind, keeps_zero)
    return table


def parse_type(text: str, message: str) -> tuple[str, str]:
    """Label and full type name of a table's type, such as `repeated Container` or `map<string,bytes>`."""
    label = "single"
    if text.startswith("repeated "):
        label, text = "repeated", text.removeprefix("repeated ")
    elif text.startswith("map<string,"):
        label, text = "map", text.removeprefix("map<string,").removesuffix(">")
    if text.startswith("."):
        return label, text[1:]
    if text[0].isupper():
        return label, f"{message.rpartition('.')[0]}.{text}"
    return label, text


def message_name(api_version: str, kind: str) -> str | None:
    """The message that encodes a kind; options such as DeleteOptions may claim any group."""
    group, version = parse_api_version(api_version)
    package = PACKAGES.get(group, f"{PREFIX}api.{group.partition('.')[0] or 'core'}.")
    for name in (f"{package}{version}.{kind}", f"{META}{kind}"):
        if name in messages():
            return name
    return None


def is_protobuf(data: bytes) -> bool:
    """True when the bytes begin as an enveloped object does."""
    return data.startswith(MAGIC)


def decode(data: bytes) -> Object:
    """The object in an envelope; StatusError 400 when it is none."""
    if not is_protobuf(data):
        raise bad_request("the body is no protobuf object: it does not begin with k8s\\0")
    try:
        envelope = dict(fields_of(data[len(MAGIC) :]))
        type_meta = decode_message(f"{PREFIX}apimachinery.pkg.runtime.TypeMeta", envelope.get(1, b""))
        api_version, kind = type_meta.get("apiVersion", ""), type_meta.get("kind", "")
        name = message_name(api_version, kind)
        if name is None:
            raise bad_request(f'no kind "{kind}" is registered for version "{api_version}" in protobuf')
        return {"kind": kind, "apiVersion": api_version, **decode_message(name, envelope.get(2, b""))}
    except UNREADABLE as error:
        raise bad_request(f"the protobuf body cannot be read: {error}") from error


def fields_of(data: bytes) -> Iterator[tuple[int, Any]]:
    """The field numbers and raw values of a message, as they stand on the wire."""
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        wire_type = tag & 7
        value: Any
        if wire_type == VARINT:
            value, at = read_varint(data, at)
        elif wire_type == BYTES:
            size, at = read_varint(data, at)
            if at + size > len(data):
                raise IndexError("it ends in the middle of a field")
            value, at = data[at : at + size], at + size
        elif wire_type in (FIXED64, FIXED32):
            size = 8 if wire_type == FIXED64 else 4
            (value,) = struct.unpack_from("<d" if size == 8 else "<f", data, at)
            at += size
        else:
            raise ValueError(f"unknown wire type {wire_type}")
        yield tag >> 3, value


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """A varint and the place after it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number is longer than 64 bits")


def decode_message(name: str, data: bytes) -> Any:
    """One message as JSON: a dict, or what its kind of message stands for."""
    fields = messages().get(name, {})
    result: dict[str, Any] = {}
    for number, raw in fields_of(data):
        field = fields.get(number)
        if field is None:
            continue
        if field.label == "repeated":
            result.setdefault(field.name, []).extend(decode_repeated(field, raw))
        elif field.label == "map":
            entry = dict(fields_of(raw))
            value = decode_value(field, entry[2]) if 2 in entry else zero_of(field)
            result.setdefault(field.name, {})[entry.get(1, b"").decode()] = value
        else:
            value = decode_value(field, raw)
            if field.is_inlined:
                result |= value
            elif value is not None and (field.keeps_zero or value or not field.is_scalar):
                result[field.name] = value
    stands_for = STAND_INS.get(name)
    return stands_for(result) if stands_for else result


def decode_repeated(field: Field, raw: Any) -> list[Any]:
    """The elements of one occurrence: one, or many when numbers are packed."""
    if isinstance(raw, bytes) and field.type in ("int32", "int64", "bool"):
        values, at = [], 0
        while at < len(raw):
            number, at = read_varint(raw, at)
            values.append(decode_value(field, number))
        return values
    return [decode_value(field, raw)]


def decode_value(field: Field, raw: Any) -> Any:
    """One value of a field's type."""
    match field.type:
        case "string":
            return raw.decode()
        case "bytes":
            return base64.b64encode(raw).decode()
        case "bool":
            return bool(raw)
        case "int32" | "int64":
            return raw - (1 << 64) if raw >= 1 << 63 else raw
        case "double":
            return raw
    return decode_message(field.type, raw)


def zero_of(field: Field) -> Any:
    """A map entry's value when the wire leaves it out."""
    return ZEROS.get(field.type, 0) if field.is_scalar else decode_message(field.type, b"")


def _raw_json(o: dict[str, Any]) -> Any:
    """RawExtension and its kin hold JSON, or an enveloped object."""
    raw = base64.b64decode(o.get("raw") or o.get("Raw") or "")
    if is_protobuf(raw):
        return decode(raw)
    return orjson.loads(raw) if raw else None


def _time(o: dict[str, Any], write: Callable[[datetime], str]) -> str | None:
    """Seconds and nanos as text; an empty message is Go's zero time, which JSON writes as null."""
    if not o:
        return None
    at = EPOCH + timedelta(seconds=o.get("seconds", 0), microseconds=o.get("nanos", 0) // 1000)
    return write(at)


def _int_or_string(o: dict[str, Any]) -> int | str:
    value: int | str = o.get("strVal", "") if o.get("type") else o.get("intVal", 0)
    return value


def _duration(o: dict[str, Any]) -> str:
    """Nanoseconds as Go writes a duration, in whole seconds where it is whole."""
    seconds = o.get("duration", 0) / 1e9
    return f"{seconds:g}s"


def _items(o: dict[str, Any]) -> list[Any]:
    items: list[Any] = o.get("items", [])
    return items


STAND_INS: dict[str, Callable[[dict[str, Any]], Any]] = {
    f"{PREFIX}apimachinery.pkg.api.resource.Quantity": lambda o: o.get("string") or "0",
    f"{PREFIX}apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
    f"{META}Time": lambda o: _time(o, format_time),
    f"{META}MicroTime": lambda o: _time(o, format_micro_time),
    f"{META}Duration": _duration,
    f"{META}FieldsV1": _raw_json,
    f"{META}Verbs": _items,
    f"{PREFIX}apimachinery.pkg.runtime.RawExtension": _raw_json,
    f"{PREFIX}api.authentication.v1.ExtraValue": _items,
    f"{PREFIX}api.authorization.v1.ExtraValue": _items,
    f"{PREFIX}api.certificates.v1.ExtraValue": _items,
    f"{EXTENSIONS}JSON": _raw_json,
    f"{EXTENSIONS}JSONSchemaPropsOrArray": lambda o: o.get("schema") or o.get("jSONSchemas", []),
    f"{EXTENSIONS}JSONSchemaPropsOrBool": lambda o: o.get("schema") or o.get("allows", False),
    f"{EXTENSIONS}JSONSchemaPropsOrStringArray": lambda o: o.get("schema") or o.get("property", []),
}
