"""Shell: the pods of one node: an informer on `spec.nodeName=<node>`, and a worker for each pod it tells of.

Invariants: one worker a pod uid; a pod that vanished while the kubelet was down is ended once the first
list is in.
After: k8s pkg/kubelet/kubelet.go, syncLoop.
"""

from __future__ import annotations

from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import PODS
from kube.base.logs import logger
from kube.base.tasks import Tasks
from kube.client.informer import Informer
from kubelet.pod_worker import Node, PodWorker
from kubelet.runtime.interface import Sandbox

log = logger(__name__)


class Kubelet:
    """Starts, updates and ends workers."""

    def __init__(self, node: Node, node_name: str, tasks: Tasks) -> None:
        self._node = node
        self._tasks = tasks
        self._workers: dict[str, PodWorker] = {}
        self.pods = Informer(node.client, PODS, field_selector=f"spec.nodeName={node_name}")
        self.pods.add_handler(self._add, self._update, self._delete)
        node.runtime.on_change(self._wake)

    async def run(self) -> None:
        """Serve the node's pods until cancelled."""
        self._tasks.start("informer pods", self.pods.run)
        await self.pods.wait_synced()
        for sandbox in self._node.runtime.list_sandboxes():
            if sandbox.pod_uid not in self._workers:
                self._end_orphan(sandbox)

    def _add(self, pod: Object) -> None:
        self._start_worker(PodWorker(self._node, pod), pod)

    def _update(self, old: Object, new: Object) -> None:
        self._workers[meta.uid(new)].update(new)

    def _delete(self, pod: Object) -> None:
        self._workers[meta.uid(pod)].delete(pod)

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

    def _start_worker(self, worker: PodWorker, pod: Object) -> None:
        uid = meta.uid(pod)
        assert uid not in self._workers, f"pod {meta.key(pod)} has a worker already"
        self._workers[uid] = worker
        task = self._tasks.start(f"pod {meta.key(pod)}", worker.run)
        task.add_done_callback(lambda _: self._workers.pop(uid, None))
