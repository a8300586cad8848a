"""What a watcher of the API sees of one resource: a list, a watch that goes on after every failure.

No event comes twice or out of order, whichever server tells it; after "Expired" comes a new list, which is
never older than what was seen before. Each state in between is a moment, which somebody may judge.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing

from kube.api import errors, meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import Resource
from kube.api.watch import ADDED, BOOKMARK, DELETED, WatchEvent
from kube.client.rest import Client, ConnectionFailed
from tests.support.faults.asking import PERHAPS
from tests.support.wait import until_async

RETRY_SECONDS = 0.05

Judge = Callable[[Sequence[Object]], None]


class Picture:
    """One resource of one namespace; `judge` sees all objects that live, after each event."""

    def __init__(
        self, client: Client, resource: Resource, namespace: str, judge: Judge | None = None
    ) -> None:
        self._client, self._resource, self._namespace = client, resource, namespace
        self._judge = judge
        self.living: dict[str, Object] = {}
        self.revision = 0
        self.lists = 0

    async def run(self) -> None:
        while True:
            try:
                await self._list()
                while True:
                    await self._watch()
            except StatusError as error:
                if not errors.is_expired(error) and error.code not in PERHAPS:
                    raise
            except ConnectionFailed:
                pass
            await asyncio.sleep(RETRY_SECONDS)

    async def _list(self) -> None:
        answer = await self._client.list(self._resource, self._namespace)
        revision = int(meta.resource_version(answer))
        assert revision >= self.revision, f"a list of {revision} after {self.revision} was seen"
        self.revision, self.lists = revision, self.lists + 1
        self.living = {meta.name(each): each for each in answer["items"]}
        self._moment()

    async def _watch(self) -> None:
        """Until the stream ends; what breaks it is no reason to list again."""
        events = self._client.watch(self._resource, self._namespace, resource_version=str(self.revision))
        try:
            async with aclosing(events):  # type: ignore[type-var]
                async for event in events:
                    self._apply(event)
        except ConnectionFailed:
            await asyncio.sleep(RETRY_SECONDS)
        except StatusError as error:
            if error.code not in PERHAPS:
                raise
            await asyncio.sleep(RETRY_SECONDS)

    def _apply(self, event: WatchEvent) -> None:
        revision, name = int(meta.resource_version(event.object)), meta.name(event.object)
        if event.type == BOOKMARK:
            assert revision >= self.revision, f"a bookmark of {revision} after {self.revision} was seen"
            self.revision = revision
            return
        seen = f"{event.type} {self._resource.plural} {name} at {revision}"
        assert revision > self.revision, f"{seen}, after {self.revision} was seen"
        assert (event.type == ADDED) == (name not in self.living), f"{seen}: it was there, or was not"
        self.revision = revision
        if event.type == DELETED:
            del self.living[name]
        else:
            self.living[name] = event.object
        self._moment()

    def _moment(self) -> None:
        if self._judge is not None:
            self._judge(list(self.living.values()))

    async def check(self) -> None:
        """The picture becomes, and is, what a list says; nobody may write meanwhile."""

        async def agrees() -> bool:
            answer = await self._client.list(self._resource, self._namespace)
            return self.living == {meta.name(each): each for each in answer["items"]}

        await until_async(f"the picture of {self._resource.plural} is the list", agrees)
