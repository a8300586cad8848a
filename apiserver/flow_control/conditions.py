"""Shell: follows the FlowSchemas and levels: tells what waits here of a change, and writes into each schema's
status whether its level exists.

Every server does, whenever one of the two kinds has changed; the second to come finds it written.

After: k8s staging/src/k8s.io/apiserver/pkg/util/flowcontrol/apf_controller.go, presyncFlowSchemaStatus
"""

from __future__ import annotations

import asyncio

from apiserver.admission.chain import UPDATE, Attributes
from apiserver.authentication.user import SELF
from apiserver.flow_control.configuration import with_condition
from apiserver.flow_control.flow_control import FlowControl
from apiserver.registry.registry import Change, Registry
from apiserver.storage.interface import StorageError
from apiserver.storage.watch_cache import WatchCache
from kube.api import meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import FLOW_SCHEMAS, PRIORITY_LEVEL_CONFIGURATIONS
from kube.base.clock import Clock
from kube.base.logs import logger

log = logger(__name__)

KINDS = (FLOW_SCHEMAS, PRIORITY_LEVEL_CONFIGURATIONS)
# What was not to be written is tried again then, and a cache that was filled afresh is looked at.
AGAIN_SECONDS = 60.0


class Conditions:
    """Keeps the conditions true; without flow control, too."""

    def __init__(
        self, cache: WatchCache, registry: Registry, clock: Clock, control: FlowControl | None
    ) -> None:
        self._cache, self._registry, self._clock, self._control = cache, registry, clock, control

    async def run(self) -> None:
        """Write after each change, until cancelled."""
        wake = asyncio.Event()
        while True:
            wake.clear()
            cursors = [self._cache.log(kind).end(self._cache.revision) for kind in KINDS]
            for cursor in cursors:
                cursor.wait(wake.set)
            try:
                if self._control is not None:
                    self._control.keep_up()
                await self.once()
                async with asyncio.timeout(AGAIN_SECONDS):
                    await wake.wait()
            except TimeoutError:
                continue
            except (StorageError, StatusError) as error:
                log.warning("cannot write the conditions of flow schemas, will retry", error=error)
                await asyncio.sleep(1)
            finally:
                for cursor in cursors:
                    cursor.stop_waiting()

    async def once(self) -> None:
        """One round over all schemas."""
        schemas, levels = (self._cache.log(kind).objects for kind in KINDS)
        now = meta.format_time(self._clock.now())
        for entry in list(schemas.values()):
            o = entry.decode()
            if with_condition(o, levels, now) is not o:
                await self._write(o, lambda old: with_condition(old, levels, now))

    async def _write(self, o: Object, change: Change) -> None:
        asked = Attributes(UPDATE, FLOW_SCHEMAS, "", meta.name(o), SELF, subresource="status")
        try:
            await self._registry.update(asked, change, meta.uid(o))
        except StatusError as error:
            # Deleted in the meantime, or another object under that name, whose turn comes with its event.
            if error.code not in (404, 409):
                raise
