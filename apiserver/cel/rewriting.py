"""Core: mends, in a compiled expression, what the C++ library does otherwise than Kubernetes, or not at all.

has(oldObject.spec)              a field of null is absent there, and an error here:
                                   oldObject != null && has(oldObject.spec)
oldObject.?spec                  the same: oldObject != null ? oldObject.?spec : optional.none()
m.transformMap(k, v, e)          its last step has no implementation: one of ours is called
format.uri().validate(s)         a function of ours can give no optional value, only what one is made of

"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf.message import Message

from apiserver.cel import tree
from apiserver.cel.library import maps

# What may be null of the variables.
NULLABLE = ("object", "oldObject", "params", "namespaceObject")
# Only expressions with one of these are looked at.
MARKS = re.compile(r"has\s*\(|\.\s*\?|transformMap|validate|format\s*\.\s*named")
OPTIONAL_SELECT = "_?._"
INSERT = "cel.@mapInsert"
# Functions whose result becomes an optional value, and what is called in their place.
MADE_OPTIONAL = {"validate": "@problems", "format.named": "@named"}


def is_to_be_mended(text: str) -> bool:
    """Whether there may be something for `mended` to do."""
    return MARKS.search(text) is not None


def mended(serialized: bytes) -> bytes:
    """A compiled expression as the library writes it, which is a CheckedExpr in an Any, mended."""
    checked = tree.read(serialized)
    _Mender(checked).mend(checked.expr)
    return tree.written(checked)


class _Mender:
    """Goes through a tree from its leaves up; new nodes get numbers that are free."""

    def __init__(self, checked: Any) -> None:
        self._references = checked.reference_map
        self._last = max(node.id for node in tree.nodes(checked.expr))

    def mend(self, node: Any) -> None:
        for child in tree.children(node):
            self.mend(child)
        if node.HasField("select_expr") and node.select_expr.test_only:
            self._guard(node, node.select_expr.operand, self._and)
        elif node.HasField("call_expr"):
            called = node.call_expr.function
            if called == OPTIONAL_SELECT:
                self._guard(node, node.call_expr.args[0], self._or_none)
            elif called == INSERT:
                node.call_expr.function = maps.NAME
                self._refer(node.id, [each.id for each in maps.FUNCTIONS])
            elif called in MADE_OPTIONAL:
                self._make_optional(node, MADE_OPTIONAL[called])

    def _guard(self, node: Any, operand: Any, guarded: Callable[[Any, Any], Any]) -> None:
        """Look at a field only of what is not null."""
        if operand.ident_expr.name not in NULLABLE:
            return
        name = operand.ident_expr.name
        variable = self._new(ident_expr=tree.message("Ident")(name=name))
        self._references.add(key=variable.id, value=tree.message("Reference")(name=name))
        null = self._new(const_expr=tree.message("Constant")(null_value=0))
        node.CopyFrom(guarded(self._call("_!=_", "not_equals", variable, null), _copy(node)))

    def _and(self, condition: Any, then: Any) -> Any:
        return self._call("_&&_", "logical_and", condition, then)

    def _or_none(self, condition: Any, then: Any) -> Any:
        return self._call(
            "_?_:_", "conditional", condition, then, self._call("optional.none", "optional_none")
        )

    def _make_optional(self, node: Any, instead: str) -> None:
        inner = _copy(node)
        inner.call_expr.function = instead
        self._refer(inner.id, [instead])
        outer = self._call("optional.ofNonZeroValue", "optional_ofNonZeroValue", inner)
        node.CopyFrom(outer)

    def _call(self, function: str, overload: str, *arguments: Any) -> Any:
        made = self._new(call_expr=tree.message("Call")(function=function, args=arguments))
        self._references.add(key=made.id, value=tree.message("Reference")(overload_id=[overload]))
        return made

    def _new(self, **parts: Message) -> Any:
        self._last += 1
        return tree.message("Expr")(id=self._last, **parts)

    def _refer(self, id: int, overloads: Sequence[str]) -> None:
        """Say which of the overloads a call may be to."""
        for entry in self._references:
            if entry.key == id:
                entry.value.overload_id[:] = overloads


def _copy(node: Any) -> Any:
    made = tree.message("Expr")()
    made.CopyFrom(node)
    return made
