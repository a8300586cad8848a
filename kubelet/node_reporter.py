"""Shell: registers the node, then keeps telling that it lives, by its Lease and its status.

The Lease is the cheap heartbeat. The status carries what changes seldom: it is looked at every few seconds
and sent when it is not what the API shows (the node controller may have given the node up), and now and then
anyway. A node that was deleted registers again.

After: k8s pkg/kubelet/kubelet_node_status.go; component-helpers/apimachinery/lease/controller.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from kube.api import errors, meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import LEASES, NODES
from kube.base.backoff import Backoff
from kube.base.clock import Clock
from kube.base.logs import logger
from kube.client.events import NORMAL, EventRecorder
from kube.client.informer import Informer
from kube.client.rest import Client, ConnectionFailed
from kubelet import node_status
from kubelet.node_status import FINE, Condition, NodeFacts

log = logger(__name__)

STATUS_REPORT_PERIOD = timedelta(minutes=5)
RETRY_SECONDS_MIN = 0.2
RETRY_SECONDS_MAX = 5.0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often the status is looked at, and how long a Lease lasts; it is renewed four times in that."""

    status_seconds: float = 10.0
    lease_seconds: int = 40


RHYTHM = Rhythm()


class NodeReporter:
    """Speaks for one node; nodes: what is known of it, and of others; rhythm: how often; fares: how it fares
    now; has_events: its start and conditions are worth Events, as those of a thousand nodes are not.
    """

    def __init__(
        self,
        facts: NodeFacts,
        client: Client,
        nodes: Informer,
        recorder: EventRecorder,
        clock: Clock,
        rhythm: Rhythm = RHYTHM,
        fares: Callable[[], Condition] = lambda: FINE,
        *,
        has_events: bool = True,
    ) -> None:
        self._facts, self._client, self._nodes = facts, client, nodes
        self._recorder, self._clock = recorder, clock
        self._rhythm, self._fares, self._has_events = rhythm, fares, has_events
        self._is_starting = True
        self._reported_at: datetime | None = None
        self._lease: Object | None = None
        self._registered = asyncio.Event()
        self._written: Object | None = None

    @property
    def is_registered(self) -> bool:
        return self._registered.is_set()

    async def wait_registered(self) -> None:
        await self._registered.wait()

    def last_node(self) -> Object:
        """The Node as it was last seen; before that, as it is going to be."""
        seen, written = self._nodes.store.get(self._facts.name), self._written
        if written is None:
            node = node_status.new_node(self._facts)
            return node | node_status.status_patch(self._facts, node, self._clock.now())
        # Our own last write may not have come back yet.
        is_newer = seen is not None and int(meta.resource_version(seen)) > int(meta.resource_version(written))
        return seen if seen is not None and is_newer else written

    async def report(self) -> None:
        """Keep the Node's status true, for ever."""
        await self._repeat("node status", self._report_once, self._rhythm.status_seconds)

    async def renew_lease(self) -> None:
        """Renew the node's Lease, for ever; it is made once there is a Node to own it."""
        await self._registered.wait()
        await self._repeat("node lease", self._renew_once, self._rhythm.lease_seconds / 4)

    async def _repeat(self, what: str, send: Callable[[], Awaitable[None]], seconds: float) -> None:
        """Send again and again; an outage is logged when it begins and when it ends."""
        backoff = Backoff(RETRY_SECONDS_MIN, RETRY_SECONDS_MAX)
        is_failing = False
        while True:
            try:
                await send()
            except (StatusError, ConnectionFailed) as error:
                if not is_failing:
                    log.warning("cannot report now", what=what, node=self._facts.name, error=error)
                is_failing = True
                await asyncio.sleep(backoff.next())
                continue
            if is_failing:
                log.info("reporting again", what=what, node=self._facts.name)
            is_failing = False
            backoff.reset()
            await asyncio.sleep(seconds)

    async def _report_once(self) -> None:
        now = self._clock.now()
        node = await self._get_or_register()
        patch = node_status.status_patch(self._facts, node, now, self._fares())
        is_due = self._reported_at is None or now - self._reported_at >= STATUS_REPORT_PERIOD
        if is_due or node_status.is_news(node, patch):
            self._written = await self._send(patch)
            self._reported_at = now
        if self._has_events:
            self._tell(node, patch)
        self._registered.set()

    def _tell(self, node: Object, patch: Object) -> None:
        """Say what users may want to know of the node."""
        name = self._facts.name
        if self._is_starting:
            self._recorder.event(node, NORMAL, "Starting", "Starting kubelet.")
        for reason in node_status.transitions(node, patch):
            self._recorder.event(node, NORMAL, reason, f"Node {name} status is now: {reason}")
        if self._is_starting:
            enforced = "Updated Node Allocatable limit across pods"
            self._recorder.event(node, NORMAL, "NodeAllocatableEnforced", enforced)
            self._is_starting = False

    async def _send(self, patch: Object) -> Object:
        return await self._client.patch(
            NODES, None, self._facts.name, patch, "strategic", subresource="status"
        )

    async def _get_or_register(self) -> Object:
        name = self._facts.name
        await self._nodes.wait_synced()
        if (seen := self._nodes.store.get(name)) is not None:
            return seen
        log.info("registering the node", node=name)
        try:
            return await self._client.create(NODES, node_status.new_node(self._facts))
        except StatusError as error:
            if not errors.is_already_exists(error):
                raise
        return await self._client.get(NODES, None, name)

    async def _renew_once(self) -> None:
        try:
            lease = self._lease or await self._get_or_create_lease()
            renewed = node_status.lease_spec(self._facts, self._rhythm.lease_seconds, self._clock.now())
            self._lease = await self._client.update(LEASES, {**lease, "spec": renewed})
        except StatusError:
            # Somebody else wrote or deleted it: look again before the next try.
            self._lease = None
            raise

    async def _get_or_create_lease(self) -> Object:
        try:
            return await self._client.get(LEASES, node_status.LEASE_NAMESPACE, self._facts.name)
        except StatusError as error:
            if not errors.is_not_found(error):
                raise
        node = await self._client.get(NODES, None, self._facts.name)
        lease = node_status.new_lease(self._facts, node, self._rhythm.lease_seconds, self._clock.now())
        return await self._client.create(LEASES, lease)
