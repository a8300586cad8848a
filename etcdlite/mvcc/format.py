"""Core: which layout of log and rows this release writes, so that an older one refuses what it cannot read.

The number goes up when a reader of the old layout would misread the new. Data without a number is the first.
"""

from __future__ import annotations

FORMAT = 1
FORMAT_KEY = b"format"  # of its row in the meta bucket


def encode_format() -> bytes:
    """The row that says which layout this is."""
    return FORMAT.to_bytes(4, "big")


def refuse_format(row: bytes | None) -> str:
    """Why rows of this layout are not read; "" if they are."""
    found = FORMAT if row is None else int.from_bytes(row, "big")
    return "" if found <= FORMAT else f"written by a newer release (format {found}; this one reads {FORMAT})"
