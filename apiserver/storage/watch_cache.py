"""Shell: keeps every object of the store in memory, by one list and one watch, for all who read.

    store --list, watch--> WatchCache --by key prefix--> ObjectLog of pods, of nodes ... --> lists, watches

A consistent read asks the store only for its current revision, which is cheap, and waits until the cache
has it. The watch is over every key of the store, not only ours: then each revision comes by, and having
seen revision N means having all of ours up to N, without the store's progress notifications (which old
etcds send too early).

Invariants: `revision` grows only after all its changes are in the logs; one task writes, everyone else
reads.
After: k8s staging/src/k8s.io/apiserver/pkg/storage/cacher/cacher.go
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from apiserver.storage.entry import Entry
from apiserver.storage.frame_cache import FrameCache
from apiserver.storage.interface import Changes, Compacted, Storage, Unavailable
from apiserver.storage.object_log import Counts, ObjectLog
from kube.api import errors, meta
from kube.api.resources import Resource
from kube.base.backoff import Backoff
from kube.base.logs import logger

log = logger(__name__)

ROOT = "/registry/"
PAGE_KEYS = 2000
# How far back of the newest revision a server begins, so that watches go on over a restart of it.
HISTORY_REVISIONS = 1000
FUTURE_SECONDS = 3.0
BEHIND_SECONDS = 10.0


class SharedCall:
    """One call at a time; all who ask while it runs share the next one, which begins after they asked."""

    def __init__(self, call: Callable[[], Awaitable[int]]) -> None:
        self._call = call
        self._running: asyncio.Task[int] | None = None
        self._next: asyncio.Task[int] | None = None

    async def get(self) -> int:
        """The result of a call that began after this was asked."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._run(self._running))
        return await asyncio.shield(self._next)

    async def _run(self, before: asyncio.Task[int] | None) -> int:
        if before is not None:
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        return await self._call()


