"""Writes objects without a pause, and keeps what was acknowledged.

Each ConfigMap is created with `counter: 1` and then incremented, guarded by its resourceVersion. So its
counter is the version that the store counts: an increment that was lost, or done twice, is seen.

A write without an answer may have happened, or may still happen. The writer looks: if it did, it goes on; if
not, it sends the same again, and then a refusal says only that the first was carried out after all.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass

from kube.api import errors, meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import CONFIG_MAPS
from kube.client.rest import Client, ConnectionFailed
from tests.support.faults.asking import PERHAPS, RETRY_SECONDS, answered

WRITES_PER_OBJECT = 10
PAUSE_SECONDS = 0.03


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One write that was answered: when, and what it made."""

    at: float
    began: float
    name: str
    counter: int
    revision: int


class Writer:
    """Runs until cancelled; `acknowledged` grows."""

    def __init__(self, client: Client, namespace: str, prefix: str = "written") -> None:
        self._client, self._namespace, self._prefix = client, namespace, prefix
        self.acknowledged: list[Acknowledged] = []
        self.unsure = 0

    async def run(self) -> None:
        for number in itertools.count(1):
            stored: Object | None = None
            for counter in range(1, WRITES_PER_OBJECT + 1):
                stored = await self._write(f"{self._prefix}-{number}", counter, stored)
                await asyncio.sleep(PAUSE_SECONDS)

    async def _write(self, name: str, counter: int, stored: Object | None) -> Object:
        """The object as it is stored with this counter; `stored`, as it was with the one before."""
        perhaps = False
        while True:
            began = asyncio.get_running_loop().time()
            try:
                answer = await self._send(name, counter, stored)
            except ConnectionFailed as error:
                perhaps = perhaps or error.sent
            except StatusError as error:
                refused = errors.is_conflict(error) or errors.is_already_exists(error)
                if error.code not in PERHAPS and not (perhaps and refused):
                    raise
                perhaps = True
            else:
                self._note(began, answer, counter)
                return answer
            self.unsure += perhaps
            found = await self._look(name)
            if found is not None and counter_of(found) == counter:
                return found
            assert counter_of(found) == counter_of(stored), f"{name} went from {stored} to {found}"
            await asyncio.sleep(RETRY_SECONDS)

    async def _send(self, name: str, counter: int, stored: Object | None) -> Object:
        metadata = stored["metadata"] if stored else {"name": name, "namespace": self._namespace}
        wanted = {"metadata": metadata, "data": {"counter": str(counter)}}
        if stored is None:
            return await self._client.create(CONFIG_MAPS, wanted)
        return await self._client.update(CONFIG_MAPS, wanted)

    def _note(self, began: float, answer: Object, counter: int) -> None:
        assert counter_of(answer) == counter
        now = asyncio.get_running_loop().time()
        revision = int(meta.resource_version(answer))
        self.acknowledged.append(Acknowledged(now, began, meta.name(answer), counter, revision))

    async def _look(self, name: str) -> Object | None:
        try:
            return await answered(lambda: self._client.get(CONFIG_MAPS, self._namespace, name))
        except StatusError as error:
            if errors.is_not_found(error):
                return None
            raise


def counter_of(written: Object | None) -> int:
    return int(written["data"]["counter"]) if written else 0
