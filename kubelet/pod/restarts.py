"""Core: which containers start again after they have ended.

    sidecar (an init container that restarts always)  always
    any other                                         the first of its rules that its exit code meets, else
                                                      its own policy, else the pod's

After: k8s pkg/kubelet/container/helpers.go, ShouldContainerBeRestarted; KEP 5307 (restart rules).
"""

from __future__ import annotations

from kube.api import meta
from kube.api.meta import Object
from kubelet.runtime.interface import Container


def init_containers(pod: Object) -> list[Object]:
    """The init containers, in order."""
    return list(pod["spec"].get("initContainers") or ())


def ephemeral_containers(pod: Object) -> list[Object]:
    """Those that `kubectl debug` has added."""
    return list(pod["spec"].get("ephemeralContainers") or ())


def is_sidecar(spec: Object) -> bool:
    """True for an init container that stays."""
    return spec.get("restartPolicy") == "Always"


def restarts(pod: Object, spec: Object, container: Container) -> bool:
    """True when the ended container shall run again."""
    for rule in spec.get("restartPolicyRules") or ():
        codes = rule.get("exitCodes") or {}
        is_listed = container.exit_code in (codes.get("values") or ())
        if rule.get("action") == "Restart" and is_listed == (codes.get("operator") == "In"):
            return True
    policy = spec.get("restartPolicy") or pod["spec"].get("restartPolicy", "Always")
    return policy == "Always" or (policy == "OnFailure" and container.exit_code != 0)


def has_failed_for_good(pod: Object, spec: Object, container: Container | None) -> bool:
    """True for an init container that has failed and will not be tried again."""
    if container is None or not container.is_exited or container.exit_code == 0:
        return False
    return not restarts(pod, spec, container)


def next_attempt(pod: Object, name: str, latest: Container | None) -> int:
    """The number of the container's next attempt; of one that the runtime has forgotten, the status knows."""
    if latest is not None:
        return latest.attempt + 1
    status = status_of(pod, name)
    return int(status.get("restartCount", 0)) + 1 if status.get("containerID") else 0


def status_of(pod: Object, name: str) -> Object:
    """What the pod's status says of a container; empty when nothing."""
    lists = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
    found = (each for key in lists for each in meta.get(pod, "status", key, default=None) or ())
    return next((each for each in found if each["name"] == name), {})
