"""Core: static pods, which a file tells the kubelet of, and their mirrors, by which the API shows them.

    file --parse--> static pod (its uid is a hash of what it says) --mirror_of--> what is created in the API
    static pods + mirrors that are seen --reconcile--> mirrors to delete, mirrors to create

A mirror says in its annotations whose it is; one that is being deleted, or is another file's, is replaced.

After: k8s pkg/kubelet/config/{common,file}.go; pkg/kubelet/pod/mirror_client.go
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from kube.api import meta
from kube.api.defaults import apply_defaults
from kube.api.meta import Object
from kube.api.resources import NODES, PODS

SOURCE, HASH = "kubernetes.io/config.source", "kubernetes.io/config.hash"
MIRROR = "kubernetes.io/config.mirror"
FILE = "file"
DEFAULT_NAMESPACE = "default"
# A static pod stays whatever becomes of its node.
TOLERATION = {"operator": "Exists", "effect": "NoExecute"}


def parse(text: str, file: str, node_name: str) -> Object:
    """The static pod in a file's YAML or JSON; ValueError says what is wrong with it."""
    try:
        pod = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"no YAML: {error}") from error
    if not isinstance(pod, dict) or (pod.get("apiVersion"), pod.get("kind")) != ("v1", "Pod"):
        raise ValueError("no v1 Pod")
    named = isinstance(pod.get("metadata"), dict) and pod["metadata"].get("name")
    if not named or not meta.get(pod, "spec", "containers"):
        raise ValueError("a pod needs a name and containers")
    try:
        apply_defaults(PODS, pod)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"no pod: {error!r}") from error
    return static_pod(pod, file, node_name)


def static_pod(pod: Object, file: str, node_name: str) -> Object:
    """The pod as this node runs it."""
    uid = hashlib.md5(repr((node_name, file, pod)).encode(), usedforsecurity=False).hexdigest()
    metadata = {
        **pod["metadata"],
        "name": f"{pod['metadata']['name']}-{node_name}",
        "namespace": meta.namespace(pod) or DEFAULT_NAMESPACE,
        "uid": uid,
        "resourceVersion": "0",
        "annotations": {**meta.annotations(pod), SOURCE: FILE, HASH: uid},
    }
    spec = {**pod["spec"], "nodeName": node_name}
    spec["tolerations"] = [*(spec.get("tolerations") or ()), TOLERATION]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {}}


def is_static(pod: Object) -> bool:
    """True for a pod that a file tells of."""
    return meta.annotations(pod).get(SOURCE) == FILE


def is_mirror(pod: Object) -> bool:
    """True for a pod of the API that shows a static one."""
    return MIRROR in meta.annotations(pod)


def as_run(pod: Object) -> Object:
    """The pod under the uid that the runtime knows it by."""
    uid = meta.annotations(pod).get(MIRROR)
    return {**pod, "metadata": {**pod["metadata"], "uid": uid}} if uid else pod


def mirror_of(pod: Object, node: Object) -> Object:
    """What is created in the API for a static pod; its node owns it."""
    kept = {key: value for key, value in pod["metadata"].items() if key not in ("uid", "resourceVersion")}
    metadata: dict[str, Any] = {
        **kept,
        "annotations": {**meta.annotations(pod), MIRROR: meta.annotations(pod)[HASH]},
        "ownerReferences": [
            {
                "apiVersion": NODES.api_version,
                "kind": NODES.kind,
                "name": meta.name(node),
                "uid": meta.uid(node),
                "controller": True,
            }
        ],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]}


def reconcile(wanted: Mapping[str, Object], seen: Mapping[str, Object]) -> tuple[list[Object], list[Object]]:
    """Mirrors to delete, and static pods that have none; by namespace/name."""
    stale = [mirror for key, mirror in seen.items() if not _shows(mirror, wanted.get(key))]
    return stale, [pod for key, pod in wanted.items() if key not in seen]


def _shows(mirror: Object, pod: Object | None) -> bool:
    if pod is None or meta.is_terminating(mirror):
        return False
    return meta.annotations(mirror).get(MIRROR) == meta.annotations(pod)[HASH]


def by_key(pods: Iterable[Object]) -> dict[str, Object]:
    """The pods by namespace/name."""
    return {meta.key(pod): pod for pod in pods}
