"""Shell: tells users what a component did to an object, as Event objects.

`event` only puts the Event into a queue; `run` correlates and sends one after the other. Events are a
courtesy: when no server can be reached they are tried a dozen times and then dropped, and when the queue is
full new ones are dropped, never the component held up.

After: k8s staging/src/k8s.io/client-go/tools/record/event.go.
"""

from __future__ import annotations

import asyncio
import copy
from datetime import datetime

from kube.api import errors, meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import EVENTS
from kube.base.backoff import Backoff
from kube.base.clock import Clock, SystemClock
from kube.base.logs import logger
from kube.client.event_correlator import EventCorrelator
from kube.client.rest import Client, ConnectionFailed

log = logger(__name__)

QUEUE_SIZE = 1000
TRIES = 12
RETRY_SECONDS_MIN = 0.5
RETRY_SECONDS_MAX = 10.0

NORMAL = "Normal"
WARNING = "Warning"


class EventRecorder:
    """Records Events in the name of one component (on one host)."""

    def __init__(self, client: Client, component: str, host: str = "", clock: Clock | None = None) -> None:
        self._client, self._component, self._host = client, component, host
        self._clock = clock or SystemClock()
        self._correlator = EventCorrelator()
        self._queue: asyncio.Queue[Object] = asyncio.Queue(maxsize=QUEUE_SIZE)
        self._is_dropping = False

    def on(self, host: str) -> EventRecorder:
        """The same for another host; this one sends for both, and the queue is common."""
        twin = copy.copy(self)
        twin._host = host
        return twin

    def event(self, about: Object, type: str, reason: str, message: str, field_path: str = "") -> None:
        """Record that something happened to `about`, which says its apiVersion and kind.

        `field_path` names the part of it that is meant, such as `spec.containers{web}`.
        """
        event = make_event(about, type, reason, message, self._component, self._host, self._clock.now())
        if field_path:
            event["involvedObject"]["fieldPath"] = field_path
        try:
            self._queue.put_nowait(event)
            self._is_dropping = False
        except asyncio.QueueFull:
            if not self._is_dropping:
                log.warning("events are dropped, the queue is full", reason=reason, about=meta.key(about))
            self._is_dropping = True

    async def run(self) -> None:
        """Send what is recorded, until cancelled."""
        while True:
            event = await self._queue.get()
            correlated = self._correlator.correlate(event, self._clock.now())
            if correlated is not None:
                await self._deliver(correlated.event, correlated.patch)
            self._queue.task_done()

    async def flush(self) -> None:
        """Wait until everything recorded so far was sent or dropped."""
        await self._queue.join()

    async def _deliver(self, event: Object, patch: Object | None) -> None:
        backoff = Backoff(RETRY_SECONDS_MIN, RETRY_SECONDS_MAX)
        for _ in range(TRIES):
            try:
                await self._send(event, patch)
            except ConnectionFailed as error:
                log.debug("event not sent yet", error=error)
                await asyncio.sleep(backoff.next())
                continue
            except StatusError as error:
                # As in a namespace that is being deleted; another try would be refused as well.
                log.info("event refused", event=meta.key(event), error=error)
            return
        log.warning("event dropped, no server takes it", event=meta.key(event))

    async def _send(self, event: Object, patch: Object | None) -> None:
        if patch is not None:
            try:
                await self._client.patch(EVENTS, meta.namespace(event), meta.name(event), patch, "strategic")
            except StatusError as error:
                if not errors.is_not_found(error):
                    raise
                # Events live an hour: the one to be counted up is gone.
            else:
                return
        await self._client.create(EVENTS, event)


def make_event(
    about: Object, type: str, reason: str, message: str, component: str, host: str, now: datetime
) -> Object:
    """A new Event; those about cluster-scoped objects live in the namespace `default`."""
    namespace = meta.namespace(about) or "default"
    nanoseconds = int(now.timestamp() * 1_000_000) * 1000
    reference = {
        "apiVersion": about["apiVersion"],
        "kind": about["kind"],
        "namespace": meta.namespace(about),
        "name": meta.name(about),
        "uid": meta.uid(about),
        "resourceVersion": meta.resource_version(about),
    }
    source = {"component": component, "host": host}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{meta.name(about)}.{nanoseconds:x}", "namespace": namespace},
        "involvedObject": {part: value for part, value in reference.items() if value},
        "reason": reason,
        "message": message,
        "source": {part: value for part, value in source.items() if value},
        "firstTimestamp": meta.format_time(now),
        "lastTimestamp": meta.format_time(now),
        "count": 1,
        "type": type,
        "eventTime": None,
        "reportingComponent": component,
        "reportingInstance": host,
    }
