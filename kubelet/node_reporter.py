"""Shell: registers the node, then keeps telling that it lives: its Lease every 10 s, its status every minute.

The Lease is the cheap heartbeat; the status carries what changes seldom, and is sent at once when it is
new. A node that was deleted registers again.

After: k8s pkg/kubelet/kubelet_node_status.go; component-helpers/apimachinery/lease/controller.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from kube.api import conditions, errors
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import LEASES, NODES
from kube.base.backoff import Backoff
from kube.base.clock import Clock
from kube.base.logs import logger
from kube.client.events import NORMAL, EventRecorder
from kube.client.rest import Client, ConnectionFailed
from kubelet import node_status
from kubelet.node_status import NodeFacts

log = logger(__name__)

LEASE_RENEW_SECONDS = 10.0
STATUS_SECONDS = 60.0
RETRY_SECONDS_MIN = 0.2
RETRY_SECONDS_MAX = 5.0


class NodeReporter:
    """Speaks for one node."""

    def __init__(self, facts: NodeFacts, client: Client, recorder: EventRecorder, clock: Clock) -> None:
        self._facts, self._client, self._recorder, self._clock = facts, client, recorder, clock
        self._lease: Object | None = None
        self._registered = asyncio.Event()

    @property
    def is_registered(self) -> bool:
        return self._registered.is_set()

    async def report(self) -> None:
        """Keep the Node's status true, for ever."""
        await self._repeat("node status", self._report_once, STATUS_SECONDS)

    async def renew_lease(self) -> None:
        """Renew the node's Lease, for ever; it is made once there is a Node to own it."""
        await self._registered.wait()
        await self._repeat("node lease", self._renew_once, LEASE_RENEW_SECONDS)

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
        name = self._facts.name
        node = await self._get_or_register()
        patch = node_status.status_patch(self._facts, node, self._clock.now())
        reported = await self._client.patch(NODES, None, name, patch, "strategic", subresource="status")
        if not conditions.is_true(node, "Ready"):
            self._recorder.event(node, NORMAL, "NodeReady", f"Node {name} status is now: NodeReady")
        await self._take_off_taint(reported)
        self._registered.set()

    async def _get_or_register(self) -> Object:
        name = self._facts.name
        try:
            return await self._client.get(NODES, None, name)
        except StatusError as error:
            if not errors.is_not_found(error):
                raise
        log.info("registering the node", node=name)
        node = await self._client.create(NODES, node_status.new_node(self._facts))
        self._recorder.event(node, NORMAL, "Starting", "Starting kubelet.")
        return node

    async def _take_off_taint(self, node: Object) -> None:
        cleared = node_status.without_not_ready_taint(node)
        if cleared is not None:
            await self._client.update(NODES, cleared)

    async def _renew_once(self) -> None:
        try:
            lease = self._lease or await self._get_or_create_lease()
            renewed = node_status.lease_spec(self._facts, self._clock.now())
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
        return await self._client.create(LEASES, node_status.new_lease(self._facts, node, self._clock.now()))
