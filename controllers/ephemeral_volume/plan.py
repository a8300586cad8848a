"""Core: a pod's ephemeral volumes are claims that the pod owns; they go when it goes.

Sees: a pod and its claims. Says: Creates, and an Event where another's claim has the name.
Invariants: nothing is made for a pod that has ended or is being deleted.
After: k8s pkg/controller/volume/ephemeral/controller.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from controllers.pods import is_active
from kube.api import meta
from kube.api.actions import Action, Announcement, Create, EmitEvent
from kube.api.meta import Object
from kube.api.resources import PERSISTENT_VOLUME_CLAIMS, PODS


@dataclass(frozen=True, slots=True)
class Seen:
    """A pod, and the claims of its namespace that have its volumes' names."""

    pod: Object
    claims: Mapping[str, Object]


def claim_names(pod: Object) -> dict[str, Object]:
    """The ephemeral volumes by the names of their claims."""
    volumes = meta.get(pod, "spec", "volumes", default=())
    return {f"{meta.name(pod)}-{each['name']}": each for each in volumes if "ephemeral" in each}


def plan(seen: Seen, _: datetime) -> list[Action]:
    """Make the claims that are missing."""
    if not is_active(seen.pod):
        return []
    actions: list[Action] = []
    for name, volume in claim_names(seen.pod).items():
        known = seen.claims.get(name)
        if known is None:
            actions.append(_create(seen.pod, name, volume))
        elif not meta.is_controlled_by(known, seen.pod):
            why = f"PVC {meta.key(known)} was not created for pod {meta.key(seen.pod)} (pod is not owner)"
            message = f"ephemeral volume {volume['name']}: {why}"
            actions.append(EmitEvent(seen.pod, "Warning", "FailedBinding", message))
    return actions


def _create(pod: Object, name: str, volume: Object) -> Action:
    template = meta.deep_copy(volume["ephemeral"]["volumeClaimTemplate"])
    given = template.get("metadata") or {}
    metadata = {
        "name": name,
        "namespace": meta.namespace(pod),
        "ownerReferences": [meta.owner_reference(pod, PODS)],
        **{part: given[part] for part in ("labels", "annotations") if given.get(part)},
    }
    failed = f"ephemeral volume {volume['name']}: create PVC {name}: {{error}}"
    told = Announcement(pod, "", "", "FailedBinding", failed)
    return Create(PERSISTENT_VOLUME_CLAIMS, {"metadata": metadata, "spec": template["spec"]}, told)
