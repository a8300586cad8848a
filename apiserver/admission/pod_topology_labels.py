"""Shell: a pod bears the zone and region of its node, so that it can be told where it runs.

After: k8s plugin/pkg/admission/podtopologylabels/admission.go
"""

from __future__ import annotations

from apiserver.admission.chain import CREATE, Attributes
from apiserver.storage.watch_cache import WatchCache
from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import NODES, PODS

LABELS = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone")


class PodTopologyLabels:
    """Writes the labels on a pod that comes with its node, and on a binding, which hands them to its pod."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache

    async def admit(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        if attributes.resource is not PODS or attributes.operation != CREATE:
            return
        if attributes.subresource == "":
            node = meta.get(o, "spec", "nodeName", default="")
        elif attributes.subresource == "binding" and meta.get(o, "target", "kind") == "Node":
            node = meta.get(o, "target", "name", default="")
        else:
            return
        if labels := self._labels(node):
            o["metadata"]["labels"] = {**meta.labels(o), **labels}

    def _labels(self, node: str) -> dict[str, str]:
        entry = self._cache.get(NODES, "", node) if node else None
        labels = meta.labels(entry.decode()) if entry is not None else {}
        return {key: labels[key] for key in LABELS if key in labels}
