"""Core: what is known of a pod when it is decided what to do: its sandbox, its containers, and what the
worker has found out about them since.

After: k8s pkg/kubelet/container/runtime.go, PodStatus; pkg/kubelet/prober/results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from kube.api.meta import Object
from kubelet.pod.backoff import Backoff, ran_well
from kubelet.runtime.interface import Container, Sandbox


@dataclass(frozen=True, slots=True)
class Health:
    """What the probes of a container have said. failed: the probe for which it must be restarted, if any."""

    started: bool = True
    ready: bool = True
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a container of an image could not be started, in the words of its waiting state, and when to try
    again.
    """

    reason: str
    message: str
    until: datetime
    image: str = ""


@dataclass(frozen=True, slots=True)
class PodState:
    """The containers are in the order of their making, oldest first.

    health: by container id. waiting: by container name. well_until: of a container that has once run well,
    the attempt from which on its crashes count. is_overdue: the pod has been active for too long.
    ending_since: when it began to end.
    """

    sandbox: Sandbox | None
    containers: Sequence[Container]
    health: Mapping[str, Health] = field(default_factory=dict)
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    well_until: Mapping[str, int] = field(default_factory=dict)
    backoff: Backoff = field(default_factory=Backoff)
    is_overdue: bool = False
    ending_since: datetime | None = None

    def latest(self, name: str) -> Container | None:
        return next((each for each in reversed(self.containers) if each.name == name), None)

    def previous(self, name: str) -> Container | None:
        attempts = [each for each in self.containers if each.name == name]
        return attempts[-2] if len(attempts) > 1 else None

    @property
    def running(self) -> list[Container]:
        return [each for each in self.containers if each.is_running]

    def waiting_of(self, spec: Object) -> Waiting | None:
        """Why it could not be started, unless its image has changed since."""
        found = self.waiting.get(spec["name"])
        return found if found is not None and found.image == spec["image"] else None

    def health_of(self, spec: Object, container: Container) -> Health:
        """What is known of its health; before a probe has said anything, what that probe stands for then."""
        unprobed = Health(started=spec.get("startupProbe") is None, ready=spec.get("readinessProbe") is None)
        return self.health.get(container.id, unprobed)

    def is_started(self, spec: Object, container: Container | None) -> bool:
        """True once a running container's startup probe has succeeded."""
        return container is not None and container.is_running and self.health_of(spec, container).started

    def is_ready(self, spec: Object, container: Container | None) -> bool:
        """True while a container takes traffic."""
        return (
            container is not None
            and self.is_started(spec, container)
            and self.health_of(spec, container).ready
        )

    def backoff_ends_at(self, container: Container) -> datetime:
        """When an exited container may start again."""
        assert container.finished_at is not None
        if ran_well(container):
            return container.finished_at
        failures = container.attempt - self.well_until.get(container.name, 0)
        return container.finished_at + self.backoff.delay(failures)
