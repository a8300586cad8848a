"""Shell: the pods of one node, or of a fleet's: one informer, and a worker for each pod it tells of.

Who is new asks the doorkeeper; until the first list is in, all who are new wait, the oldest goes first.

Invariants: one worker a pod uid; a pod that vanished while the kubelet was down is ended once the first
list is in.
After: k8s pkg/kubelet/kubelet.go, syncLoop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import PODS
from kube.base.logs import logger
from kube.base.tasks import Tasks
from kube.client.informer import Informer
from kubelet.doorkeeper import Doorkeeper, has_finished
from kubelet.mirrors import Mirrors
from kubelet.pod.admission import Refusal
from kubelet.pod.static import is_mirror
from kubelet.pod_worker import Node, PodWorker
from kubelet.runtime.interface import Sandbox
from kubelet.static_pods import MirroredClient

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Home:
    """A node, and who lets pods in there."""

    node: Node
    door: Doorkeeper


class Kubelet:
    """Starts, updates and ends workers; homes: the nodes by name. All have the same runtime and volumes;
    static pods are the first one's.
    """

    def __init__(self, homes: Mapping[str, Home], tasks: Tasks) -> None:
        self._homes, self._first = homes, next(iter(homes.values()))
        self._waiting: dict[str, Object] = {}
        node = self._node = self._first.node
        self.mirrors = Mirrors(node.client, self._first.door.last_node)
        self._tasks = tasks
        self._workers: dict[str, PodWorker] = {}
        self.pods = Informer(node.client, PODS, field_selector=_selector(homes))
        self.pods.add_handler(self._add, self._update, self._delete)
        node.runtime.on_change(self._wake)
        node.volumes.on_change(self._wake)

    def start_static(self, pod: Object, left: Callable[[], None]) -> Callable[[], None]:
        """Give a static pod a worker; returns what ends it, and calls `left` when nothing of it is left."""
        self._first.door.let_in(pod)
        node = replace(self._node, client=MirroredClient.of(self._node.client, self.mirrors, pod))
        worker = PodWorker(node, pod)
        self._start_worker(worker, pod).add_done_callback(lambda task: None if task.cancelled() else left())
        grace = {"deletionGracePeriodSeconds": pod["spec"].get("terminationGracePeriodSeconds", 0)}
        return lambda: worker.delete({**pod, "metadata": {**pod["metadata"], **grace}})

    async def run(self) -> None:
        """Serve the node's pods until cancelled."""
        self._tasks.start("informer pods", self.pods.run)
        await self.pods.wait_synced()
        for pod in sorted(self._waiting.values(), key=meta.creation_time):
            self._ask(pod)
        self._waiting.clear()
        self._tasks.start("mirror pods", self.mirrors.run)
        for sandbox in self._node.runtime.list_sandboxes():
            if sandbox.pod_uid not in self._workers:
                self._end_orphan(sandbox)
        await self._node.volumes.clear_orphans(set(self._workers))

    def _add(self, pod: Object) -> None:
        if is_mirror(pod):
            self.mirrors.saw(pod)
            return
        if not self._is_ours(pod):
            return
        is_here = self._node.runtime.sandbox_of(meta.uid(pod)) is not None
        if is_here or meta.is_terminating(pod):
            self._admit(pod)
        elif not self.pods.has_synced:
            self._waiting[meta.uid(pod)] = pod
        else:
            self._ask(pod)

    def _ask(self, pod: Object) -> None:
        """Let a new pod in, or have it refused; one that has finished and left nothing gives no work."""
        if has_finished(pod):
            return
        home = self._home(pod)
        if (refusal := home.door.ask(pod)) is None:
            self._start_worker(PodWorker(home.node, pod), pod)
        else:
            self._tasks.start(f"refuse pod {meta.key(pod)}", self._refuse, pod, refusal)

    async def _refuse(self, pod: Object, refusal: Refusal) -> None:
        home = self._home(pod)
        if not await home.door.turn_away(pod, refusal):
            return
        now = self.pods.store.get(meta.key(pod))
        if now is not None and meta.uid(now) == meta.uid(pod) and meta.uid(pod) not in self._workers:
            self._start_worker(PodWorker(home.node, now), now)
        else:
            home.door.left(meta.uid(pod))

    def _admit(self, pod: Object) -> None:
        home = self._home(pod)
        home.door.let_in(pod)
        self._start_worker(PodWorker(home.node, pod), pod)

    def _update(self, old: Object, new: Object) -> None:
        uid = meta.uid(new)
        if is_mirror(new):
            self.mirrors.saw(new)
            return
        if uid in self._waiting:
            self._waiting[uid] = new
        elif uid in self._workers:
            self._home(new).door.changed(new)
            self._workers[uid].update(new)
        elif meta.is_terminating(new) and self._is_ours(new):
            self._admit(new)

    def _delete(self, pod: Object) -> None:
        if is_mirror(pod):
            self.mirrors.gone(pod)
            return
        uid = meta.uid(pod)
        self._waiting.pop(uid, None)
        # Its place is free at once: the scheduler, too, has seen that it is gone.
        self._home(pod).door.left(uid)
        if uid in self._workers:
            self._workers[uid].delete(pod)

    def _wake(self, pod_uid: str) -> None:
        if pod_uid in self._workers:
            self._workers[pod_uid].wake()

    def _end_orphan(self, sandbox: Sandbox) -> None:
        """End what runs for a pod the API does not know any more."""
        log.info("ending a pod that is gone", pod=f"{sandbox.namespace}/{sandbox.name}", uid=sandbox.pod_uid)
        metadata = {"name": sandbox.name, "namespace": sandbox.namespace, "uid": sandbox.pod_uid}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": []}}
        worker = PodWorker(self._node, pod)
        worker.delete(pod)
        self._start_worker(worker, pod)

    def _start_worker(self, worker: PodWorker, pod: Object) -> asyncio.Task[None]:
        uid = meta.uid(pod)
        assert uid not in self._workers, f"pod {meta.key(pod)} has a worker already"
        self._workers[uid] = worker
        task = self._tasks.start(f"pod {meta.key(pod)}", worker.run)
        door = self._home(pod).door
        task.add_done_callback(lambda _: self._left(uid, door))
        return task

    def _left(self, uid: str, door: Doorkeeper) -> None:
        self._workers.pop(uid, None)
        door.left(uid)

    def _is_ours(self, pod: Object) -> bool:
        return pod["spec"].get("nodeName") in self._homes

    def _home(self, pod: Object) -> Home:
        """The pod's node; the first one for what is left of a pod that is gone."""
        return self._homes.get(pod["spec"].get("nodeName", ""), self._first)


def _selector(names: Collection[str]) -> str:
    """Which pods to hear of: those of the node; of a fleet, all that have a node."""
    return f"spec.nodeName={next(iter(names))}" if len(names) == 1 else "spec.nodeName!="
