"""Core: why a container cannot be started now, or a pod not be given what it needs.

    CannotConfigure  what it is made of is not there (a ConfigMap, a key) or wrong: CreateContainerConfigError
    NotMounted       a volume of the pod cannot be had: an event FailedMount, and another try

Both are tried again: what is missing may come.
After: k8s pkg/kubelet/kuberuntime/kuberuntime_container.go; pkg/kubelet/container/sync_result.go.
"""

from __future__ import annotations

from datetime import datetime


class CannotStart(Exception):
    """A container cannot be started; `reason` and `message` are what its waiting state shows; `until`: when
    to try again, if not as soon as usual.
    """

    def __init__(self, reason: str, message: str, until: datetime | None = None) -> None:
        super().__init__(message)
        self.reason, self.message, self.until = reason, message, until


class CannotConfigure(CannotStart):
    """What the container is made of is missing or wrong."""

    def __init__(self, message: str, reason: str = "CreateContainerConfigError") -> None:
        super().__init__(reason, message)


class NotMounted(Exception):
    """A volume cannot be had; `reason` is the event's."""

    def __init__(self, message: str, reason: str = "FailedMount") -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


class PodEnds(Exception):
    """What was under way for a pod was left, because its end was asked for."""
