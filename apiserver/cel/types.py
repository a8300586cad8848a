"""Core: the types CEL knows beside its own, as protobuf messages: what the library's values may be.

An opaque type holds a text that only its functions understand. The request is the one with fields.

After: k8s staging/src/k8s.io/apiserver/pkg/admission/plugin/cel/compile.go, BuildRequestType
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, struct_pb2
from google.protobuf.message import Message

from apiserver.cel.library import addresses, authorization, formats, quantities, semantic_versions, urls

REQUEST = "kubernetes.AdmissionRequest"
# The one field of an opaque type.
VALUE = "value"
# Assignable from nothing: the type of functions that are only called, never matched.
NOTHING = "kubernetes.Nothing"
OPAQUE = (
    quantities.TYPE,
    urls.TYPE,
    semantic_versions.TYPE,
    addresses.IP,
    addresses.CIDR,
    formats.TYPE,
    authorization.AUTHORIZER,
    authorization.PATH,
    authorization.GROUP,
    authorization.RESOURCE,
    authorization.DECISION,
    NOTHING,
)
STRUCTURED: Mapping[str, Mapping[str, str]] = {
    "kubernetes.GroupVersionKind": {"group": "string", "version": "string", "kind": "string"},
    "kubernetes.GroupVersionResource": {"group": "string", "version": "string", "resource": "string"},
    "kubernetes.UserInfo": {
        "username": "string",
        "uid": "string",
        "groups": "strings",
        "extra": "google.protobuf.Struct",
    },
    REQUEST: {
        "kind": "kubernetes.GroupVersionKind",
        "resource": "kubernetes.GroupVersionResource",
        "subResource": "string",
        "requestKind": "kubernetes.GroupVersionKind",
        "requestResource": "kubernetes.GroupVersionResource",
        "requestSubResource": "string",
        "name": "string",
        "namespace": "string",
        "operation": "string",
        "userInfo": "kubernetes.UserInfo",
        "dryRun": "bool",
        "options": "google.protobuf.Struct",
    },
}
Field = descriptor_pb2.FieldDescriptorProto
SCALARS = {"string": Field.TYPE_STRING, "strings": Field.TYPE_STRING, "bool": Field.TYPE_BOOL}


@cache
def pool() -> descriptor_pool.DescriptorPool:
    """All of them, in a pool of our own: nobody else's types meet them."""
    made = descriptor_pool.DescriptorPool()
    made.AddSerializedFile(struct_pb2.DESCRIPTOR.serialized_pb)
    messages = {**{name: {VALUE: "string"} for name in OPAQUE}, **STRUCTURED}
    for package in sorted({name.rpartition(".")[0] for name in messages}):
        file = descriptor_pb2.FileDescriptorProto(
            name=f"{package}.proto",
            package=package,
            syntax="proto3",
            dependency=["google/protobuf/struct.proto"],
        )
        for name, fields in messages.items():
            if name.rpartition(".")[0] == package:
                _add(file, name.rpartition(".")[2], fields)
        made.AddSerializedFile(file.SerializeToString())
    return made


def _add(file: descriptor_pb2.FileDescriptorProto, name: str, fields: Mapping[str, str]) -> None:
    message = file.message_type.add(name=name)
    for number, (field, kind) in enumerate(fields.items(), 1):
        label = Field.LABEL_REPEATED if kind == "strings" else Field.LABEL_OPTIONAL
        added = message.field.add(name=field, json_name=field, number=number, label=label)
        if kind in SCALARS:
            added.type = SCALARS[kind]
        else:
            added.type, added.type_name = Field.TYPE_MESSAGE, f".{kind}"


@cache
def message_class(name: str) -> type[Message]:
    """The class of one of them."""
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(name))


def opaque(name: str, text: str) -> Message:
    """A value of an opaque type."""
    return message_class(name)(**{VALUE: text})


def text_of(value: Any) -> Any:
    """What an opaque value holds; any other is itself."""
    return getattr(value, VALUE) if isinstance(value, Message) else value


def request(fields: Mapping[str, Any]) -> Message:
    """The value of the variable `request`, which has no more of an AdmissionRequest than these fields."""
    known = {name: fields[name] for name in STRUCTURED[REQUEST] if fields.get(name) is not None}
    return message_class(REQUEST)(**known)
