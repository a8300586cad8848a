"""Core: decides what to do next for one pod.

    no sandbox -> RunSandbox -> init containers one after another -> all containers -> (restarts) ... ->
    finished deletion asked, or finished -> StopContainer for what still runs -> StopSandbox

Sees: the pod, its sandbox and containers, now. Says: actions for the worker, who does them and asks again.
Invariants: the same input gives the same actions; a container is started only while its pod is not ending;
sidecars (init containers that restart always) end after the containers.
After: k8s pkg/kubelet/kuberuntime/kuberuntime_manager.go, computePodActions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from kube.api import meta
from kube.api.meta import Object
from kubelet.runtime.interface import Container, Sandbox

BACKOFF_INITIAL = timedelta(seconds=10)
BACKOFF_MAX = timedelta(seconds=300)
# A container that ran this long is not "crash looping": its next start waits for nothing.
BACKOFF_RESET = timedelta(minutes=10)
GRACE_SECONDS_DEFAULT = 30


class Life(Enum):
    """Where the pod is: SYNC (make it run), TERMINATING (make it end), TERMINATED (nothing of it runs)."""

    SYNC = auto()
    TERMINATING = auto()
    TERMINATED = auto()


@dataclass(frozen=True, slots=True)
class PodState:
    """What the runtime knows of a pod: its sandbox, and its containers, oldest first."""

    sandbox: Sandbox | None
    containers: Sequence[Container]

    def latest(self, name: str) -> Container | None:
        return next((each for each in reversed(self.containers) if each.name == name), None)

    def previous(self, name: str) -> Container | None:
        attempts = [each for each in self.containers if each.name == name]
        return attempts[-2] if len(attempts) > 1 else None

    @property
    def running(self) -> list[Container]:
        return [each for each in self.containers if each.is_running]


@dataclass(frozen=True, slots=True)
class RunSandbox:
    """Make the pod's place."""


@dataclass(frozen=True, slots=True)
class StartContainer:
    """Create a container from its spec and start it; `created` is the one that was made already, if any."""

    spec: Object
    attempt: int
    created: str = ""


@dataclass(frozen=True, slots=True)
class StopContainer:
    """End a running container; `message` tells users why."""

    id: str
    name: str
    grace_seconds: int
    message: str


@dataclass(frozen=True, slots=True)
class StopSandbox:
    """Nothing runs any more: give the address back."""


@dataclass(frozen=True, slots=True)
class BackOff:
    """A container that keeps failing waits until then."""

    name: str
    until: datetime


Action = RunSandbox | StartContainer | StopContainer | StopSandbox | BackOff


def plan(pod: Object, state: PodState, now: datetime) -> list[Action]:
    """The actions that can be done now, in order; the worker asks again after doing them."""
    match life(pod, state):
        case Life.SYNC:
            has_place = state.sandbox is not None and state.sandbox.ready
            return _start(pod, state, now) if has_place else _run_sandbox(pod, state)
        case Life.TERMINATING:
            return _stop(pod, state)
        case Life.TERMINATED:
            return [StopSandbox()] if state.sandbox and state.sandbox.ready else []


def life(pod: Object, state: PodState) -> Life:
    """SYNC until deletion is asked for or the pod has finished; then TERMINATING while something runs."""
    if not meta.is_terminating(pod) and not has_finished(pod, state):
        return Life.SYNC
    return Life.TERMINATING if state.running else Life.TERMINATED


def has_finished(pod: Object, state: PodState) -> bool:
    """True when no container will ever start again; a pod that the API calls finished stays so."""
    if meta.get(pod, "status", "phase") in ("Succeeded", "Failed"):
        return True
    if any(_has_failed_for_good(pod, spec, state) for spec in init_containers(pod)):
        return True
    latest = [(spec, state.latest(spec["name"])) for spec in pod["spec"]["containers"]]
    return all(each is not None and each.is_exited and not _restarts(pod, each) for _, each in latest)