class WatchCache:
    """All objects of all kinds, and their recent history."""

    def __init__(self, storage: Storage, resources: Iterable[Resource]) -> None:
        self._storage = storage
        self._kinds: dict[str, Resource] = {}
        for resource in resources:
            if "list" in resource.verbs:
                self._kinds.setdefault(resource.storage_prefix() + "/", resource)
        self._logs = self._new_logs(0, {})
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._waiting_count = 0
        self._current = SharedCall(storage.current_revision)
        self.frames = FrameCache()
        self.revision = 0
        # What the logs hold, and the revision before which nobody reads them: at the start they catch up.
        self._followed = 0
        self._held_until = 0

    def _new_logs(self, revision: int, former: Mapping[str, ObjectLog]) -> dict[str, ObjectLog]:
        counts = {prefix: each.counts for prefix, each in former.items()}
        return {
            prefix: ObjectLog(kind, revision, counts.get(prefix) or Counts())
            for prefix, kind in self._kinds.items()
        }

    def logs(self) -> Iterable[ObjectLog]:
        """The logs of all kinds."""
        return self._logs.values()

    def log(self, resource: Resource) -> ObjectLog:
        """The log of a kind, whatever version of it was asked for."""
        return self._logs[resource.storage_prefix() + "/"]

    def find_log(self, resource: Resource) -> ObjectLog | None:
        """The same, for a kind that may not be kept here."""
        return self._logs.get(resource.storage_prefix() + "/")

    def get(self, resource: Resource, namespace: str, name: str) -> Entry | None:
        """What the cache has now; it may be behind the store by a moment."""
        key = f"{namespace}/{name}" if resource.namespaced else name
        entry: Entry | None = self.log(resource).objects.get(key)
        return entry

    async def find(self, resource: Resource, namespace: str, name: str) -> Entry | None:
        """The same; where there is nothing, what there is once the cache is up to date."""
        entry = self.get(resource, namespace, name)
        if entry is None:
            await self.consistent()
            entry = self.get(resource, namespace, name)
        return entry

    async def consistent(self) -> None:
        """Wait until the cache has every write acknowledged before this call; raises Unavailable."""
        revision = await self._current.get()
        if self.revision >= revision:
            return
        try:
            async with asyncio.timeout(BEHIND_SECONDS):
                await self.at_least(revision)
        except TimeoutError:
            raise Unavailable("the watch over the store is behind") from None

    async def at_least(self, revision: int) -> None:
        """Wait until the cache has seen the revision."""
        if self.revision >= revision:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting_count += 1
        heapq.heappush(self._waiting, (revision, self._waiting_count, future))
        try:
            await future
        except asyncio.CancelledError:
            # What was waited for may never come.
            self._waiting = [each for each in self._waiting if not each[2].done()]
            heapq.heapify(self._waiting)
            raise

    async def at_least_soon(self, revision: int) -> None:
        """Wait a little for a revision a client names; StatusError 504 when it lies in the future."""
        try:
            async with asyncio.timeout(FUTURE_SECONDS):
                await self.at_least(revision)
        except TimeoutError:
            raise errors.too_large_resource_version(revision, self.revision) from None

    async def run(self) -> None:
        """Follow the store for ever; start over when its history no longer reaches back to what we have."""
        backoff, is_filled = Backoff(0.1, 5.0), False
        while True:
            try:
                if not is_filled:
                    await self._fill()
                    is_filled = True
                async for changes in self._storage.watch(self._followed + 1):
                    backoff.reset()
                    self._apply(changes)
            except Compacted:
                log.warning(
                    "the store has forgotten what came after our revision, the cache is filled afresh"
                )
                is_filled = False
            except Unavailable as error:
                log.warning("the watch over the store broke", error=error)
            await asyncio.sleep(backoff.next())

    async def _fill(self) -> None:
        """List the whole store at a revision a little back, as far as it is kept; former watches end."""
        current = await self._storage.current_revision()
        revision, logs = max(current - HISTORY_REVISIONS, 1), None
        while logs is None:
            try:
                logs = await self._listed(revision)
            except Compacted:
                if revision >= current:
                    raise
                revision = (revision + current + 1) // 2
        former, self._logs = self._logs, logs
        for old in former.values():
            old.retire()
        for each in logs.values():
            each.counts.filled += 1
        self._held_until = 0 if self.revision else current
        self._reached(revision)
        objects = sum(len(each.objects) for each in logs.values())
        log.info("cache filled", revision=revision, newest_revision=current, objects=objects)

    async def _listed(self, revision: int) -> dict[str, ObjectLog]:
        """The logs as of a revision; raises Compacted."""
        logs, start = self._new_logs(revision, self._logs), ""
        while True:
            page = await self._storage.list(ROOT, start, PAGE_KEYS, revision)
            for stored in page.items:
                found = self._find(logs, stored.key)
                if found is None:
                    continue
                if stored.unreadable:
                    log.error("a value cannot be read", key=stored.key, why=stored.unreadable)
                    found[0].unreadable[found[1]] = stored.unreadable
                else:
                    with _no_object(stored.key):
                        found[0].fill(found[1], stored.value, stored.revision)
            if not page.remaining:
                return logs
            start = page.items[-1].key + "\0"

    def _find(self, logs: dict[str, ObjectLog], key: str) -> tuple[ObjectLog, str] | None:
        """The log a key belongs to and the object's key in it; prefixes have one segment or two."""
        end = key.find("/", len(ROOT))
        for _ in range(2):
            if end < 0:
                return None
            if (found := logs.get(key[: end + 1])) is not None:
                return found, key[end + 1 :]
            end = key.find("/", end + 1)
        return None

    def _apply(self, changes: Changes) -> None:
        touched: dict[str, ObjectLog] = {}
        for change in changes.changes:
            found = self._find(self._logs, change.key)
            if found is None:
                continue
            kind_log, key = found
            if change.unreadable:
                log.error("a value cannot be read", key=change.key, why=change.unreadable)
                kind_log.lose(key, change.revision, change.unreadable)
            elif change.value is None:
                kind_log.delete(key, change.revision)
            else:
                with _no_object(change.key):
                    kind_log.put(key, change.value, change.revision)
            touched[kind_log.resource.storage_prefix()] = kind_log
        self._reached(changes.revision)
        for kind_log in touched.values():
            kind_log.wake()

    def _reached(self, revision: int) -> None:
        self._followed = revision
        if revision < self._held_until:
            return
        self.revision = max(self.revision, revision)
        while self._waiting and self._waiting[0][0] <= self.revision:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                future.set_result(None)


@contextmanager
def _no_object(key: str) -> Iterator[None]:
    """Leave out a value that is no object: someone else wrote it, and the rest of the store is still good."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        log.error("the value of a key is no object, left out", key=key, error=error)


def storage_key(resource: Resource, namespace: str, name: str) -> str:
    """Where an object lives in the store."""
    prefix = resource.storage_prefix()
    return f"{prefix}/{namespace}/{name}" if resource.namespaced else f"{prefix}/{name}"


def object_key(resource: Resource, o: meta.Object) -> str:
    """Where this object lives in the store."""
    return storage_key(resource, meta.namespace(o), meta.name(o))
