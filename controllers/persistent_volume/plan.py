"""Core: what becomes of a volume: free, bound, released; and the one door to claims and volumes.

    Available <-> Bound -> Released -> (deleted by who made it | kept | Failed)

Sees: a claim with what may be its volume, or a volume with its claim; what a cache has not is asked for live.
Says: one step of the binding as Updates, phases as UpdateStatus, Events.
Invariants: a volume is the claim's of one uid; a claim names one volume; what a provisioner made, it deletes.
Absent: recycling, resizing, deleting what no provisioner made (such volumes become Failed).
After: k8s pkg/controller/volume/persistentvolume/pv_controller.go, syncVolume.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from controllers.persistent_volume.claims import SeenClaim, plan_claim
from kube.api import meta
from kube.api.actions import Action, EmitEvent, Update, UpdateStatus
from kube.api.meta import Object
from kube.api.resources import PERSISTENT_VOLUMES
from kube.api.volumes import BOUND_BY_CONTROLLER, PROVISIONED_BY

NO_RECYCLER = "No recycler plugin found for the volume!"


@dataclass(frozen=True, slots=True)
class SeenVolume:
    """A volume, and the claim of the name it is kept for."""

    volume: Object
    claim: Object | None


Seen = SeenClaim | SeenVolume


def plan(seen: Seen, now: datetime) -> list[Action]:
    """The next step of a claim or a volume."""
    return plan_claim(seen) if isinstance(seen, SeenClaim) else _plan_volume(seen, now)


def _plan_volume(seen: SeenVolume, now: datetime) -> list[Action]:
    volume = seen.volume
    reference = meta.get(volume, "spec", "claimRef")
    if not reference or not reference.get("uid"):
        return _phase(volume, "Available", now)
    claim = seen.claim
    if claim is None or meta.uid(claim) != reference["uid"]:
        return _release(volume, now)
    named = meta.get(claim, "spec", "volumeName", default="")
    if not named:
        # The claim's next step names it.
        return []
    if named == meta.name(volume):
        return _phase(volume, "Bound", now)
    if PROVISIONED_BY in meta.annotations(volume) and _policy(volume) == "Delete":
        # Made for a claim that found another one meanwhile.
        return _release(volume, now)
    return [Update(PERSISTENT_VOLUMES, _unbound(volume))]


def _release(volume: Object, now: datetime) -> list[Action]:
    """The claim is gone; what then, says the policy. A failure stays to be seen."""
    phase = meta.get(volume, "status", "phase")
    if phase == "Failed":
        return []
    if phase != "Released":
        return _phase(volume, "Released", now)
    if _policy(volume) == "Recycle":
        return _fail(volume, "VolumeFailedRecycle", NO_RECYCLER, now)
    if _policy(volume) == "Delete" and PROVISIONED_BY not in meta.annotations(volume):
        why = "no deletable volume plugin matched"
        message = f'error getting deleter volume plugin for volume "{meta.name(volume)}": {why}'
        return _fail(volume, "VolumeFailedDelete", message, now)
    return []


def _fail(volume: Object, reason: str, message: str, now: datetime) -> list[Action]:
    return [*_phase(volume, "Failed", now, message), EmitEvent(volume, "Warning", reason, message)]


def _policy(volume: Object) -> str:
    return str(meta.get(volume, "spec", "persistentVolumeReclaimPolicy", default="Retain"))


def _phase(volume: Object, phase: str, now: datetime, message: str = "") -> list[Action]:
    old = volume.get("status") or {}
    if old.get("phase") == phase and old.get("message", "") == message:
        return []
    status = {"phase": phase, "lastPhaseTransitionTime": meta.format_time(now)}
    if message:
        status["message"] = message
    return [UpdateStatus(PERSISTENT_VOLUMES, {**volume, "status": status})]


def _unbound(volume: Object) -> Object:
    """Free again, or kept for its user's claim as before."""
    spec, notes = dict(volume["spec"]), dict(meta.annotations(volume))
    if notes.pop(BOUND_BY_CONTROLLER, None) is not None:
        del spec["claimRef"]
    else:
        spec["claimRef"] = {key: value for key, value in spec["claimRef"].items() if key != "uid"}
    return {**volume, "metadata": {**volume["metadata"], "annotations": notes}, "spec": spec}
