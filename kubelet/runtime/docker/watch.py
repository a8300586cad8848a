"""Shell: keeps the view true: everything once on connecting, then whatever the engine says has changed.

    events of our containers -> inspect -> view.put -> "this pod's container ended"
    the stream breaks, or the engine hangs -> `lost`, back off, connect, look at everything again

After: k8s client-go tools/cache/reflector.go, in small.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from typing import Any

from aiohttp import ClientResponse

from kube.base.backoff import Backoff
from kube.base.logs import logger
from kubelet.runtime.docker import labels
from kubelet.runtime.docker.engine import Engine, EngineFailure
from kubelet.runtime.docker.images import Images
from kubelet.runtime.docker.known import Known

log = logger(__name__)

RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 0.1, 5.0
PING_SECONDS = 5.0
# An engine that was restarted has many containers to tell of.
INSPECTED_AT_ONCE = 16
# What happens without the runtime's doing; what it does itself, it looks at itself.
NOTED = ("die", "oom", "destroy")


class Watch:
    """See the module. has_looked: everything was seen once."""

    def __init__(self, engine: Engine, root_dir: str, known: Known, images: Images) -> None:
        self.has_looked = asyncio.Event()
        self._engine, self._root_dir = engine, root_dir
        self._known, self._images = known, images
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Watch for ever."""
        backoff = Backoff(RETRY_SECONDS_MIN, RETRY_SECONDS_MAX)
        while True:
            try:
                await self._follow(backoff)
            except EngineFailure as failure:
                if self._engine.lost is None:
                    log.warning("the engine does not answer", error=failure)
                self._engine.lost = str(failure)
            finally:
                for task in self._tasks:
                    task.cancel()
            await asyncio.sleep(backoff.next())

    async def _look(self) -> None:
        """See what there is, and that what was known and is gone is forgotten."""
        await self._images.refresh()
        rows = await self._engine.json("GET", "containers/json", {"all": "1", "filters": self._ours()})
        ids = self._known.view.ids() | {row["Id"] for row in rows}
        # A container that ended with its sandbox must not be started again in it.
        places = {row["Id"] for row in rows if row["Labels"][labels.TYPE] == labels.SANDBOX}
        limit = asyncio.Semaphore(INSPECTED_AT_ONCE)

        async def look_at(container_id: str) -> None:
            async with limit:
                await self._known.look_at(container_id)

        await asyncio.gather(*map(look_at, places))
        await asyncio.gather(*map(look_at, ids - places))

    async def _follow(self, backoff: Backoff) -> None:
        """Events come from before the look, so that nothing falls between the two."""
        async with self._engine.request("GET", "events") as response:
            await self._look()
            if self._engine.lost:
                log.info("the engine answers again")
            self._engine.lost = None
            backoff.reset()
            self.has_looked.set()
            both = [asyncio.ensure_future(each) for each in (self._read(response), self._ping())]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in both:
                    task.cancel()
                results = await asyncio.gather(*both, return_exceptions=True)
        raise next((each for each in results if isinstance(each, EngineFailure)), self._engine.gone())

    async def _read(self, response: ClientResponse) -> None:
        async with self._engine.translated():
            async for line in response.content:
                self._take(json.loads(line))

    async def _ping(self) -> None:
        """An engine that hangs says nothing, and its connections stay open."""
        while True:
            await asyncio.sleep(PING_SECONDS)
            try:
                async with asyncio.timeout(PING_SECONDS):
                    await self._engine.text("GET", "_ping")
            except TimeoutError as error:
                raise self._engine.gone() from error

    def _take(self, event: dict[str, Any]) -> None:
        about = event["Actor"]["Attributes"]
        if event["Type"] == "image":
            self._spawn(self._images.refresh())
        elif event["Action"] in NOTED and about.get(labels.ROOT_DIR) == self._root_dir:
            self._spawn(self._known.look_at(event["Actor"]["ID"]))

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(self._try(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _try(self, work: Awaitable[None]) -> None:
        """What fails now is looked at again when the engine is back."""
        try:
            await work
        except EngineFailure as failure:
            log.warning("cannot see what changed", error=failure)

    def _ours(self) -> str:
        return json.dumps({"label": [f"{labels.ROOT_DIR}={self._root_dir}"]})
