"""Core: what the scheduler knows of claims, volumes and storage classes, and which claims a pod brings.

After: k8s pkg/scheduler/framework/plugins/volumebinding/binder.go, GetPodVolumeClaims.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kube.api import meta, volumes
from kube.api.meta import Object
from kube.client.store import Store
from scheduler.framework.pod_info import PodInfo


@dataclass(frozen=True, slots=True)
class Volumes:
    """Shared copies of the three kinds; empty ones where nobody fills them."""

    claims: Store = field(default_factory=Store)
    volumes: Store = field(default_factory=Store)
    classes: Store = field(default_factory=Store)

    def claims_of(self, pod: PodInfo) -> list[tuple[str, Object | None, bool]]:
        """Names of the pod's claims, the claims where they are there, and whether they are ephemeral."""
        found: list[tuple[str, Object | None, bool]] = []
        for volume in pod.spec.get("volumes") or ():
            is_ephemeral = "ephemeral" in volume
            claim = meta.get(volume, "persistentVolumeClaim", "claimName", default="")
            name = f"{pod.name}-{volume['name']}" if is_ephemeral else claim
            if name:
                found.append((name, self.claims.get(f"{pod.namespace}/{name}"), is_ephemeral))
        return found

    def unbound(self, pod: PodInfo) -> list[Object]:
        """The pod's claims that are not bound yet."""
        return [claim for _, claim, _ in self.claims_of(pod) if claim is not None and not is_bound(claim)]

    def class_of(self, claim: Object) -> Object | None:
        """The claim's storage class, if it is there."""
        return self.classes.get(volumes.class_of(claim))


def is_bound(claim: Object) -> bool:
    """True once claim and volume both say so."""
    return bool(meta.get(claim, "spec", "volumeName")) and volumes.BIND_COMPLETED in meta.annotations(claim)


def is_delayed(claim: Object, storage_class: Object | None) -> bool:
    """True when the claim is bound once its pod has a node."""
    return volumes.is_delayed(storage_class) and not meta.get(claim, "spec", "volumeName")
