"""Shell: keeps a mirror pod in the API for each static pod, with its status; who is deleted comes back.

    StaticPods --want, report--> Mirrors <--saw, gone-- informer
                                    '--> create, PATCH status, delete (grace 0, with its uid)

Nothing is done before the node is registered, for it owns them. What fails is tried again.

A mirror that somebody deletes stays away for a moment. kubectl gets what it deleted and then lists it; what
came back between the two it takes for the old one, and waits for its end for ever (kubectl 1.32,
pkg/cmd/wait/delete.go, IsDeleted).

After: k8s pkg/kubelet/pod/mirror_client.go; pkg/kubelet/kubelet.go, syncPod
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from kube.api import errors, meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import PODS
from kube.base.backoff import Backoff
from kube.base.logs import logger
from kube.client.rest import Client, ConnectionFailed
from kubelet.pod import static

log = logger(__name__)

RETRY_SECONDS_MIN = 0.2
RETRY_SECONDS_MAX = 5.0
# Many times what kubectl takes from the one request to the other, on a machine that is busy.
AWAY_SECONDS = 1.0


@dataclass(slots=True)
class Mirrors:
    """wanted: static pods; statuses: what was last reported of each; seen: mirrors that the API has; sent: by
    uid of the mirror, the status that it has from us; away: keys of those that may not come back yet.
    """

    client: Client
    last_node: Callable[[], Object]
    wanted: dict[str, Object] = field(default_factory=dict)
    statuses: dict[str, Object] = field(default_factory=dict)
    seen: dict[str, Object] = field(default_factory=dict)
    sent: dict[str, Object] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def want(self, pod: Object) -> None:
        """There is such a static pod from now on."""
        self.wanted[meta.key(pod)] = pod
        self.changed.set()

    def unwant(self, pod: Object) -> None:
        """There is no such static pod any more."""
        if self.wanted.get(meta.key(pod)) is pod:
            del self.wanted[meta.key(pod)]
            self.statuses.pop(meta.key(pod), None)
            self.changed.set()

    def report(self, pod: Object, status: Object) -> None:
        """How a static pod fares: the status of a strategic merge patch."""
        self.statuses[meta.key(pod)] = status
        self.changed.set()

    def saw(self, mirror: Object) -> None:
        """The API has this mirror."""
        self.seen[meta.key(mirror)] = mirror
        self.changed.set()

    def gone(self, mirror: Object) -> None:
        """The API has it no more."""
        self.seen.pop(meta.key(mirror), None)
        self.sent.pop(meta.uid(mirror), None)
        if meta.is_terminating(mirror):
            self.away.add(meta.key(mirror))
            asyncio.get_running_loop().call_later(AWAY_SECONDS, self.let_back, meta.key(mirror))
        self.changed.set()

    def let_back(self, key: str) -> None:
        """Whoever deleted it has had time to see that it is gone."""
        self.away.discard(key)
        self.changed.set()

    async def run(self) -> None:
        """Keep them in step, until cancelled; the first list of pods is in."""
        backoff = Backoff(RETRY_SECONDS_MIN, RETRY_SECONDS_MAX)
        while True:
            self.changed.clear()
            try:
                await self._step()
                backoff.reset()
                await self.changed.wait()
            except (StatusError, ConnectionFailed) as error:
                log.warning("cannot keep mirror pods now", error=error)
                await asyncio.sleep(backoff.next())

    async def _step(self) -> None:
        node = self.last_node()
        if self.wanted and not meta.uid(node):
            await asyncio.sleep(RETRY_SECONDS_MIN)
            self.changed.set()
            return
        stale, missing = static.reconcile(self.wanted, self.seen)
        for mirror in stale:
            await self._delete(mirror)
        for pod in missing:
            if meta.key(pod) not in self.away:
                await self._create(pod, node)
        for key, mirror in list(self.seen.items()):
            status = self.statuses.get(key)
            if status is not None and mirror not in stale and self.sent.get(meta.uid(mirror)) != status:
                await self._send(mirror, status)

    async def _delete(self, mirror: Object) -> None:
        where = meta.namespace(mirror), meta.name(mirror)
        try:
            await self.client.delete(PODS, *where, uid=meta.uid(mirror), grace_period_seconds=0)
        except StatusError as error:
            if not errors.is_not_found(error) and not errors.is_conflict(error):
                raise

    async def _create(self, pod: Object, node: Object) -> None:
        try:
            self.saw(await self.client.create(PODS, static.mirror_of(pod, node)))
        except StatusError as error:
            if not errors.is_already_exists(error):
                raise

    async def _send(self, mirror: Object, status: Object) -> None:
        patch = {"metadata": {"uid": meta.uid(mirror)}, "status": status}
        where = meta.namespace(mirror), meta.name(mirror)
        try:
            await self.client.patch(PODS, *where, patch, "strategic", subresource="status")
        except StatusError as error:
            if not errors.is_not_found(error) and not errors.is_conflict(error):
                raise
            return
        self.sent[meta.uid(mirror)] = status
