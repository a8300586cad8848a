"""Core: what becomes of a claim: it is bound to a volume, has one made, waits, or has lost its volume.

    Pending -> [volume: claimRef] -> [claim: volumeName, bind-completed] -> [status: Bound]

Each arrow is one write, and what is written already is not written again: a crash in between costs nothing.

After: k8s pkg/controller/volume/persistentvolume/pv_controller.go, syncClaim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from controllers.persistent_volume.matching import best_match, misfit
from kube.api import meta
from kube.api.actions import Action, EmitEvent, Update, UpdateStatus
from kube.api.meta import Object
from kube.api.resources import PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES
from kube.api.volumes import (
    BIND_COMPLETED,
    BOUND_BY_CONTROLLER,
    SELECTED_NODE,
    STORAGE_PROVISIONER,
    STORAGE_PROVISIONER_BETA,
    class_of,
    default_class,
    is_claimed_by,
    is_delayed,
    names_class,
)

IN_TREE = "kubernetes.io/"
LOST = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
UNREFERENCED = "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
MISBOUND = "Two claims are bound to the same volume, this one is bound incorrectly"


@dataclass(frozen=True, slots=True)
class SeenClaim:
    """A claim, the volumes that may be its own, the one it names, all classes, and the pods that use it."""

    claim: Object
    volumes: Sequence[Object]
    volume: Object | None
    classes: Sequence[Object]
    pods: Sequence[Object] = ()


def plan_claim(seen: SeenClaim) -> list[Action]:
    """The next step of one claim."""
    claim = seen.claim
    if BIND_COMPLETED in meta.annotations(claim):
        return _bound(claim, seen.volume)
    if meta.is_terminating(claim):
        return []
    if meta.get(claim, "spec", "volumeName"):
        return _asked_for(claim, seen.volume)
    storage_class = next((each for each in seen.classes if meta.name(each) == class_of(claim)), None)
    waits = is_delayed(storage_class) and SELECTED_NODE not in meta.annotations(claim)
    volume = best_match(claim, seen.volumes, is_delayed=waits)
    if volume is not None:
        return _bind(claim, volume)
    if not names_class(claim) and (default := default_class(seen.classes)) is not None:
        spec = {**claim["spec"], "storageClassName": meta.name(default)}
        return [Update(PERSISTENT_VOLUME_CLAIMS, {**claim, "spec": spec})]
    if waits:
        return [_waiting(claim, seen.pods), *_status(claim, "Pending")]
    if class_of(claim):
        return [*_provision(claim, storage_class), *_status(claim, "Pending")]
    message = "no persistent volumes available for this claim and no storage class is set"
    return [EmitEvent(claim, "Normal", "FailedBinding", message), *_status(claim, "Pending")]


def _bound(claim: Object, volume: Object | None) -> list[Action]:
    if not meta.get(claim, "spec", "volumeName"):
        return _lose(claim, "ClaimLost", UNREFERENCED)
    if volume is None:
        return _lose(claim, "ClaimLost", LOST)
    reference = meta.get(volume, "spec", "claimRef")
    if reference is None or reference.get("uid") == meta.uid(claim):
        return _bind(claim, volume)
    return _lose(claim, "ClaimMisbound", MISBOUND)


def _lose(claim: Object, reason: str, message: str) -> list[Action]:
    """Data may be gone; said once."""
    changes = _status(claim, "Lost")
    is_news = meta.get(claim, "status", "phase") != "Lost"
    return [*changes, *([EmitEvent(claim, "Warning", reason, message)] if is_news else [])]


def _asked_for(claim: Object, volume: Object | None) -> list[Action]:
    """The user named the volume."""
    if volume is None or (meta.get(volume, "spec", "claimRef") and not is_claimed_by(volume, claim)):
        return _status(claim, "Pending")
    if meta.get(volume, "spec", "claimRef") is None and (why := misfit(volume, claim)) is not None:
        message = f'Cannot bind to requested volume "{meta.name(volume)}": {why}'
        return [EmitEvent(claim, "Warning", "VolumeMismatch", message), *_status(claim, "Pending")]
    return _bind(claim, volume)


def _bind(claim: Object, volume: Object) -> list[Action]:
    """Write what of the binding is not written yet; the status comes last, when both sides have it."""
    writes: list[Action] = []
    if (claimed := _claimed(volume, claim)) != volume:
        writes.append(Update(PERSISTENT_VOLUMES, claimed))
    if (pointed := _pointed(claim, volume)) != claim:
        writes.append(Update(PERSISTENT_VOLUME_CLAIMS, pointed))
    return writes or _status(claim, "Bound", volume)


def _claimed(volume: Object, claim: Object) -> Object:
    """The volume, kept for this very claim."""
    reference = meta.get(volume, "spec", "claimRef", default=None)
    if reference is not None and reference.get("uid") == meta.uid(claim):
        return volume
    full = {
        "kind": "PersistentVolumeClaim",
        "apiVersion": "v1",
        "namespace": meta.namespace(claim),
        "name": meta.name(claim),
        "uid": meta.uid(claim),
        "resourceVersion": meta.resource_version(claim),
    }
    changed = {**volume, "spec": {**volume["spec"], "claimRef": full}}
    # One that its user had kept for the claim goes back to that, not to everybody.
    return changed if reference is not None else _annotated(changed, BOUND_BY_CONTROLLER)


def _pointed(claim: Object, volume: Object) -> Object:
    """The claim, naming its volume."""
    changed = claim
    if meta.get(claim, "spec", "volumeName") != meta.name(volume):
        changed = {**claim, "spec": {**claim["spec"], "volumeName": meta.name(volume)}}
        changed = _annotated(changed, BOUND_BY_CONTROLLER)
    return changed if BIND_COMPLETED in meta.annotations(claim) else _annotated(changed, BIND_COMPLETED)


def _annotated(o: Object, *names: str, value: str = "yes") -> Object:
    notes = meta.annotations(o) | dict.fromkeys(names, value)
    return {**o, "metadata": {**o["metadata"], "annotations": notes}}


def _status(claim: Object, phase: str, volume: Object | None = None) -> list[Action]:
    old = claim.get("status") or {}
    status = {**old, "phase": phase}
    if volume is None:
        if phase == "Pending":
            status = {key: value for key, value in status.items() if key not in ("accessModes", "capacity")}
    else:
        status["accessModes"] = volume["spec"]["accessModes"]
        if old.get("phase") != "Bound" or "capacity" not in old:
            status["capacity"] = {"storage": volume["spec"]["capacity"]["storage"]}
    return [UpdateStatus(PERSISTENT_VOLUME_CLAIMS, {**claim, "status": status})] if status != old else []


def _waiting(claim: Object, pods: Sequence[Object]) -> Action:
    """What a claim waits for that is bound with its first pod."""
    names = sorted(
        meta.name(each) for each in pods if meta.get(each, "status", "phase") not in ("Succeeded", "Failed")
    )
    if not names:
        message = "waiting for first consumer to be created before binding"
        return EmitEvent(claim, "Normal", "WaitForFirstConsumer", message)
    who = f"pod {names[0]}" if len(names) == 1 else f"one of pods: {','.join(names)}"
    return EmitEvent(claim, "Normal", "WaitForPodScheduled", f"waiting for {who} to be scheduled")


def _provision(claim: Object, storage_class: Object | None) -> list[Action]:
    """Ask who provisions the class for a volume."""
    if storage_class is None:
        message = f'storageclass.storage.k8s.io "{class_of(claim)}" not found'
        return [EmitEvent(claim, "Warning", "ProvisioningFailed", message)]
    provisioner = storage_class["provisioner"]
    if provisioner.startswith(IN_TREE):
        message = f"no volume plugin matched name: {provisioner}"
        return [EmitEvent(claim, "Warning", "ProvisioningFailed", message)]
    asked = _annotated(claim, STORAGE_PROVISIONER_BETA, STORAGE_PROVISIONER, value=provisioner)
    if asked != claim:
        return [Update(PERSISTENT_VOLUME_CLAIMS, asked)]
    message = (
        f"Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually "
        "by the system administrator. If volume creation is delayed, please verify that the provisioner is "
        "running and correctly registered."
    )
    return [EmitEvent(claim, "Normal", "ExternalProvisioning", message)]
