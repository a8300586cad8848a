"""Shell: the one place that reads the wall clock.

Everything else takes a `Clock` (or a `now`) from its main, so that tests and simulations say what time it is.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Says what time it is, as an aware UTC datetime."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 -- this file owns it
