"""Shell: ends a pod's containers within their grace: the hook before the stop, then the stop.

The hook's time counts into the grace. A grace that becomes shorter while they end (the pod is deleted again,
with less) holds from then on: the hook is left, and the runtime asked again.

After: k8s pkg/kubelet/kuberuntime/kuberuntime_container.go, killContainer, executePreStopHook.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any

from kube.api.meta import Object
from kube.base.clock import Clock
from kube.base.logs import logger
from kube.client.events import NORMAL, WARNING
from kubelet import hooks
from kubelet.pod.plan import GRACE_SECONDS_MIN, StopContainer
from kubelet.runtime.interface import Container, Runtime

log = logger(__name__)

Tell = Callable[[str, str, str, str], None]


class Stopping:
    """Of one pod; tell: records an event (type, reason, message, container)."""

    def __init__(self, runtime: Runtime, clock: Clock, tell: Tell) -> None:
        self._runtime, self._clock, self._tell = runtime, clock, tell
        self._latest_end: datetime | None = None
        self._hurried = asyncio.Event()

    def hurry(self, grace_seconds: float) -> None:
        """From now on no more grace than this."""
        self._latest_end = self._clock.now() + timedelta(seconds=grace_seconds)
        self._hurried.set()
        self._hurried = asyncio.Event()

    async def stop_all(self, pod: Object, actions: Sequence[StopContainer]) -> None:
        """End these containers, side by side."""
        containers = {each.id: each for each in self._runtime.containers_of(pod["metadata"]["uid"])}
        await asyncio.gather(*(self._stop(pod, containers[each.id], each) for each in actions))

    async def _stop(self, pod: Object, container: Container, action: StopContainer) -> None:
        self._tell(NORMAL, "Killing", action.message, action.name)
        end = self._clock.now() + timedelta(seconds=action.grace_seconds)
        spec = _spec_of(pod, action.name)
        if action.grace_seconds > 0 and (spec.get("lifecycle") or {}).get("preStop"):
            await self._within(end, self._pre_stop(pod, container, spec))
            # What the hook used up leaves the container a little time all the same.
            end = max(end, self._clock.now() + timedelta(seconds=GRACE_SECONDS_MIN))
        stops = [self._ask_to_stop(container, end)]
        while not any(each.done() for each in stops):
            if await self._hurried_before(stops):
                stops.append(self._ask_to_stop(container, end))
        await asyncio.gather(*stops)

    def _ask_to_stop(self, container: Container, end: datetime) -> asyncio.Future[None]:
        return asyncio.ensure_future(self._runtime.stop_container(container.id, self._left(end)))

    async def _pre_stop(self, pod: Object, container: Container, spec: Object) -> None:
        try:
            await hooks.run(self._runtime, container, pod, spec, "preStop")
        except hooks.HookFailed as failure:
            log.warning("a hook before a stop failed", container=spec["name"], error=failure)
            self._tell(WARNING, "FailedPreStopHook", "PreStopHook failed", spec["name"])

    async def _within(self, end: datetime, hook: Coroutine[Any, Any, None]) -> None:
        """Wait for the hook until the grace is over; the hook is then left."""
        task = asyncio.ensure_future(hook)
        try:
            while not task.done() and self._left(end) > 0:
                await self._hurried_before([task], self._left(end))
            if task.done():
                task.result()
        finally:
            task.cancel()

    async def _hurried_before(
        self, tasks: Sequence[asyncio.Future[None]], timeout_seconds: float | None = None
    ) -> bool:
        """Wait until one of them is done, the time is over or the grace became shorter; True for the last."""
        hurried: asyncio.Future[Any] = asyncio.ensure_future(self._hurried.wait())
        try:
            every: list[asyncio.Future[Any]] = [*tasks, hurried]
            await asyncio.wait(every, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
            return hurried.done()
        finally:
            hurried.cancel()

    def _left(self, end: datetime) -> float:
        latest = min(end, self._latest_end) if self._latest_end is not None else end
        return max((latest - self._clock.now()).total_seconds(), 0.0)


def _spec_of(pod: Object, name: str) -> Object:
    lists = ("containers", "initContainers", "ephemeralContainers")
    specs = (spec for key in lists for spec in pod["spec"].get(key) or ())
    return next((spec for spec in specs if spec["name"] == name), {})
