"""Core: the compiled form of an expression as a tree, which is cel-spec's CheckedExpr.

Only what others here look at or change is described; protobuf keeps the rest as it is.

After: github.com/google/cel-spec proto/cel/expr/{checked,syntax}.proto
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

Field = descriptor_pb2.FieldDescriptorProto
# Message -> field -> (number, type, is repeated); a type in lower case is a scalar.
MESSAGES: Mapping[str, Mapping[str, tuple[int, str, bool]]] = {
    "Checked": {
        "reference_map": (2, "ReferenceEntry", True),
        "expr": (4, "Expr", False),
        "source_info": (5, "Source", False),
    },
    "ReferenceEntry": {"key": (1, "int64", False), "value": (2, "Reference", False)},
    "Reference": {"name": (1, "string", False), "overload_id": (3, "string", True)},
    "Expr": {
        "id": (2, "int64", False),
        "const_expr": (3, "Constant", False),
        "ident_expr": (4, "Ident", False),
        "select_expr": (5, "Select", False),
        "call_expr": (6, "Call", False),
        "list_expr": (7, "List", False),
        "struct_expr": (8, "Struct", False),
        "comprehension_expr": (9, "Comprehension", False),
    },
    "Source": {"positions": (4, "PositionEntry", True)},
    "PositionEntry": {"key": (1, "int64", False), "value": (2, "int64", False)},
    "Constant": {"null_value": (1, "int64", False), "string_value": (6, "string", False)},
    "Ident": {"name": (1, "string", False)},
    "Select": {"operand": (1, "Expr", False), "field": (2, "string", False), "test_only": (3, "bool", False)},
    "Call": {"target": (1, "Expr", False), "function": (2, "string", False), "args": (3, "Expr", True)},
    "List": {"elements": (1, "Expr", True)},
    "Struct": {"entries": (2, "Entry", True)},
    "Entry": {"map_key": (3, "Expr", False), "value": (4, "Expr", False)},
    "Comprehension": {
        "iter_range": (2, "Expr", False),
        "accu_init": (4, "Expr", False),
        "loop_condition": (5, "Expr", False),
        "loop_step": (6, "Expr", False),
        "result": (7, "Expr", False),
    },
}
SCALARS = {"int64": Field.TYPE_INT64, "string": Field.TYPE_STRING, "bool": Field.TYPE_BOOL}
PACKAGE = "kubelite.cel"
CHECKED_TYPE = "type.googleapis.com/cel.expr.CheckedExpr"


def read(serialized: bytes) -> Any:
    """The tree of what the library has written: a CheckedExpr in an Any."""
    return message("Checked").FromString(any_pb2.Any.FromString(serialized).value)


def written(checked: Any) -> bytes:
    """A tree as the library reads it."""
    return any_pb2.Any(type_url=CHECKED_TYPE, value=checked.SerializeToString()).SerializeToString()


def nodes(node: Any) -> Iterator[Any]:
    """An expression and all that are in it."""
    yield node
    for child in children(node):
        yield from nodes(child)


def children(node: Any) -> Iterator[Any]:
    """The expressions right below one, or below one of its entries."""
    for _, part in node.ListFields():
        if isinstance(part, Message):
            yield from _expressions(part)


def _expressions(part: Any) -> Iterator[Any]:
    for field, value in part.ListFields():
        if field.message_type is None:
            continue
        for each in value if field.is_repeated else (value,):
            if field.message_type.name == "Expr":
                yield each
            else:
                yield from _expressions(each)


@cache
def message(name: str) -> Any:
    """The class of one of the messages."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(name="cel.proto", package=PACKAGE, syntax="proto2")
    for name, fields in MESSAGES.items():
        described = file.message_type.add(name=name)
        for field, (number, kind, is_repeated) in fields.items():
            label = Field.LABEL_REPEATED if is_repeated else Field.LABEL_OPTIONAL
            added = described.field.add(name=field, number=number, label=label)
            if kind in SCALARS:
                added.type = SCALARS[kind]
            else:
                added.type, added.type_name = Field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
    made = descriptor_pool.DescriptorPool()
    made.AddSerializedFile(file.SerializeToString())
    return made
