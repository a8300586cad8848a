"""Core: which changes of a pod are judged again; all others are let be, for what lives stays alive.

After: k8s staging/src/k8s.io/pod-security-admission/admission/admission.go, isSignificantPodUpdate
"""

from __future__ import annotations

from typing import Any

from apiserver.pod_security.baseline import SECCOMP_ANNOTATION, SECCOMP_POD_ANNOTATION
from kube.api import meta
from kube.api.meta import Object


def is_significant(pod: Object, old: Object) -> bool:
    """True for a change of what runs: containers that are new, images, the profiles of old."""
    if _annotation(pod, SECCOMP_POD_ANNOTATION) != _annotation(old, SECCOMP_POD_ANNOTATION):
        return True
    for field in ("containers", "initContainers"):
        now, before = _containers(pod, field), _containers(old, field)
        if len(now) != len(before):
            return True
        if any(_differs(pod, old, *pair) for pair in zip(now, before, strict=True)):
            return True
    known = {each["name"]: each for each in _containers(old, "ephemeralContainers")}
    return any(
        each["name"] not in known or _differs(pod, old, each, known[each["name"]])
        for each in _containers(pod, "ephemeralContainers")
    )


def _containers(pod: Object, field: str) -> list[Any]:
    return list(meta.get(pod, "spec", field, default=[]))


def _differs(pod: Object, old: Object, container: Any, before: Any) -> bool:
    key = SECCOMP_ANNOTATION + str(container["name"])
    return container.get("image") != before.get("image") or _annotation(pod, key) != _annotation(old, key)


def _annotation(o: Object, key: str) -> str | None:
    return meta.annotations(o).get(key)
