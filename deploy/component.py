"""Shell: one process over all its lives: what it is doing, and whether it may be started.

    Waiting -> Running -> (ended) -> Restarting -> Running ..
                  '-> Killed, when somebody asked for that: no start until somebody asks again

Absent: starting and ending; the supervisor does, and tells what happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from deploy.identity import Identity
from deploy.processes import Process
from kube.api.meta import format_time
from kube.base.backoff import Backoff

RESTART_SECONDS_MIN = 1.0
RESTART_SECONDS_MAX = 5.0
# One that ran this long before it ended is started again after the shortest wait: killing is usual here.
HEALTHY_SECONDS = 10.0


class State(StrEnum):
    """What `status` shows."""

    WAITING = "Waiting"
    RUNNING = "Running"
    PAUSED = "Paused"
    RESTARTING = "Restarting"
    KILLED = "Killed"


@dataclass(slots=True)
class Component:
    """Who runs now (`identity`), how the one before ended (`last_code`), and whether it is `held` dead.

    `is_hurried`: the next start does not wait, for somebody asked. `asked` wakes whoever waits to start it,
    `_changed` whoever waits for what becomes of it.
    """

    process: Process
    identity: Identity | None = None
    state: State = State.WAITING
    restarts: int = 0
    last_code: int | None = None
    started_at: datetime | None = None
    is_held: bool = False
    is_hurried: bool = False
    backoff: Backoff = field(default_factory=lambda: Backoff(RESTART_SECONDS_MIN, RESTART_SECONDS_MAX))
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        return self.process.name

    def runs(self, identity: Identity, started_at: datetime) -> None:
        """Take note of a start."""
        self.identity, self.started_at = identity, started_at
        self._become(State.RUNNING)

    def ended(self, code: int | None, lived_seconds: float) -> float | None:
        """Take note of an end; how long to wait before the next start, None: until somebody asks."""
        self.identity, self.last_code = None, code
        self._become(State.KILLED if self.is_held else State.RESTARTING)
        if self.is_held:
            return None
        if self.is_hurried or lived_seconds > HEALTHY_SECONDS:
            self.backoff.reset()
        return 0.0 if self.is_hurried else self.backoff.next()

    def hold(self) -> None:
        """Dead from now on, as soon as what runs has ended."""
        self.is_held = True
        if self.identity is None:
            self._become(State.KILLED)
        self.asked.set()

    def hurry(self) -> None:
        """To be started without waiting, whether it was held or not."""
        self.is_held, self.is_hurried = False, True
        self.asked.set()

    async def may_start(self, delay: float | None) -> None:
        """Return after this many seconds (None: never), or when somebody asks; not while it is held."""
        while True:
            self.asked.clear()
            try:
                async with asyncio.timeout(delay):
                    await self.asked.wait()
            except TimeoutError:
                break
            if not self.is_held:
                break
            delay = None
        self.is_hurried = False

    async def until(self, holds: Callable[[], bool]) -> None:
        """Return when a condition of this component holds."""
        while not holds():
            await self._changed.wait()

    def _become(self, state: State) -> None:
        self.state = state
        self._changed.set()
        self._changed.clear()

    def status(self) -> dict[str, Any]:
        """As the control socket answers."""
        is_paused = self.identity is not None and self.identity.is_paused()
        return {
            "name": self.name,
            "module": self.process.module,
            "state": State.PAUSED if is_paused else self.state,
            "pid": self.identity.pid if self.identity else None,
            "restarts": self.restarts,
            "lastExitCode": self.last_code,
            "startedAt": format_time(self.started_at) if self.started_at else None,
            "healthURL": self.process.health_url,
        }
