"""Core: what claims, volumes and storage classes say, for all who read them.

After: k8s staging/src/k8s.io/component-helpers/storage/volume/{helpers,pv_helpers}.go;
pkg/volume/util/storageclass.go.
"""

from __future__ import annotations

from collections.abc import Iterable

from kube.api import meta
from kube.api.meta import Object

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
NO_PROVISIONER = "kubernetes.io/no-provisioner"
STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner"
STORAGE_PROVISIONER_BETA = "volume.beta.kubernetes.io/storage-provisioner"
CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
DEFAULT_CLASS_BETA = "storageclass.beta.kubernetes.io/is-default-class"
CLAIM_INDEX = "claim"


def class_of(o: Object) -> str:
    """The storage class that a claim or a volume names; the old annotation goes before the field."""
    old = meta.annotations(o).get(CLASS_ANNOTATION)
    return str(meta.get(o, "spec", "storageClassName", default="")) if old is None else old


def names_class(claim: Object) -> bool:
    """True when the claim names a class, if only the empty one."""
    return (
        CLASS_ANNOTATION in meta.annotations(claim) or meta.get(claim, "spec", "storageClassName") is not None
    )


def default_class(classes: Iterable[Object]) -> Object | None:
    """The class of claims that name none: the youngest of those that are marked."""
    marked = [
        each
        for each in classes
        if "true"
        in (meta.annotations(each).get(DEFAULT_CLASS), meta.annotations(each).get(DEFAULT_CLASS_BETA))
    ]
    marked.sort(key=meta.name)
    return max(marked, key=meta.creation_time, default=None)


def is_delayed(storage_class: Object | None) -> bool:
    """True when claims of the class are bound once a pod needs them."""
    return storage_class is not None and storage_class.get("volumeBindingMode") == "WaitForFirstConsumer"


def is_claimed_by(volume: Object, claim: Object) -> bool:
    """True when the volume is kept for this claim, whether or not it is bound already."""
    reference = meta.get(volume, "spec", "claimRef", default={})
    return (
        (reference.get("namespace"), reference.get("name")) == (meta.namespace(claim), meta.name(claim))
    ) and reference.get("uid") in (None, "", meta.uid(claim))


def claim_key(volume: Object) -> str:
    """The key of the claim the volume is kept for, or empty."""
    reference = meta.get(volume, "spec", "claimRef", default={})
    return f"{reference.get('namespace', '')}/{reference.get('name', '')}" if reference else ""


def claims_of_pod(pod: Object) -> list[str]:
    """Keys of all claims that a pod uses; an ephemeral volume's has the pod's name before its own."""
    names = []
    for volume in meta.get(pod, "spec", "volumes", default=()):
        if "ephemeral" in volume:
            names.append(f"{meta.name(pod)}-{volume['name']}")
        elif claim := meta.get(volume, "persistentVolumeClaim", "claimName"):
            names.append(claim)
    return [f"{meta.namespace(pod)}/{each}" for each in names]
