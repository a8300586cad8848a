"""Core: quantity(), and what one may ask a quantity.

The opaque value is the exact amount, so that equal quantities are equal however they were written.

After: k8s staging/src/k8s.io/apiserver/pkg/cel/library/quantity.go
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from apiserver.cel.library.function import Function
from kube.api import quantity

TYPE = "kubernetes.Quantity"
INT_MAX = 2**63 - 1
NANO = 10**9


def _parse(text: str) -> str:
    return str(quantity.parse(text).amount)


def _is_quantity(text: str) -> bool:
    try:
        _parse(text)
    except ValueError:
        return False
    return True


def _sign(amount: str) -> int:
    return _compare(amount, "0")


def _compare(one: str, other: str) -> int:
    first, second = Fraction(one), Fraction(other)
    return (first > second) - (first < second)


def _is_integer(amount: str) -> bool:
    value = Fraction(amount)
    return value.denominator == 1 and -INT_MAX - 1 <= value <= INT_MAX


def _as_integer(amount: str) -> int:
    if not _is_integer(amount):
        raise ValueError("cannot convert value to integer")
    return int(amount)


def _divide(amount: str, by: int, digits: int = 4) -> str:
    if by == 0:
        raise ValueError("division by zero error")
    if not 0 <= digits <= 10:
        raise ValueError(f"the valid range for roundVal is 0 to 10 but {digits} was passed")
    return str(Fraction(round(Fraction(amount) / by, digits)))


def _divide_whole(amount: str, by: int) -> str:
    if by == 0:
        raise ValueError("division by zero error")
    exact = Fraction(amount) / by
    return str(-ceil(-exact) if exact >= 0 else ceil(exact))


def _added(one: str, other: str | int) -> str:
    return str(Fraction(one) + Fraction(other))


def _less(one: str, other: str | int) -> str:
    return str(Fraction(one) - Fraction(other))


FUNCTIONS = (
    Function("quantity", "string_to_quantity", ("string",), TYPE, _parse, is_member=False),
    Function("isQuantity", "is_quantity_string", ("string",), "bool", _is_quantity, is_member=False),
    Function("sign", "quantity_sign", (TYPE,), "int", _sign),
    Function(
        "isGreaterThan", "quantity_is_greater_than", (TYPE, TYPE), "bool", lambda a, b: _compare(a, b) > 0
    ),
    Function("isLessThan", "quantity_is_less_than", (TYPE, TYPE), "bool", lambda a, b: _compare(a, b) < 0),
    Function("compareTo", "quantity_compare_to", (TYPE, TYPE), "int", _compare),
    Function("asApproximateFloat", "quantity_get_float", (TYPE,), "double", lambda a: float(Fraction(a))),
    Function("asInteger", "quantity_get_int", (TYPE,), "int", _as_integer),
    Function("isInteger", "quantity_is_integer", (TYPE,), "bool", _is_integer),
    Function("add", "quantity_add", (TYPE, TYPE), TYPE, _added),
    Function("add", "quantity_add_int", (TYPE, "int"), TYPE, _added),
    Function("sub", "quantity_sub", (TYPE, TYPE), TYPE, _less),
    Function("sub", "quantity_sub_int", (TYPE, "int"), TYPE, _less),
    Function("mul", "quantity_multiply_int", (TYPE, "int"), TYPE, lambda a, by: str(Fraction(a) * by)),
    Function("div", "quantity_divide_int_default_rounding", (TYPE, "int"), TYPE, _divide),
    Function("div", "quantity_divide_int_round", (TYPE, "int", "int"), TYPE, _divide),
    Function("divInt", "quantity_divide_int", (TYPE, "int"), TYPE, _divide_whole),
)
