"""Shell: what the handlers of the kubelet's port know of the node, and how they find a pod or a container.

What is not there is refused in the kubelet's words.

After: k8s pkg/kubelet/kubelet_pods.go, GetKubeletContainerLogs, validateContainerLogStatus
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from kube.api import meta
from kube.api.meta import Object
from kube.base.clock import Clock
from kube.client.store import Store
from kubelet.logs.changes import Changes
from kubelet.pod.static import as_run
from kubelet.runtime.interface import Container, Runtime
from kubelet.stats.collector import Collector

# Why a container waits, where the kubelet says more than its reason.
WAITING = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}
STATUSES = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")


@dataclass(frozen=True, slots=True)
class Served:
    """The node as its port serves it. pods: those the API server has for this node; process_logs: the logs of
    those that are processes of somebody else's, by namespace/name.
    """

    pods: Store
    runtime: Runtime
    clock: Clock
    changes: Changes = field(default_factory=Changes)
    node_name: str = ""
    process_logs: Mapping[str, Path] = field(default_factory=dict)
    collector: Collector = field(default_factory=Collector)

    def pod(self, request: web.Request) -> Object:
        """The pod that the path names."""
        namespace, name = request.match_info["namespace"], request.match_info["pod"]
        pod = self.pods.get(f"{namespace}/{name}")
        if pod is None:
            raise web.HTTPNotFound(text=f'pod "{name}" does not exist')
        return as_run(pod)

    def logged(self, pod: Object, name: str, *, previous: bool) -> Container:
        """The container whose log is meant."""
        if all(spec["name"] != name for spec in _specs(pod)):
            raise web.HTTPNotFound(text=f'container "{name}" not found in pod "{meta.name(pod)}"')
        attempts = [each for each in self.runtime.containers_of(meta.uid(pod)) if each.name == name]
        attempts = [each for each in attempts if each.started_at is not None]
        status = _status(pod, name)
        found = _previous(attempts, status) if previous else attempts[-1] if attempts else None
        if found is None:
            who = f'container "{name}" in pod "{meta.name(pod)}"'
            missing = f"previous terminated {who} not found"
            raise web.HTTPBadRequest(text=missing if previous else _why_not_yet(who, status))
        return found

    def running(self, request: web.Request) -> Container:
        """The running container that the path names."""
        pod, name = self.pod(request), request.match_info["container"]
        uid = request.match_info.get("uid", meta.uid(pod))
        attempts = [each for each in self.runtime.containers_of(uid) if each.name == name]
        if not attempts or not attempts[-1].is_running:
            raise web.HTTPNotFound(text=f'container not found ("{name}")')
        return attempts[-1]

    def is_running(self, container: Container) -> bool:
        """Whether it still runs."""
        containers = self.runtime.containers_of(container.pod_uid)
        return any(each.id == container.id and each.is_running for each in containers)


def _specs(pod: Object) -> list[Object]:
    fields = ("containers", "initContainers", "ephemeralContainers")
    return [spec for each in fields for spec in pod["spec"].get(each) or ()]


def _status(pod: Object, name: str) -> Object:
    """What was last told of a container; empty where that is nothing."""
    told = [each for key in STATUSES for each in meta.get(pod, "status", key, default=None) or ()]
    return next((each for each in told if each["name"] == name), {})


def _previous(attempts: Sequence[Container], status: Object) -> Container | None:
    """The attempt that ended last, but for one that is the container's present state."""
    ended = [each for each in attempts if each.is_exited]
    is_waiting = "waiting" in (status.get("state") or {})
    if ended and ended[-1] is attempts[-1] and not is_waiting:
        ended.pop()
    return ended[-1] if ended else None


def _why_not_yet(who: str, status: Object) -> str:
    if not status:
        return f"{who} is not available"
    reason = meta.get(status, "state", "waiting", "reason", default="ContainerCreating")
    if "terminated" in (status.get("state") or {}):
        return f"{who} is terminated"
    return f"{who} is waiting to start: {WAITING.get(reason, reason)}"
