"""Core: how long to wait before the next try, longer each time, up to a maximum.

Chance comes from outside: without a `random`, `jitter` adds nothing and the series is exact.
After: k8s client-go util/flowcontrol and apimachinery wait.Backoff.
"""

from __future__ import annotations

from typing import Protocol


class Chance(Protocol):
    """The one method of `random.Random` that a jitter needs."""

    def random(self) -> float: ...


class Backoff:
    """A growing series of delays in seconds.

    `jitter` is the largest share of the delay that chance adds: 0.2 makes 10 s into 10 to 12 s.
    """

    def __init__(
        self,
        initial: float,
        maximum: float,
        factor: float = 2.0,
        jitter: float = 0.0,
        random: Chance | None = None,
    ) -> None:
        assert 0 < initial <= maximum, f"backoff from {initial} to {maximum}"
        assert factor >= 1.0, f"a backoff does not shrink: {factor}"
        self._initial, self._maximum, self._factor = initial, maximum, factor
        self._jitter, self._random = jitter, random
        self._delay = initial

    def next(self) -> float:
        """The delay before this try; the following one is longer."""
        delay = self._delay
        self._delay = min(self._delay * self._factor, self._maximum)
        if self._random is not None:
            delay += delay * self._jitter * self._random.random()
        return delay

    def reset(self) -> None:
        """Start over, after a success."""
        self._delay = self._initial
