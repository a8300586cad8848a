"""Core: Kubernetes quantities: `100m`, `1.5Gi`, `2e3`, exact and in canonical text.

A quantity is a number with a suffix family: decimal (`m`, none, `k`, `M`, ...), binary (`Ki`, `Mi`, ...) or
exponent (`e3`). The canonical text keeps the family, has no fraction, and the largest suffix that allows
that: `1024Mi` is `1Gi`, `0.5` is `500m`, `1.5Gi` is `1536Mi`. Nothing finer than a nano is kept; it is
rounded up.

After: k8s staging/src/k8s.io/apimachinery/pkg/api/resource/quantity.go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, total_ordering
from math import ceil

DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
TEXT = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([a-zA-Z]*))", re.ASCII)
NANO = Fraction(1, 10**9)
# A cluster writes the same few texts over and over.
TEXTS_MAX = 4096
# Numbers with more digits, or greater exponents, are no amounts; they would take hours to write out.
TEXT_CHARS_MAX = 512
EXPONENT_MAX = 1000
AMOUNT_MAX = 10**480
MALFORMED = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """An exact amount; `family` (decimal, binary or exponent) is only how it is written."""

    amount: Fraction
    family: str = "decimal"

    def value(self) -> int:
        """The amount in whole units, rounded up."""
        return ceil(self.amount)

    def milli_value(self) -> int:
        """The amount in thousandths, rounded up: 0.5 cpu is 500."""
        return ceil(self.amount * 1000)

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.amount + other.amount, self.family if self.amount else other.family)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.amount - other.amount, self.family if self.amount else other.family)

    def __neg__(self) -> Quantity:
        return Quantity(-self.amount, self.family)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.amount == other.amount

    def __lt__(self, other: Quantity) -> bool:
        return self.amount < other.amount

    def __hash__(self) -> int:
        return hash(self.amount)

    def __bool__(self) -> bool:
        return self.amount != 0

    def __str__(self) -> str:
        return format(self)


ZERO = Quantity(Fraction(0))


@lru_cache(TEXTS_MAX)
def _parse_text(text: str) -> Quantity:
    found = TEXT.fullmatch(text)
    if found is None:
        raise ValueError(MALFORMED)
    number, exponent, suffix = found.groups()
    if exponent:
        power, family = int(exponent[1:]), "exponent"
        factor = Fraction(10) ** power if abs(power) <= EXPONENT_MAX else None
    elif suffix in BINARY:
        factor, family = Fraction(2 ** BINARY[suffix]), "binary"
    else:
        factor, family = Fraction(10) ** DECIMAL[suffix] if suffix in DECIMAL else None, "decimal"
    if factor is None or abs(amount := Fraction(number) * factor) > AMOUNT_MAX:
        raise ValueError(MALFORMED)
    return Quantity(_to_nano(amount), family)


def _to_nano(amount: Fraction) -> Fraction:
    """Round away from zero to a whole number of nanos."""
    nanos = amount / NANO
    return (ceil(nanos) if nanos > 0 else -ceil(-nanos)) * NANO


def parse(value: str | int | float | None) -> Quantity:
    """The quantity of a JSON value; ValueError when it is none. Null is zero."""
    if value is None:
        return ZERO
    assert not isinstance(value, bool), "a boolean is no quantity"
    return _parse_text(_text(value))


def canonical(value: str | int | float) -> str:
    """The canonical text of a JSON value; ValueError when it is no quantity."""
    return _canonical_text(_text(value))


def _text(value: str | int | float) -> str:
    """A value's text, before anybody remembers it; ValueError for one that is too long."""
    text = value if isinstance(value, str) else repr(value)
    if len(text) > TEXT_CHARS_MAX:
        raise ValueError(MALFORMED)
    return text


@lru_cache(TEXTS_MAX)
def _canonical_text(text: str) -> str:
    return format(_parse_text(text))


def format(quantity: Quantity) -> str:
    """The canonical text."""
    amount = quantity.amount
    if quantity.family == "binary" and abs(amount) >= 1024 and amount.denominator == 1:
        return _format_binary(amount.numerator)
    if quantity.family == "exponent":
        return _format_decimal(amount, {f"e{power}" if power else "": power for power in range(-9, 19, 3)})
    return _format_decimal(amount, DECIMAL)


def _format_binary(amount: int) -> str:
    for suffix, power in reversed(BINARY.items()):
        if amount % 2**power == 0:
            return f"{amount // 2**power}{suffix}"
    return str(amount)


def _format_decimal(amount: Fraction, suffixes: dict[str, int]) -> str:
    for suffix, power in sorted(suffixes.items(), key=lambda item: -item[1]):
        scaled = amount / Fraction(10) ** power
        if amount and scaled.denominator == 1:
            return f"{scaled}{suffix}"
    assert amount == 0, "nothing is finer than a nano"
    return "0"
