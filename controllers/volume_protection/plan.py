"""Core: a claim goes when no pod uses it, a volume when it is not bound; until then a finalizer holds them.

Sees: a claim and whether a pod uses it, or a volume. Says: an Update that adds or takes the finalizer.
Invariants: a finalizer is taken only from what is being deleted.
After: k8s pkg/controller/volume/pvcprotection/pvc_protection_controller.go, ../pvprotection.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kube.api import meta
from kube.api.actions import Action, Update
from kube.api.meta import Object
from kube.api.resources import Resource


@dataclass(frozen=True, slots=True)
class Seen:
    """What is protected, of which resource by which finalizer, and whether it is in use."""

    object: Object
    resource: Resource
    finalizer: str
    is_used: bool


def is_waiting(o: Object, finalizer: str) -> bool:
    """True when it is being deleted and the finalizer holds it."""
    return meta.is_terminating(o) and finalizer in meta.finalizers(o)


def is_using(pod: Object) -> bool:
    """True when a pod's kubelet may have mounted its claims; it starts none whose claim is being deleted."""
    return bool(meta.get(pod, "spec", "nodeName"))


def plan(seen: Seen, _: datetime) -> list[Action]:
    """Take the finalizer when nothing uses the object any more; add it where it is missing."""
    held = meta.finalizers(seen.object)
    if is_waiting(seen.object, seen.finalizer):
        wanted = held if seen.is_used else [each for each in held if each != seen.finalizer]
    elif meta.is_terminating(seen.object) or seen.finalizer in held:
        wanted = held
    else:
        wanted = [*held, seen.finalizer]
    if wanted == held:
        return []
    metadata = {**seen.object["metadata"], "finalizers": wanted}
    return [Update(seen.resource, {**seen.object, "metadata": metadata})]
