"""Shell: what the kubelet counts, under the kubelet's names."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge

from kubelet.runtime.interface import Runtime


def register(registry: CollectorRegistry, runtime: Runtime) -> None:
    """Ask the runtime whenever the metrics are read."""
    pods = Gauge("kubelet_running_pods", "Number of pods that have a running sandbox.", registry=registry)
    containers = Gauge("kubelet_running_containers", "Number of running containers.", registry=registry)

    def running_pods() -> int:
        return sum(sandbox.ready for sandbox in runtime.list_sandboxes())

    def running_containers() -> int:
        uids = [sandbox.pod_uid for sandbox in runtime.list_sandboxes()]
        return sum(each.is_running for uid in uids for each in runtime.containers_of(uid))

    pods.set_function(running_pods)
    containers.set_function(running_containers)
