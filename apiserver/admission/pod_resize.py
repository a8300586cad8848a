"""Shell: a pod that runs does not ask for more than its node has in all: it could never get it there.

After: k8s plugin/pkg/admission/podresize/admission.go
"""

from __future__ import annotations

from apiserver.admission.chain import UPDATE, Attributes
from apiserver.storage.watch_cache import WatchCache
from kube.api import errors, meta, pod_resources
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import NODES, PODS

OS_LABEL = "kubernetes.io/os"
CAPACITY, PLATFORM = "NodeCapacity", "UnsupportedPlatform"


class PodResizeValidator:
    """Compares requests with the node's allocatable resources, whatever else runs there."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache

    async def validate(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        asked = (attributes.resource, attributes.operation, attributes.subresource)
        if asked != (PODS, UPDATE, "resize") or old is None or o["spec"] == old["spec"]:
            return
        if not (name := meta.get(o, "spec", "nodeName")):
            return
        entry = await self._cache.find(NODES, "", name)
        if entry is None:
            raise errors.forbidden(PODS, attributes.name, f"node {errors.quote(name)} not found")
        node = entry.decode()
        if beyond := _beyond(o, node):
            why = f"Node didn't have enough allocatable resources: {'; '.join(beyond)}"
            raise _refused(attributes, why, CAPACITY)
        if (system := meta.labels(node).get(OS_LABEL, "")) != "linux":
            why = f"pod resize is only supported on linux nodes, node {errors.quote(name)} is "
            raise _refused(attributes, why + errors.quote(system), PLATFORM)


def _beyond(pod: Object, node: Object) -> list[str]:
    """What the pod would need more of than there is; cpu in thousandths, memory in bytes."""
    requests = pod_resources.pod_requests(pod)
    allocatable = pod_resources.parse(meta.get(node, "status", "allocatable"))
    return [
        f"{name}, requested: {requests[name]}, allocatable: {allocatable.get(name, 0)}"
        for name in ("cpu", "memory")
        if requests.get(name, 0) > allocatable.get(name, 0)
    ]


def _refused(attributes: Attributes, why: str, reason: str) -> StatusError:
    error = errors.forbidden(PODS, attributes.name, why)
    error.details["causes"] = [{"reason": reason}]
    return error
