"""Shell: writes on the Secrets of lasting tokens the day when they were last used.

    a request with such a token -> note -> one write a Secret and day, while the request goes on

What cannot be written is noted again with the next request.
After: k8s pkg/serviceaccount/legacy.go, patchSecretWithLastUsedDate, which lets the request wait.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from apiserver.admission.chain import UPDATE, Attributes
from apiserver.authentication.user import SELF
from apiserver.registry.registry import Registry
from apiserver.storage.interface import StorageError
from kube.api import meta
from kube.api.errors import StatusError
from kube.api.lasting_tokens import LAST_USED, format_day
from kube.api.meta import Object
from kube.api.resources import SECRETS
from kube.base.clock import Clock
from kube.base.logs import logger

log = logger(__name__)

# Secrets that wait to be written; further ones are noted with the next request.
WAITING_MAX = 1000


class TokenUses:
    """`_waiting`: key of a Secret -> its uid."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry, self._clock = registry, clock
        self._waiting: dict[str, str] = {}
        self._wake = asyncio.Event()

    def note(self, secret: Object) -> None:
        """Its token was shown; a server whose clock is ahead of ours may have written tomorrow."""
        now = self._clock.now()
        written = meta.labels(secret).get(LAST_USED)
        if written in (format_day(now), format_day(now + timedelta(days=1))):
            return
        if len(self._waiting) < WAITING_MAX:
            self._waiting[meta.key(secret)] = meta.uid(secret)
            self._wake.set()

    async def run(self) -> None:
        """Write what was noted, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            waiting, self._waiting = self._waiting, {}
            for key, uid in waiting.items():
                try:
                    await self._write(key, uid)
                except (StorageError, StatusError) as error:
                    log.warning("cannot write when a token was used", secret=key, error=error)

    async def _write(self, key: str, uid: str) -> None:
        today = format_day(self._clock.now())

        def change(old: Object) -> Object:
            labels = meta.labels(old) | {LAST_USED: today}
            return {**old, "metadata": {**old["metadata"], "labels": labels}}

        namespace, name = meta.split_key(key)
        await self._registry.update(Attributes(UPDATE, SECRETS, namespace, name, SELF), change, uid)
