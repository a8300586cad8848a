"""Shell: keeps a copy of one kind's objects in step with the API server: list once, then watch for ever.

    list -> replace(objects)          the state at resourceVersion V
    watch from V -> apply(event)      every change after V, once, in order; bookmarks only move V
    the watch ends cleanly            watch again from the last V: nothing was missed, nothing is listed
    the connection breaks             the same, after a short wait, perhaps at another server
    410 Expired                       V is older than the server's history: list again

Two starts close together without an event between them also wait, so that a server that ends every watch at
once is not asked in a loop.

After: k8s staging/src/k8s.io/client-go/tools/cache/reflector.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Protocol

from kube.api import errors, meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import Resource
from kube.api.watch import BOOKMARK, WatchEvent
from kube.base.backoff import Backoff, Chance
from kube.base.logs import logger
from kube.client.rest import Client, ConnectionFailed

log = logger(__name__)

RETRY_SECONDS_MIN = 0.1
# Short, so that a cluster is whole again soon after its API server is back.
RETRY_SECONDS_MAX = 2.0
# Watches end after 5 to 10 minutes, so that those of many clients do not all end at once.
WATCH_SECONDS_MIN = 300
RELIST_SECONDS_MAX = 30.0
SHORT_WATCH_SECONDS = 1.0


class Target(Protocol):
    """What a reflector fills."""

    def replace(self, objects: Sequence[Object]) -> None: ...

    def apply(self, event: WatchEvent) -> None: ...


class Reflector:
    """Lists and watches one resource into a target, until cancelled."""

    def __init__(
        self,
        client: Client,
        resource: Resource,
        target: Target,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        *,
        metadata_only: bool = False,
        random: Chance | None = None,
    ) -> None:
        self._client, self._resource, self._target = client, resource, target
        self._namespace = namespace
        self._label_selector, self._field_selector = label_selector, field_selector
        self._metadata_only = metadata_only
        self._random = random
        self._backoff = Backoff(RETRY_SECONDS_MIN, RETRY_SECONDS_MAX, jitter=0.2, random=random)
        # Lists are dear: a server that forgets at once is not asked for one as often. But the first comes at
        # once, even after a long outage, for a server that was restarted has always forgotten.
        self._relist_backoff = Backoff(RETRY_SECONDS_MIN, RELIST_SECONDS_MAX, jitter=0.2, random=random)
        self.resource_version = ""

    async def run(self) -> None:
        """List, watch, and begin again with a list only when the server has forgotten where we were."""
        while True:
            try:
                await self._list()
                await self._watch_until_expired()
            except (StatusError, ConnectionFailed) as error:
                await self._wait("list failed", error, self._backoff)

    async def _list(self) -> None:
        answer = await self._client.list(
            self._resource,
            self._namespace,
            self._label_selector,
            self._field_selector,
            metadata_only=self._metadata_only,
        )
        self._target.replace(answer["items"])
        self.resource_version = meta.resource_version(answer)
        self._backoff.reset()

    async def _watch_until_expired(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                count = await self._watch()
            except (StatusError, ConnectionFailed) as error:
                if errors.is_expired(error):
                    await self._wait("watch expired, listing again", error, self._relist_backoff)
                    return
                await self._wait("watch failed", error, self._backoff)
                continue
            if count == 0 and loop.time() - began < SHORT_WATCH_SECONDS:
                await self._wait("watch ended at once", None, self._backoff)

    async def _watch(self) -> int:
        """Apply events until the watch ends; how many there were."""
        count = 0
        share = self._random.random() if self._random is not None else 0.5
        events = self._client.watch(
            self._resource,
            self._namespace,
            self._label_selector,
            self._field_selector,
            resource_version=self.resource_version,
            timeout_seconds=int(WATCH_SECONDS_MIN * (1 + share)),
            metadata_only=self._metadata_only,
        )
        async with aclosing(events):  # type: ignore[type-var]
            async for event in events:
                if event.type != BOOKMARK:
                    self._target.apply(event)
                self.resource_version = meta.resource_version(event.object)
                self._backoff.reset()
                self._relist_backoff.reset()
                count += 1
        return count

    async def _wait(self, why: str, error: Exception | None, backoff: Backoff) -> None:
        seconds = backoff.next()
        # The client logs an outage once; fifty reflectors need not repeat it.
        say = log.debug if isinstance(error, ConnectionFailed) else log.info
        say(why, resource=self._resource.qualified, error=error, retry_seconds=round(seconds, 3))
        await asyncio.sleep(seconds)
