"""Core: what is said of the pods that are there already when their namespace becomes stricter.

    web-0 (and 2 other pods): allowPrivilegeEscalation != false, runAsNonRoot != true

Pods that violate the same share a line; pods of one controller are mostly alike, so that one of each is
looked at before the others, for there may be more pods than time.

After: k8s staging/src/k8s.io/pod-security-admission/admission/admission.go, EvaluatePodsInNamespace
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from apiserver.pod_security.checks import violations
from apiserver.pod_security.levels import LevelVersion
from apiserver.pod_security.pod import Pod, reasons
from kube.api import meta
from kube.api.meta import Object


def in_order(pods: Iterable[Object], exempt_runtime_classes: Collection[str]) -> list[Object]:
    """One pod of each controller, and those without one; then the others."""
    first: list[Object] = []
    others: list[Object] = []
    seen: set[str] = set()
    for pod in pods:
        if meta.get(pod, "spec", "runtimeClassName") in exempt_runtime_classes:
            continue
        controller = (meta.controller_of(pod) or {}).get("uid")
        (others if controller in seen else first).append(pod)
        if controller is not None:
            seen.add(controller)
    return first + others


@dataclass(slots=True)
class Survey:
    """Pods that are looked at, one after the other.

    found: the names of the pods that violate the same, by what they violate.
    """

    level: LevelVersion
    looked_at: int = 0
    found: dict[str, list[str]] = field(default_factory=dict)

    def look_at(self, o: Object) -> None:
        """Note what the pod violates."""
        self.looked_at += 1
        if found := violations(Pod.of(o), self.level):
            self.found.setdefault(reasons(found), []).append(meta.name(o))

    def warnings(self, namespace: str, total: int) -> list[str]:
        """What the client is told; total: how many pods there were to look at."""
        lines: list[str] = []
        if self.looked_at < total:
            lines.append(
                f"new PodSecurity enforce level only checked against the first {self.looked_at} "
                f"of {total} existing pods"
            )
        if self.found:
            lines.append(
                f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level '
                f'"{self.level}"'
            )
        return lines + sorted(f"{_named(names)}: {why}" for why, names in self.found.items())


def _named(names: list[str]) -> str:
    others = len(names) - 1
    if not others:
        return names[0]
    return f"{min(names)} (and {others} other {'pod' if others == 1 else 'pods'})"
