"""Clocks for what depends on time, beside virtual time: they run, but not as the machine's does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from kube.base.clock import Clock


@dataclass
class Moved:
    """A clock that runs ahead of another."""

    clock: Clock
    ahead: timedelta = timedelta(0)

    def now(self) -> datetime:
        return self.clock.now() + self.ahead


@dataclass
class Jumping:
    """A clock that jumps, if told to, before one of the next looks."""

    clock: Clock
    jump: timedelta
    ahead: timedelta = timedelta(0)
    looks: int = -1

    def now(self) -> datetime:
        if self.looks == 0:
            self.ahead += self.jump
        self.looks -= 1
        return self.clock.now() + self.ahead
