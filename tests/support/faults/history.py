"""What the store told a watcher, compared with what it says when it is asked for any revision.

The watch begins at a revision and survives whatever happens to the members. Afterwards the checker plays its
events over the state before them, and at every revision all three members, in turn, must say the same: no
event is missing, none is told twice, and members that were killed, paused or cut off have the same history.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from etcdlite.client import Client, prefix_end
from etcdlite.pb import kv_pb2
from tests.support.faults.writer import Acknowledged
from tests.support.wait import until_async

PREFIX = b"/registry/"
END = prefix_end(PREFIX)
# How many revisions are looked at together; the last of them whole.
STRIDE = 50


@dataclass(frozen=True, slots=True)
class Stored:
    """A key as it stands in the store."""

    revision: int
    created: int
    version: int
    value: bytes


State = dict[bytes, Stored]


@dataclass
class History:
    """Every event under /registry/ from `first` on, by revision."""

    client: Client
    first: int = 0
    told: dict[int, list[kv_pb2.Event]] = field(default_factory=dict)
    until: int = 0

    async def begin(self) -> None:
        """The first revision is the next one."""
        self.first = (await self.client.range_(PREFIX)).header.revision + 1
        self.until = self.first - 1

    async def run(self) -> None:
        async with self.client.watch(PREFIX, END, start_revision=self.first) as watch:
            async for response in watch:
                for event in response.events:
                    self._hear(event)
                self.until = max(self.until, response.events[-1].kv.mod_revision if response.events else 0)

    def _hear(self, event: kv_pb2.Event) -> None:
        revision = event.kv.mod_revision
        assert revision > self.until, f"revision {revision} was told after {self.until}"
        same = self.told.setdefault(revision, [])
        assert event.kv.key not in {each.kv.key for each in same}, f"{event.kv.key!r} twice at {revision}"
        same.append(event)

    async def caught_up(self) -> None:
        """Return when all was told that was written before."""
        answer = await self.client.range_(PREFIX, END, keys_only=True)
        newest = max(each.mod_revision for each in answer.kvs)
        await until_async(f"the watch has told revision {newest}", lambda: self.until >= newest)


async def check(history: History, members: Sequence[Client]) -> int:
    """Compare with a Range at every revision, each time at the next member; how many there were.

    Most of them give what the revision changed, and count all keys; each that ends a stride gives all.
    """
    state = (await _range(members[0], history.first - 1))[0]
    for first in range(history.first, history.until + 1, STRIDE):
        revisions = range(first, min(first + STRIDE, history.until + 1))
        # Asked at once, so that all members are at work.
        answers = await asyncio.gather(
            *(
                _range(members[each % len(members)], each, 0 if each == revisions[-1] else each)
                for each in revisions
            )
        )
        for revision, (said, count) in zip(revisions, answers, strict=True):
            events = history.told.get(revision, ())
            _play(state, events)
            is_whole = revision == revisions[-1]
            played = state if is_whole else {e.kv.key: state[e.kv.key] for e in events if e.kv.key in state}
            assert said == played, f"revision {revision}: {_difference(said, played)}"
            assert count == len(state), f"revision {revision}: {count} keys, the watch leaves {len(state)}"
    return history.until + 1 - history.first


def check_acknowledged(history: History, acknowledged: Sequence[Acknowledged]) -> None:
    """Every acknowledged write stands in the history as it was acknowledged, and no increment was lost."""
    written = {
        (revision, event.kv.key.rsplit(b"/", 1)[1].decode()): event.kv
        for revision, events in history.told.items()
        for event in events
        if event.type == kv_pb2.Event.PUT
    }
    for each in acknowledged:
        assert (each.revision, each.name) in written, f"acknowledged and lost: {each}"
        assert _counter(written[each.revision, each.name].value) == each.counter, each
    names = {each.name for each in acknowledged}
    for (_, name), kv in written.items():
        assert name not in names or _counter(kv.value) == kv.version, f"an increment of {name} was lost: {kv}"


def _counter(value: bytes) -> int:
    return int(json.loads(value)["data"]["counter"])


async def _range(client: Client, revision: int, least: int = 0) -> tuple[State, int]:
    """What was changed since the revision `least`, and how many keys there were in all."""
    answer = await client.range_(PREFIX, END, revision=revision, serializable=True, min_mod_revision=least)
    found = {kv.key: Stored(kv.mod_revision, kv.create_revision, kv.version, kv.value) for kv in answer.kvs}
    return found, answer.count


def _play(state: State, events: Sequence[kv_pb2.Event]) -> None:
    for event in events:
        kv = event.kv
        if event.type == kv_pb2.Event.DELETE:
            assert kv.key in state, f"{kv.key!r} was deleted at {kv.mod_revision}, but was not there"
            del state[kv.key]
        else:
            state[kv.key] = Stored(kv.mod_revision, kv.create_revision, kv.version, kv.value)


def _difference(said: State, played: State) -> str:
    keys = [key for key in {*said, *played} if said.get(key) != played.get(key)]
    return "; ".join(f"{key!r}: Range says {said.get(key)}, the watch {played.get(key)}" for key in keys[:3])
