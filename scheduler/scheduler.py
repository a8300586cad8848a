"""Shell: the scheduler at work: hears of pods and nodes, runs one cycle a pod, carries out the decision.

    informers -> Cache (pods with a node, nodes) and Queue (pods without) -> Cycle.schedule
       fits: assume, then POST binding in the background      fits nowhere: condition, event, and wait

Cycles run one after the other and see each other's assumptions; bindings overlap. A binding that fails
gives the room back and the pod goes into backoff.

After: k8s pkg/scheduler/{scheduler,eventhandlers,schedule_one}.go.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from kube.api import conditions, errors, meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import (
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    STORAGE_CLASSES,
)
from kube.api.volumes import SELECTED_NODE
from kube.base.clock import Clock
from kube.base.logs import logger
from kube.base.tasks import Tasks
from kube.client.events import NORMAL, WARNING, EventRecorder
from kube.client.informer import InformerFactory
from kube.client.rest import Client, ConnectionFailed
from kube.client.store import Store
from scheduler.cache import Cache
from scheduler.events import is_same_to_scheduling, node_changes
from scheduler.framework.diagnosis import Diagnosis
from scheduler.framework.framework import Framework
from scheduler.framework.interface import ClusterEvent, Verdict
from scheduler.framework.pod_info import PodInfo
from scheduler.framework.volumes import Volumes
from scheduler.metrics import Metrics
from scheduler.plugins.node_name import NodeName
from scheduler.preemption import Preemption, preempt
from scheduler.queue import Queue, QueuedPod
from scheduler.schedule_one import Cycle, Scheduled

log = logger(__name__)

NAME = "default-scheduler"
# Bindings on their way at once; more only wait in the API server.
BINDINGS_MAX = 64
# How long a pod with a node may wait for its claims to be bound before another node is looked for.
VOLUMES_SECONDS_MAX = 600
VOLUME_KINDS = (PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES)


class Scheduler:
    """Binds pods to nodes."""

    def __init__(
        self,
        client: Client,
        recorder: EventRecorder,
        framework: Framework,
        cycle: Cycle,
        clock: Clock,
        metrics: Metrics,
        volumes: Volumes,
    ) -> None:
        self._volumes = volumes
        self._volume_news = asyncio.Event()
        self._client, self._recorder, self._clock = client, recorder, clock
        self._framework, self._cycle, self._metrics = framework, cycle, metrics
        self._cache, self._queue = Cache(), Queue()
        self._pods = Store()
        self._metrics.watch_queue(self._queue.counts)
        self._woken = asyncio.Event()
        self._bindings = asyncio.Semaphore(BINDINGS_MAX)

    def listen(self, informers: InformerFactory) -> None:
        """Hear of pods and nodes."""
        self._pods = informers.informer(PODS).store
        informers.informer(NODES).add_handler(self._add_node, self._update_node, self._delete_node)
        for each in VOLUME_KINDS:
            informers.informer(each).add_handler(
                self._hear_of_volume, lambda _, new: self._hear_of_volume(new), self._hear_of_volume
            )
        informers.informer(PODS).add_handler(self._add_pod, self._update_pod, self._delete_pod)

    async def run(self, tasks: Tasks) -> None:
        """Schedule pods until cancelled."""
        while True:
            self._woken.clear()
            queued = self._queue.pop(self._clock.now())
            if queued is None:
                await self._wait()
                continue
            await self._bindings.acquire()
            self._schedule(queued, tasks)
            # Let the informers and bindings have their turn.
            await asyncio.sleep(0)

    async def _wait(self) -> None:
        deadline = self._queue.next_deadline()
        seconds = (deadline - self._clock.now()).total_seconds() if deadline else None
        try:
            async with asyncio.timeout(max(seconds, 0.01) if seconds is not None else None):
                await self._woken.wait()
        except TimeoutError:
            return

    def _schedule(self, queued: QueuedPod, tasks: Tasks) -> None:
        """Decide for one pod, and start what follows from it; that gives `_bindings` back."""
        pod = queued.pod
        with self._metrics.duration.time():
            outcome = self._cycle.schedule(pod, self._cache.cluster_snapshot())
        if isinstance(outcome, Scheduled):
            self._metrics.attempts.labels("scheduled").inc()
            placed = replace(pod, pod={**pod.pod, "spec": {**pod.spec, "nodeName": outcome.node_name}})
            self._cache.assume(placed)
            self._cycle.nominator.forget(pod.uid)
            tasks.start(f"bind {pod.key}", self._bind, queued, outcome.node_name)
        else:
            self._metrics.attempts.labels("unschedulable").inc()
            preemption = self._preempt(pod, outcome.diagnosis)
            # Without nodes no plug-in was asked; a new node is what to wait for, as NodeName does.
            plugins = outcome.diagnosis.plugins or frozenset({NodeName.name})
            self._queue.requeue(queued, plugins, self._clock.now())
            tasks.start(f"report {pod.key}", self._report_failure, pod, outcome.diagnosis, preemption)

    def _preempt(self, pod: PodInfo, diagnosis: Diagnosis) -> Preemption | None:
        """Find room that pods of lower priority could make, and promise it to the pod."""
        nodes = self._cache.cluster_snapshot()
        result = preempt(self._framework, pod, nodes, diagnosis) if nodes else ""
        if isinstance(result, Preemption):
            self._cycle.nominator.nominate(pod, result.node_name)
            return result
        diagnosis.post_filter = result
        return None

    async def _bind(self, queued: QueuedPod, node_name: str) -> None:
        pod = queued.pod
        if unbound := self._volumes.unbound(pod):
            # Others make the volumes and may take their time, for which pods without claims do not wait.
            self._bindings.release()
            try:
                await self._bind_volumes(pod, unbound, node_name)
            except (StatusError, ConnectionFailed, TimeoutError) as error:
                self._give_up_binding(queued, error)
                return
            await self._bindings.acquire()
        binding: Object = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node_name},
        }
        try:
            await self._client.create(PODS, binding, subresource="binding")
        except (StatusError, ConnectionFailed) as error:
            self._give_up_binding(queued, error)
            return
        finally:
            self._bindings.release()
        message = f"Successfully assigned {pod.key} to {node_name}"
        self._recorder.event(pod.pod, NORMAL, "Scheduled", message)

    async def _bind_volumes(self, pod: PodInfo, unbound: list[Object], node_name: str) -> None:
        """Name the node in the claims that wait for one, and wait until they are bound."""
        for claim in unbound:
            if meta.annotations(claim).get(SELECTED_NODE) != node_name:
                metadata = {"uid": meta.uid(claim), "annotations": {SELECTED_NODE: node_name}}
                await self._client.patch(
                    PERSISTENT_VOLUME_CLAIMS, pod.namespace, meta.name(claim), {"metadata": metadata}
                )
        async with asyncio.timeout(VOLUMES_SECONDS_MAX):
            # A pod that goes meanwhile is found to be gone by the binding.
            while unbound and self._pods.get(pod.key) is not None:
                self._volume_news.clear()
                if not (unbound := self._volumes.unbound(pod)):
                    return
                await self._volume_news.wait()

    def _give_up_binding(self, queued: QueuedPod, error: Exception) -> None:
        pod = queued.pod
        self._cache.forget(pod.uid)
        if isinstance(error, StatusError) and errors.is_not_found(error):
            return
        log.warning("cannot bind a pod now", pod=pod.key, error=error)
        self._metrics.attempts.labels("error").inc()
        known = self._pods.get(pod.key)
        if known is not None and meta.uid(known) == pod.uid and _waits(known):
            queued.pod = PodInfo.of(known)
            self._queue.requeue(queued, frozenset(), self._clock.now())
            self._woken.set()

    async def _report_failure(
        self, pod: PodInfo, diagnosis: Diagnosis, preemption: Preemption | None
    ) -> None:
        message = diagnosis.message()
        try:
            self._recorder.event(pod.pod, WARNING, "FailedScheduling", message)
            await self._set_condition(pod.pod, message, preemption.node_name if preemption else "")
            if preemption:
                for victim in preemption.victims:
                    await self._evict(victim, pod, preemption.node_name)
        except (StatusError, ConnectionFailed) as error:
            log.info("cannot report why a pod has no node", pod=pod.key, error=error)
        finally:
            self._bindings.release()

    async def _evict(self, victim: PodInfo, preemptor: PodInfo, node_name: str) -> None:
        """Delete a pod to make room, and say so in its status first."""
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": f"{NAME}: preempting to accommodate a higher priority pod",
            "lastTransitionTime": meta.format_time(self._clock.now()),
        }
        status = {"metadata": {"uid": victim.uid}, "status": {"conditions": [condition]}}
        try:
            await self._client.patch(
                PODS, victim.namespace, victim.name, status, "strategic", subresource="status"
            )
            await self._client.delete(PODS, victim.namespace, victim.name, uid=victim.uid)
        except StatusError as error:
            if not errors.is_not_found(error):
                raise
            return
        log.info("preempted a pod", pod=victim.key, node=node_name, by=preemptor.key)
        message = f"Preempted by pod {preemptor.uid} on node {node_name}"
        self._recorder.event(victim.pod, NORMAL, "Preempted", message)

    async def _set_condition(self, pod: Object, message: str, nominated: str) -> None:
        """Say in the pod's status why it has no node, unless it says so already."""
        wanted: Object = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
        }
        if meta.generation(pod):
            wanted["observedGeneration"] = meta.generation(pod)
        known = conditions.find(pod, "PodScheduled") or {}
        if all(known.get(key) == value for key, value in wanted.items()) and not nominated:
            return
        status: Object = {
            "conditions": conditions.set_condition([known] if known else [], wanted, self._clock.now())
        }
        if nominated:
            status["nominatedNodeName"] = nominated
        patch = {"metadata": {"uid": meta.uid(pod)}, "status": status}
        await self._client.patch(
            PODS, meta.namespace(pod), meta.name(pod), patch, "strategic", subresource="status"
        )

    def _add_node(self, node: Object) -> None:
        self._cache.set_node(node)
        self._wake(ClusterEvent.NODE_ADDED)

    def _update_node(self, old: Object, new: Object) -> None:
        self._cache.set_node(new)
        self._wake(*node_changes(old, new))

    def _delete_node(self, node: Object) -> None:
        self._cache.remove_node(meta.name(node))

    def _hear_of_volume(self, _: Object) -> None:
        """Bindings look again; pods that were refused for their volumes try again."""
        self._volume_news.set()
        self._wake(ClusterEvent.VOLUME_CHANGED)

    def _add_pod(self, pod: Object) -> None:
        if _is_placed(pod):
            self._cache.set_pod(PodInfo.of(pod))
            self._queue.remove(meta.uid(pod))
            self._wake(ClusterEvent.ASSIGNED_POD_ADDED)
        elif _waits(pod):
            self._enqueue(pod)

    def _update_pod(self, old: Object, new: Object) -> None:
        if _is_placed(old) and not _is_placed(new):
            self._remove_pod(new)
        elif _is_placed(new):
            if not _is_placed(old):
                self._add_pod(new)
            elif not is_same_to_scheduling(old, new):
                self._cache.set_pod(PodInfo.of(new))
                self._wake(ClusterEvent.ASSIGNED_POD_LABELS_CHANGED)
        elif not _waits(new):
            self._queue.remove(meta.uid(new))
        elif is_same_to_scheduling(old, new):
            self._queue.refresh(PodInfo.of(new))
        elif not self._cache.is_known(meta.uid(new)):
            self._enqueue(new)

    def _delete_pod(self, pod: Object) -> None:
        self._volume_news.set()
        self._queue.remove(meta.uid(pod))
        self._cycle.nominator.forget(meta.uid(pod))
        self._remove_pod(pod)

    def _remove_pod(self, pod: Object) -> None:
        """The pod takes no room any more."""
        if self._cache.remove_pod(meta.uid(pod)):
            self._wake(ClusterEvent.ASSIGNED_POD_REMOVED)

    def _enqueue(self, pod: Object) -> None:
        info = PodInfo.of(pod)
        promised = meta.get(pod, "status", "nominatedNodeName", default="")
        if promised:
            self._cycle.nominator.nominate(info, promised)
        verdict: Verdict = self._framework.pre_enqueue(info)
        self._queue.add(info, self._clock.now(), is_gated=verdict.is_refusal)
        self._woken.set()

    def _wake(self, *events: ClusterEvent) -> None:
        """Let those waiting pods try again whose refusal one of the events may undo."""
        if not events:
            return

        def is_woken(queued: QueuedPod) -> bool:
            return any(self._framework.is_woken_by(queued.plugins, event) for event in events)

        self._queue.wake(is_woken, self._clock.now())
        self._woken.set()


def _is_placed(pod: Object) -> bool:
    """True when the pod takes room on a node."""
    return bool(meta.get(pod, "spec", "nodeName")) and not _is_finished(pod)


def _waits(pod: Object) -> bool:
    """True when it is on us to find a node for the pod."""
    spec = pod["spec"]
    is_ours = not spec.get("nodeName") and spec.get("schedulerName", NAME) == NAME
    return is_ours and not meta.is_terminating(pod) and not _is_finished(pod)


def _is_finished(pod: Object) -> bool:
    return meta.get(pod, "status", "phase") in ("Succeeded", "Failed")
