"""Shell: which objects concern a node, read from the watch cache.

    the log of pods --cursor--> pods by node, each with the names it refers to, read when first asked

A mirror pod tells of nothing but itself: its kubelet made it, and could have written anything into it.

After: k8s plugin/pkg/auth/authorizer/node/{graph,graph_populator}.go
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from apiserver.storage.entry import Entry
from apiserver.storage.object_log import Cursor, TooOld
from apiserver.storage.watch_cache import WatchCache
from kube.api import meta, pod_references
from kube.api.meta import Object
from kube.api.resources import PERSISTENT_VOLUMES, PODS, VOLUME_ATTACHMENTS

MIRROR = "kubernetes.io/config.mirror"
NODE_FIELD = "spec.nodeName"


@dataclass(slots=True)
class _Pod:
    """One of a node's pods; names: (resource, name) of what it refers to."""

    entry: Entry
    names: frozenset[tuple[str, str]] | None = None

    def refers_to(self, plural: str, name: str) -> bool:
        if self.names is None:
            self.names = frozenset(_names(self.entry.decode()))
        return (plural, name) in self.names


def _names(pod: Object) -> set[tuple[str, str]]:
    if MIRROR in meta.annotations(pod):
        return set()
    return {
        *(("secrets", name) for name in pod_references.secret_names(pod)),
        *(("configmaps", name) for name in pod_references.config_map_names(pod)),
        *(("persistentvolumeclaims", name) for name in pod_references.claim_names(pod)),
        ("serviceaccounts", meta.get(pod, "spec", "serviceAccountName", default="")),
    }


class NodeRelations:
    """`_pods`: node -> key of a pod -> the pod."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache
        self._pods: defaultdict[str, dict[str, _Pod]] = defaultdict(dict)
        self._cursor: Cursor | None = None

    def related(self, node: str, plural: str, namespace: str, name: str) -> bool:
        """True when there is a way from the object to the node."""
        if plural == "volumeattachments":
            attachment = self._cache.get(VOLUME_ATTACHMENTS, "", name)
            return attachment is not None and meta.get(attachment.decode(), "spec", "nodeName") == node
        if plural == "persistentvolumes":
            volume = self._cache.get(PERSISTENT_VOLUMES, "", name)
            claim = meta.get(volume.decode(), "spec", "claimRef", default={}) if volume is not None else {}
            plural, namespace, name = (
                "persistentvolumeclaims",
                claim.get("namespace", ""),
                claim.get("name", ""),
            )
        self._catch_up()
        pods = self._pods.get(node, {})
        if plural == "pods":
            return f"{namespace}/{name}" in pods
        start = f"{namespace}/"
        return any(pod.refers_to(plural, name) for key, pod in pods.items() if key.startswith(start))

    def _catch_up(self) -> None:
        log = self._cache.log(PODS)
        try:
            events = self._cursor.take() if self._cursor is not None else None
        except TooOld:
            events = None
        if events is None:
            self._pods.clear()
            self._cursor = log.end(self._cache.revision)
            for entry in log.objects.values():
                self._put(entry)
            return
        for event in events:
            if event.previous is not None:
                self._pods[event.previous.fields[NODE_FIELD]].pop(event.entry.key, None)
            if not event.deleted:
                self._put(event.entry)

    def _put(self, entry: Entry) -> None:
        if node := entry.fields[NODE_FIELD]:
            self._pods[node][entry.key] = _Pod(entry)