def init_containers(pod: Object) -> list[Object]:
    """The init containers, in order."""
    return list(pod["spec"].get("initContainers") or ())


def is_sidecar(spec: Object) -> bool:
    """True for an init container that stays."""
    return spec.get("restartPolicy") == "Always"


def is_initialized(spec: Object, container: Container | None) -> bool:
    """True when the containers after this init container may start."""
    if container is None:
        return False
    return container.is_running if is_sidecar(spec) else container.is_exited and container.exit_code == 0


def backoff_ends_at(container: Container) -> datetime:
    """When an exited container may start again: at once the first time, then after 10 s, 20 s ... 5 min."""
    assert container.finished_at is not None
    ran = container.finished_at - (container.started_at or container.finished_at)
    if container.attempt == 0 or ran >= BACKOFF_RESET:
        return container.finished_at
    delay: timedelta = BACKOFF_INITIAL * 2 ** min(container.attempt - 1, 10)
    return container.finished_at + min(delay, BACKOFF_MAX)


def _run_sandbox(pod: Object, state: PodState) -> list[Action]:
    """A place for the pod; what still runs in one that died is cut off from its network, and ends first."""
    why = "Pod sandbox changed, it will be killed and re-created."
    stops = [StopContainer(each.id, each.name, _grace_seconds(pod), why) for each in state.running]
    return [*stops] if stops else [RunSandbox()]


def _start(pod: Object, state: PodState, now: datetime) -> list[Action]:
    for spec in init_containers(pod):
        if not is_initialized(spec, state.latest(spec["name"])):
            return _start_container(state, spec, now)
    actions: list[Action] = []
    for spec in pod["spec"]["containers"]:
        latest = state.latest(spec["name"])
        if latest and latest.is_running and latest.image != spec["image"]:
            why = f"Container {latest.name} definition changed, will be restarted"
            actions.append(StopContainer(latest.id, latest.name, _grace_seconds(pod), why))
        elif latest is None or not latest.is_exited or _restarts(pod, latest):
            actions += _start_container(state, spec, now)
    return actions


def _start_container(state: PodState, spec: Object, now: datetime) -> list[Action]:
    latest = state.latest(spec["name"])
    if latest is None:
        return [StartContainer(spec, 0)]
    if latest.is_running:
        return []
    if not latest.is_exited and latest.image == spec["image"]:
        # The kubelet ended, or the runtime failed, between making it and starting it.
        return [StartContainer(spec, latest.attempt, latest.id)]
    until = backoff_ends_at(latest) if latest.is_exited and latest.image == spec["image"] else now
    return [BackOff(spec["name"], until)] if until > now else [StartContainer(spec, latest.attempt + 1)]


def _stop(pod: Object, state: PodState) -> list[Action]:
    grace = _grace_seconds(pod)
    sidecars = {spec["name"] for spec in init_containers(pod)}
    first = [each for each in state.running if each.name not in sidecars] or state.running
    return [StopContainer(each.id, each.name, grace, f"Stopping container {each.name}") for each in first]


def _grace_seconds(pod: Object) -> int:
    """How long a container may take to end: what the deletion said, else what the spec says."""
    spec = pod["spec"].get("terminationGracePeriodSeconds", GRACE_SECONDS_DEFAULT)
    return int(meta.get(pod, "metadata", "deletionGracePeriodSeconds", default=spec))


def _restarts(pod: Object, container: Container) -> bool:
    policy = pod["spec"].get("restartPolicy", "Always")
    return policy == "Always" or (policy == "OnFailure" and container.exit_code != 0)


def _has_failed_for_good(pod: Object, spec: Object, state: PodState) -> bool:
    latest = state.latest(spec["name"])
    if latest is None or is_sidecar(spec) or pod["spec"].get("restartPolicy") != "Never":
        return False
    return latest.is_exited and latest.exit_code != 0
