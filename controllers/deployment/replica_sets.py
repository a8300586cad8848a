"""Core: a Deployment's ReplicaSets: which one is new, what it is called, what the annotations on them mean.

    deployment.kubernetes.io/revision            which rollout the template belongs to; the newest has the
    highest deployment.kubernetes.io/revision-history    the numbers it had before it was rolled back to
    deployment.kubernetes.io/desired-replicas    the Deployment's replicas when this ReplicaSet was last sized
    deployment.kubernetes.io/max-replicas        those plus maxSurge: the base for proportional scaling

After: k8s pkg/controller/deployment/util/deployment_util.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from controllers.deployment.sizes import max_surge, replicas
from kube.api import meta
from kube.api.hashing import template_hash
from kube.api.meta import Object
from kube.api.resources import DEPLOYMENTS

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
HASH_LABEL = "pod-template-hash"
# Annotations of a Deployment that are about itself alone; all others are copied to its ReplicaSets.
OWN_ANNOTATIONS = {
    "kubectl.kubernetes.io/last-applied-configuration",
    "deprecated.deployment.rollback.to",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    MAX_REPLICAS,
}


@dataclass(frozen=True, slots=True)
class Family:
    """The ReplicaSets of one Deployment: the one with its present template, if any, and the others."""

    new: Object | None
    old: list[Object]

    @property
    def all(self) -> list[Object]:
        return [*self.old, *([self.new] if self.new is not None else [])]

    @property
    def active_old(self) -> list[Object]:
        return [each for each in self.old if replicas(each) > 0]


def sort_by_age(replica_sets: Sequence[Object]) -> list[Object]:
    """Oldest first; the name decides between those of one second."""
    return sorted(replica_sets, key=lambda each: (meta.creation_time(each), meta.name(each)))


def family(deployment: Object, owned: Sequence[Object]) -> Family:
    """Tell the new ReplicaSet from the old ones; if several have the template, the oldest is the new one."""
    wanted = comparable(meta.get(deployment, "spec", "template", default={}))
    in_order = sort_by_age(owned)
    new = next(
        (each for each in in_order if comparable(meta.get(each, "spec", "template", default={})) == wanted),
        None,
    )
    return Family(new, [each for each in in_order if each is not new])


def comparable(template: Object) -> Any:
    """A template without what may differ between Deployment and ReplicaSet: the hash label, and nulls."""
    labels = meta.get(template, "metadata", "labels", default={})
    metadata = {
        **(template.get("metadata") or {}),
        "labels": {key: value for key, value in labels.items() if key != HASH_LABEL},
    }
    return _without_nulls({**template, "metadata": metadata})


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def hash_of(deployment: Object) -> str:
    """The hash in the name and labels of the new ReplicaSet."""
    template = _without_nulls(meta.get(deployment, "spec", "template", default={}))
    return template_hash(template, meta.get(deployment, "status", "collisionCount"))


def name_of_new(deployment: Object) -> str:
    """The name a new ReplicaSet for the present template gets."""
    return f"{meta.name(deployment)}-{hash_of(deployment)}"


def make_new(deployment: Object, revision: int, size: int) -> Object:
    """The ReplicaSet for the present template."""
    label = {HASH_LABEL: hash_of(deployment)}
    template = meta.deep_copy(meta.get(deployment, "spec", "template", default={}))
    labels = meta.get(template, "metadata", "labels", default={}) | label
    template["metadata"] = (template.get("metadata") or {}) | {"labels": labels}
    selector = meta.deep_copy(meta.get(deployment, "spec", "selector", default={}))
    selector["matchLabels"] = (selector.get("matchLabels") or {}) | label
    spec: dict[str, Any] = {"replicas": size, "selector": selector, "template": template}
    if meta.get(deployment, "spec", "minReadySeconds"):
        spec["minReadySeconds"] = meta.get(deployment, "spec", "minReadySeconds")
    annotations = copied_annotations(deployment) | replicas_annotations(deployment)
    annotations[REVISION] = str(revision)
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name_of_new(deployment),
            "namespace": meta.namespace(deployment),
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [meta.owner_reference(deployment, DEPLOYMENTS)],
        },
        "spec": spec,
    }


def copied_annotations(deployment: Object) -> dict[str, str]:
    """The Deployment's annotations that its ReplicaSets carry too."""
    return {key: value for key, value in meta.annotations(deployment).items() if key not in OWN_ANNOTATIONS}


def replicas_annotations(deployment: Object) -> dict[str, str]:
    """What a ReplicaSet that is being sized notes of its Deployment."""
    desired = replicas(deployment)
    return {DESIRED_REPLICAS: str(desired), MAX_REPLICAS: str(desired + max_surge(deployment))}


def revision_of(replica_set: Object) -> int:
    """The revision a ReplicaSet carries; 0 without one."""
    text = meta.annotations(replica_set).get(REVISION, "0")
    return int(text) if text.isdecimal() else 0


def next_revision(old: Sequence[Object]) -> int:
    """The revision of the new ReplicaSet: higher than that of all old ones."""
    return max((revision_of(each) for each in old), default=0) + 1


def annotations_of_new(deployment: Object, new: Object, revision: int) -> dict[str, str]:
    """The annotations the new ReplicaSet is to have; the revision it had before goes into its history."""
    annotations = meta.annotations(new) | copied_annotations(deployment)
    had = revision_of(new)
    if revision > had:
        annotations[REVISION] = str(revision)
        if had:
            history = annotations.get(REVISION_HISTORY, "")
            annotations[REVISION_HISTORY] = f"{history},{had}" if history else str(had)
    return annotations


def resized(replica_set: Object, size: int, annotations: dict[str, str]) -> Object:
    """A copy with another size and other annotations."""
    return {
        **replica_set,
        "metadata": {**replica_set["metadata"], "annotations": annotations},
        "spec": {**replica_set["spec"], "replicas": size},
    }
