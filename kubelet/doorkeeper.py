"""Shell: lets pods onto the node, or tells them that they may not run here.

    bound pod --> pod/admission.py (core) --> admitted: it gets a worker
                                          '-> refused: phase Failed, with reason and message, and an Event

What has a sandbox, has finished or is ending is never asked: a kubelet that comes back turns nobody out. The
node is the one that was last seen; before a pod is refused for the node's labels, it is looked at anew.

After: k8s pkg/kubelet/kubelet.go, HandlePodAdditions, rejectPod; pkg/kubelet/lifecycle/predicate.go
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from kube.api import errors, meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import NODES, PODS
from kube.base.backoff import Backoff
from kube.base.clock import Clock
from kube.base.logs import logger
from kube.client.events import WARNING, EventRecorder
from kube.client.rest import Client, ConnectionFailed
from kubelet.pod.admission import NODE_AFFINITY, Admitted, Refusal
from kubelet.pod.qos import qos_class

log = logger(__name__)

RETRY_SECONDS_MIN = 0.5
RETRY_SECONDS_MAX = 15.0
FINISHED = ("Succeeded", "Failed")


class Doorkeeper:
    """Counts who is in; last_node: the Node as it was last seen."""

    def __init__(
        self, client: Client, recorder: EventRecorder, clock: Clock, last_node: Callable[[], Object]
    ) -> None:
        self._client, self._recorder, self._clock = client, recorder, clock
        self.last_node = last_node
        self._admitted = Admitted()

    def let_in(self, pod: Object) -> None:
        """Count a pod without a question."""
        if not has_finished(pod):
            self._admitted.add(pod)

    def ask(self, pod: Object) -> Refusal | None:
        """Count the pod, or say why it may not run here."""
        return self._ask(pod, self.last_node())

    def _ask(self, pod: Object, node: Object) -> Refusal | None:
        refusal = self._admitted.refusal(pod, node)
        if refusal is None:
            self._admitted.add(pod)
        return refusal

    def changed(self, pod: Object) -> None:
        """A pod that is in has changed; one that has finished takes nothing any more."""
        if has_finished(pod):
            self._admitted.remove(meta.uid(pod))

    def left(self, uid: str) -> None:
        """Nothing is left of a pod."""
        self._admitted.remove(uid)

    async def turn_away(self, pod: Object, refusal: Refusal) -> bool:
        """Ask once more where the node's labels were the reason; True if the pod may run after all. One that
        may not is told.
        """
        backoff = Backoff(RETRY_SECONDS_MIN, RETRY_SECONDS_MAX)
        while True:
            try:
                if refusal.reason == NODE_AFFINITY:
                    node = await self._client.get(NODES, None, pod["spec"]["nodeName"])
                    again = self._ask(pod, node)
                    if again is None:
                        return True
                    refusal = again
                await self._tell(pod, refusal)
                return False
            except (StatusError, ConnectionFailed) as error:
                log.warning("cannot refuse a pod now", pod=meta.key(pod), error=error)
                await asyncio.sleep(backoff.next())

    async def _tell(self, pod: Object, refusal: Refusal) -> None:
        log.info("refusing a pod", pod=meta.key(pod), reason=refusal.reason, why=refusal.message)
        status: dict[str, Any] = {
            "phase": "Failed",
            "reason": refusal.reason,
            "message": refusal.status_message,
            "qosClass": qos_class(pod),
            "startTime": meta.format_time(self._clock.now()),
        }
        if meta.generation(pod):
            status["observedGeneration"] = meta.generation(pod)
        patch = {"metadata": {"uid": meta.uid(pod)}, "status": status}
        where = meta.namespace(pod), meta.name(pod)
        try:
            await self._client.patch(PODS, *where, patch, "strategic", subresource="status")
        except StatusError as error:
            if not errors.is_not_found(error) and not errors.is_conflict(error):
                raise
            return
        self._recorder.event(pod, WARNING, refusal.reason, refusal.message)


def has_finished(pod: Object) -> bool:
    """True for a pod whose containers will never run again."""
    return meta.get(pod, "status", "phase") in FINISHED
