"""Shell: tells the API server the status of one pod, beside the worker that goes on meanwhile.

    say(pod, status) -> newest -> PATCH -> told;  what grew old while it waited for its turn is never sent

So a worker stops and starts containers while nobody can be told, and a node with many pods at once sends less
the longer its requests wait.

Invariants: one request at a time for a pod; each holds for the version of the pod that it was made for;
whatever was said last is told in the end, or the pod is gone.
After: k8s pkg/kubelet/status/status_manager.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from kube.api import errors, meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import PODS
from kube.base.backoff import Backoff
from kube.base.clock import Clock
from kube.base.logs import logger
from kube.client.rest import Client, ConnectionFailed
from kubelet.pod import status as pod_status

log = logger(__name__)

RETRY_SECONDS_MIN = 0.5
RETRY_SECONDS_MAX = 15.0
# How long somebody else's word about our conditions stands: two who set each other right at once would never
# rest. Kubernetes' kubelet compares every 10 s.
DISPUTE = timedelta(seconds=3)


class StatusManager:
    """Of one pod; turns: bound how many requests of a node are under way; wake: called when somebody else is
    found to disagree. `newest` is the status as it was said last, or as the pod came.
    """

    def __init__(
        self,
        client: Client,
        clock: Clock,
        turns: asyncio.Semaphore,
        pod: Object,
        wake: Callable[[], None],
    ) -> None:
        self._client, self._clock, self._turns, self._wake = client, clock, turns, wake
        self._pod = pod
        self.newest: Object = pod_status.overlay({}, pod.get("status") or {})
        self._told = self.newest
        self._version = 0
        self._disputed_at: datetime | None = None
        self._sending: asyncio.Task[None] | None = None

    def saw(self, pod: Object) -> None:
        """The pod changed; somebody else may have written what is ours to say."""
        self._pod = pod
        self._compare()

    def _compare(self) -> None:
        if int(meta.resource_version(self._pod)) <= self._version:
            return
        if pod_status.agrees(self._pod.get("status") or {}, self._told):
            self._disputed_at = None
        elif self._disputed_at is None:
            self._disputed_at = self._clock.now()
            self._wake()

    def disputed_until(self) -> datetime | None:
        """When somebody else's word has stood for long enough; None if nobody disagrees."""
        return self._disputed_at + DISPUTE if self._disputed_at is not None else None

    def yield_to(self, now: datetime) -> None:
        """Once a dispute has lasted, begin anew from what the pod shows."""
        until = self.disputed_until()
        if until is not None and now >= until:
            self.newest = self._told = pod_status.overlay({}, self._pod.get("status") or {})
            self._disputed_at = None

    def say(self, status: Object) -> None:
        """Have this told, if it is not what the API server knows."""
        self.newest = status
        if not self.is_told and (self._sending is None or self._sending.done()):
            name = f"status of {meta.key(self._pod)}"
            self._sending = asyncio.create_task(self._send(), name=name)

    @property
    def is_told(self) -> bool:
        return all(self._told.get(key) == value for key, value in self.newest.items())

    async def settled(self) -> bool:
        """Wait until nothing is under way; True if all was told, False if the pod has changed meanwhile."""
        if self._sending is not None:
            await asyncio.wait([self._sending])
        return self.is_told

    def forget(self) -> None:
        """The pod is gone: there is nothing left to tell, and nobody to wait for."""
        self._told = self.newest
        if self._sending is not None:
            self._sending.cancel()

    async def close(self) -> None:
        """Say no more."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)

    async def _send(self) -> None:
        retries = Backoff(RETRY_SECONDS_MIN, RETRY_SECONDS_MAX)
        while not self.is_told:
            try:
                async with self._turns:
                    may_go_on = await self._write()
            except (StatusError, ConnectionFailed) as error:
                log.warning("cannot tell a status now", pod=meta.key(self._pod), error=error)
                await asyncio.sleep(retries.next())
            else:
                retries.reset()
                if not may_go_on:
                    return

    async def _write(self) -> bool:
        """Tell the newest; False if the pod is another by now and has not been seen yet."""
        pod, status = self._pod, self.newest
        # Our own last write may not have come back yet.
        version = max(int(meta.resource_version(pod)), self._version)
        patch = pod_status.patch(pod, status, version)
        try:
            written = await self._client.patch(
                PODS, meta.namespace(pod), meta.name(pod), patch, "strategic", subresource="status"
            )
        except StatusError as error:
            if errors.is_conflict(error):
                # What is seen of it next is an occasion to say this again.
                return int(meta.resource_version(self._pod)) > version
            if not errors.is_not_found(error):
                raise
            self._told = status
            return True
        self._told, self._version = status, int(meta.resource_version(written))
        self._disputed_at = None
        # A change after ours may have come before the answer to ours.
        self._compare()
        return True
