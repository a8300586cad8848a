"""The API server's Storage in memory: the twin of EtcdStorage, held to the same contract test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from sortedcontainers import SortedDict

from apiserver.storage.interface import Change, Changes, Compacted, KeyExists, Page, Stale, Stored


class MemoryStorage:
    """Keys, and the log of all changes; a past state is the log replayed."""

    def __init__(self, log: Sequence[Change] = ()) -> None:
        self.log = list(log)
        self.revision = self.log[-1].revision if log else 1
        self._keys = self._at(self.revision)
        self._compacted = 0
        self._changed = asyncio.Event()

    async def get(self, key: str) -> Stored | None:
        return self._keys.get(key)

    async def create(self, key: str, value: bytes, ttl_seconds: int = 0) -> int:
        if key in self._keys:
            raise KeyExists
        return self._write(key, value)

    async def update(self, key: str, value: bytes, expected_revision: int, ttl_seconds: int = 0) -> int:
        self._guard(key, expected_revision)
        return self._write(key, value)

    async def delete(self, key: str, expected_revision: int) -> int:
        self._guard(key, expected_revision)
        return self._write(key, None)

    def _guard(self, key: str, expected_revision: int) -> None:
        found = self._keys.get(key)
        if (found.revision if found else 0) != expected_revision:
            raise Stale(found)

    def _write(self, key: str, value: bytes | None) -> int:
        self.revision += 1
        self.log.append(Change(key, value, self.revision))
        if value is None:
            del self._keys[key]
        else:
            self._keys[key] = Stored(key, value, self.revision)
        self._changed.set()
        self._changed = asyncio.Event()
        return self.revision

    async def list(self, prefix: str, start: str = "", limit: int = 0, revision: int = 0) -> Page:
        if revision and revision < self._compacted:
            raise Compacted
        keys = self._at(revision) if revision else self._keys
        found = [
            stored for key, stored in keys.items() if key >= (start or prefix) and key.startswith(prefix)
        ]
        items = found[:limit] if limit else found
        return Page(items, revision or self.revision, len(found) - len(items))

    def _at(self, revision: int) -> SortedDict[str, Stored]:
        keys: SortedDict[str, Stored] = SortedDict()
        for change in self.log:
            if change.revision > revision:
                break
            if change.value is None:
                keys.pop(change.key, None)
            else:
                keys[change.key] = Stored(change.key, change.value, change.revision)
        return keys

    async def current_revision(self) -> int:
        return self.revision

    async def watch(self, start_revision: int) -> AsyncIterator[Changes]:
        if start_revision < self._compacted:
            raise Compacted
        position = next(
            (i for i, each in enumerate(self.log) if each.revision >= start_revision), len(self.log)
        )
        while True:
            while position < len(self.log):
                change = self.log[position]
                position += 1
                yield Changes(change.revision, [change])
            await self._changed.wait()

    async def compact(self, revision: int) -> None:
        self._compacted = revision
