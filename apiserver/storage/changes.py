"""Shell: waits for changes of a few kinds in the watch cache, for loops of this process that follow them.

After: client-go's informers, whose place in the API server the watch cache takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from apiserver.storage.entry import Entry
from apiserver.storage.object_log import Cursor, TooOld
from apiserver.storage.watch_cache import WatchCache
from kube.api.resources import Resource


class Changes:
    """A place in the logs of several kinds."""

    def __init__(self, cache: WatchCache, kinds: Iterable[Resource]) -> None:
        self._cache = cache
        self._cursors = {kind: self._end(kind) for kind in kinds}

    def _end(self, kind: Resource) -> Cursor:
        return self._cache.log(kind).end(self._cache.revision)

    async def next(self) -> list[tuple[Resource, Entry]]:
        """The objects that have changed since; of a kind whose changes are no longer kept, all there are."""
        while not (found := [each for kind in self._cursors for each in self._taken(kind)]):
            woken = asyncio.Event()
            for cursor in self._cursors.values():
                cursor.wait(woken.set)
            try:
                await woken.wait()
            finally:
                for cursor in self._cursors.values():
                    cursor.stop_waiting()
        return found

    def _taken(self, kind: Resource) -> list[tuple[Resource, Entry]]:
        try:
            return [(kind, event.entry) for event in self._cursors[kind].take()]
        except TooOld:
            self._cursors[kind] = self._end(kind)
            return [(kind, entry) for entry in self._cache.log(kind).objects.values()]
