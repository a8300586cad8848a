"""Shell: what the handlers of the kubelet's port know of the node, and how they find a pod or a container.

What is not there is refused in the kubelet's words.

After: k8s pkg/kubelet/kubelet_pods.go, GetKubeletContainerLogs, validateContainerLogStatus
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from kube.api import meta
from kube.api.meta import Object
from kube.base.clock import Clock
from kube.client.store import Store
from kubelet.pod.plan import PodState, init_containers
from kubelet.runtime.interface import Container, Runtime


@dataclass(frozen=True, slots=True)
class Served:
    """The node as its port serves it. pods: those the API server has for this node."""

    pods: Store
    runtime: Runtime
    clock: Clock

    def pod(self, request: web.Request) -> Object:
        """The pod that the path names."""
        key = f"{request.match_info['namespace']}/{request.match_info['pod']}"
        pod = self.pods.get(key)
        if pod is None:
            raise web.HTTPNotFound(text=f'pod "{key}" does not exist')
        return pod

    def logged(self, pod: Object, name: str, *, previous: bool) -> Container:
        """The container whose log is meant."""
        specs = [*init_containers(pod), *pod["spec"]["containers"]]
        if all(spec["name"] != name for spec in specs):
            raise web.HTTPNotFound(text=f'container "{name}" in pod "{meta.name(pod)}" is not available')
        state = self._state(meta.uid(pod))
        found = state.previous(name) if previous else state.latest(name)
        if found is None or found.started_at is None:
            who = f'container "{name}" in pod "{meta.name(pod)}"'
            missing = f"previous terminated {who} not found"
            waiting = f"{who} is waiting to start: ContainerCreating"
            raise web.HTTPBadRequest(text=missing if previous else waiting)
        return found

    def running(self, request: web.Request) -> Container:
        """The running container that the path names."""
        pod, name = self.pod(request), request.match_info["container"]
        found = self._state(request.match_info.get("uid", meta.uid(pod))).latest(name)
        if found is None or not found.is_running:
            raise web.HTTPNotFound(text=f'container not found ("{name}")')
        return found

    def is_running(self, container: Container) -> bool:
        """Whether it still runs."""
        containers = self.runtime.containers_of(container.pod_uid)
        return any(each.id == container.id and each.is_running for each in containers)

    def _state(self, uid: str) -> PodState:
        return PodState(self.runtime.sandbox_of(uid), self.runtime.containers_of(uid))
