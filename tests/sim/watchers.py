"""Clients that watch: through the member's real watch service, and at another one when the stream breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from etcdlite.pb import rpc_pb2
from tests.sim.checkers.watch_guarantees import Watching
from tests.sim.context import Refused, Stream
from tests.sim.faults import Faults
from tests.sim.member import Member
from tests.sim.workload import END, KEYS

PROGRESS_CHANCE = 0.05


@dataclass
class Watcher:
    """One of them; without a stream it will open one."""

    watching: Watching
    member: int = 0
    stream: Stream | None = None
    task: asyncio.Task[Any] | None = None
    next_look_at: int = 0

    def hang_up(self) -> None:
        if self.task is not None:
            self.task.cancel()
        self.stream = self.task = None


class Watchers:
    """`heard(watching, response)` is told of every response, as it comes."""

    def __init__(self, random: Random, faults: Faults, heard: Callable[[Watching, Any], None]) -> None:
        self._random = random
        self._faults = faults
        self._heard = heard
        self.is_calm = False
        self.all = [Watcher(self._draw(number)) for number in range(faults.watch_count)]

    def _draw(self, number: int) -> Watching:
        key, range_end = self._random.choice(((KEYS[0], END), (b"\0", b"\0"), (KEYS[1], b""), KEYS[1:3]))
        return Watching(
            f"watch {number} of {key!r}..{range_end!r}",
            key,
            range_end,
            prev_kv=self._random.random() < 0.5,
            no_put=self._random.random() < 0.1,
            no_delete=self._random.random() < 0.1,
            next_revision=self._random.choice((0, 2)),
        )

    def act(self, now: int, members: list[Member]) -> None:
        """Connect whoever is not, ask for progress now and then, and break streams."""
        ids = {member.id for member in members}
        for watcher in self.all:
            if self.is_calm and watcher.member not in ids:
                watcher.hang_up()
            if watcher.stream is None and members:
                self._open(watcher, self._random.choice(members))
            elif watcher.stream is not None and self._random.random() < PROGRESS_CHANCE:
                request = rpc_pb2.WatchProgressRequest()
                watcher.stream.ask(rpc_pb2.WatchRequest(progress_request=request))
            if not self.is_calm and self._random.random() < self._faults.watch_broken:
                watcher.hang_up()

    def _open(self, watcher: Watcher, member: Member) -> None:
        watcher.member, watcher.stream = member.id, Stream()
        watcher.stream.ask(watcher.watching.request())
        watcher.task = member.machine.spawn(member.services.watch.Watch(watcher.stream, watcher.stream))

    def collect(self, now: int) -> None:
        """Take what is there, each at its own pace."""
        for watcher in self.all:
            if watcher.stream is None or now < watcher.next_look_at:
                continue
            pause_max = 0 if self.is_calm else self._faults.watch_pause_max
            watcher.next_look_at = now + self._random.randint(0, pause_max)
            response = watcher.stream.take()
            if response is not None:
                self._heard(watcher.watching, response)
            if watcher.task is not None and watcher.task.done():
                self._ended(watcher, watcher.task)
            elif response is not None and response.canceled:
                watcher.hang_up()

    def _ended(self, watcher: Watcher, task: asyncio.Task[Any]) -> None:
        watcher.hang_up()
        try:
            task.result()
        except Refused:
            pass

    def abandon(self, member_id: int) -> None:
        """A member crashed, and its streams with it; what was under way is lost."""
        for watcher in self.all:
            if watcher.member == member_id:
                watcher.hang_up()
