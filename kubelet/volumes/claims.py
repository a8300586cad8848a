"""Core: where the node has what a PersistentVolumeClaim is bound to: volumes of kind hostPath and local.

After: k8s pkg/kubelet/volumemanager/populator/desired_state_of_world_populator.go.
"""

from __future__ import annotations

from dataclasses import dataclass

from kube.api import meta
from kube.api.meta import Object


@dataclass(frozen=True, slots=True)
class HostFolder:
    """A path of the node, as which volume it is known, and what must be there."""

    volume_name: str
    path: str
    kind: str = ""
    is_local: bool = False


def claim_name(pod: Object, volume: Object) -> str | None:
    """The claim a volume stands for; an ephemeral one's is made by a controller, of the pod's name."""
    if "ephemeral" in volume:
        return f"{meta.name(pod)}-{volume['name']}"
    name: str | None = meta.get(volume, "persistentVolumeClaim", "claimName")
    return name


def bound_volume(pod: Object, volume: Object, claim: Object | None, name: str) -> str:
    """The PersistentVolume's name; LookupError says why there is none."""
    who = f"error processing PVC {meta.namespace(pod)}/{name}"
    if claim is None:
        why = f'failed to fetch PVC from API server: persistentvolumeclaims "{name}" not found'
    elif "ephemeral" in volume and not meta.is_controlled_by(claim, pod):
        why = f"PVC {meta.namespace(pod)}/{name} was not created for pod (pod is not owner)"
    elif meta.is_terminating(claim):
        why = "can't start pod because PVC is being deleted"
    elif not meta.get(claim, "spec", "volumeName") or meta.get(claim, "status", "phase") != "Bound":
        why = "PVC is not bound"
    else:
        return str(claim["spec"]["volumeName"])
    raise LookupError(not_attached(volume["name"], f"{who}: {why}"))


def folder(volume: Object, persistent: Object) -> HostFolder:
    """Where it is; LookupError for kinds this node cannot have."""
    spec, name = persistent["spec"], meta.name(persistent)
    if "hostPath" in spec:
        return HostFolder(name, spec["hostPath"]["path"], spec["hostPath"].get("type") or "")
    if "local" in spec:
        return HostFolder(name, spec["local"]["path"], is_local=True)
    why = f'failed to get Plugin from volumeSpec for volume "{name}" err=no volume plugin matched'
    raise LookupError(not_attached(volume["name"], why))


def not_attached(volume_name: str, why: str) -> str:
    """The event's words for a volume that never came to be mounted."""
    return (
        f"Unable to attach or mount volumes: unmounted volumes=[{volume_name}], unattached volumes=[], "
        f"failed to process volumes=[{volume_name}]: {why}"
    )
