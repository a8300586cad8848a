"""Core: what a well-behaved pod says of itself: no root, no capabilities, no more privileges, a profile.

After: k8s staging/src/k8s.io/pod-security-admission/policy/check_*.go with LevelRestricted
"""

from __future__ import annotations

from apiserver.pod_security.baseline import PROFILE_TYPES, must_not_add, seccomp_profile
from apiserver.pod_security.pod import Part, Pod, Violation, context, counted

VOLUMES = (
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image"),
    *("persistentVolumeClaim", "projected", "secret"),
)
OTHER_VOLUMES = (
    *("hostPath", "gcePersistentDisk", "awsElasticBlockStore", "gitRepo", "nfs", "iscsi", "glusterfs"),
    *("rbd", "flexVolume", "cinder", "cephfs", "flocker", "fc", "azureFile", "vsphereVolume", "quobyte"),
    *("azureDisk", "photonPersistentDisk", "portworxVolume", "scaleIO", "storageos"),
)


def allow_privilege_escalation(pod: Pod) -> Violation | None:
    """No program gets more rights than who started it, by setuid for one; each container says so."""
    bad = pod.named(lambda container: context(container, "allowPrivilegeEscalation") is not False)
    if not bad:
        return None
    detail = f"{counted('container', bad)} must set securityContext.allowPrivilegeEscalation=false"
    return Violation("allowPrivilegeEscalation != false", detail)


def capabilities(pod: Pod) -> Violation | None:
    """All are dropped, and at most the one that opens low ports is taken back."""
    added: list[str] = []

    def adds(container: Part) -> bool:
        more = [
            each for each in context(container, "capabilities", "add") or () if each != "NET_BIND_SERVICE"
        ]
        added.extend(more)
        return bool(more)

    keeping = pod.named(lambda container: "ALL" not in (context(container, "capabilities", "drop") or ()))
    adding = pod.named(adds)
    faults = []
    if keeping:
        faults.append(f'{counted("container", keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        faults.append(must_not_add(adding, added))
    return Violation("unrestricted capabilities", "; ".join(faults)) if faults else None


def volumes(pod: Pod) -> Violation | None:
    """Only what lives with the pod, or what an administrator has offered as a volume."""
    bad, types = [], []
    for volume in pod.spec.get("volumes") or ():
        if all(volume.get(kind) is None for kind in VOLUMES):
            bad.append(volume["name"])
            types.append(next((kind for kind in OTHER_VOLUMES if volume.get(kind) is not None), "unknown"))
    if not bad:
        return None
    kinds = sorted(set(types))
    use = "uses" if len(bad) == 1 else "use"
    detail = f"{counted('volume', bad)} {use} {counted('restricted volume type', kinds)}"
    return Violation("restricted volume types", detail)


def run_as_non_root(pod: Pod) -> Violation | None:
    """The pod says so for all, or each container for itself."""
    reason = "runAsNonRoot != true"
    setters = pod.setters(lambda part: context(part, "runAsNonRoot") is False)
    if setters:
        return Violation(reason, f"{' and '.join(setters)} must not set securityContext.runAsNonRoot=false")
    if context(pod.spec, "runAsNonRoot"):
        return None
    silent = pod.named(lambda container: context(container, "runAsNonRoot") is None)
    if not silent:
        return None
    return Violation(
        reason, f"pod or {counted('container', silent)} must set securityContext.runAsNonRoot=true"
    )


def run_as_user(pod: Pod) -> Violation | None:
    """Nobody asks to be root."""
    setters = pod.setters(lambda part: context(part, "runAsUser") == 0)
    if not setters:
        return None
    return Violation("runAsUser=0", f"{' and '.join(setters)} must not set runAsUser=0")


def seccomp(pod: Pod) -> Violation | None:
    """Some profile is named, by the pod for all or by each container for itself."""
    if (violation := seccomp_profile(pod)) is not None:
        return violation
    if context(pod.spec, "seccompProfile") is not None:
        return None
    silent = pod.named(lambda container: context(container, "seccompProfile") is None)
    if not silent:
        return None
    choices = " or ".join(f'"{each}"' for each in PROFILE_TYPES)
    detail = (
        f"pod or {counted('container', silent)} must set securityContext.seccompProfile.type to {choices}"
    )
    return Violation("seccompProfile", detail)
