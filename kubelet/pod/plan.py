"""Core: decides what to do next for one pod.

    no sandbox -> RunSandbox -> init containers one after another -> all containers -> (restarts) ... ->
    finished deletion asked, or finished -> StopContainer for what still runs -> StopSandbox

Sees: the pod, its sandbox and containers, now. Says: actions for the worker, who does them and asks again.
Invariants: the same input gives the same actions; a container is started only while its pod is not ending;
sidecars (init containers that restart always) gate what comes after them until they have started, and end
after the containers, the last one first.
After: k8s pkg/kubelet/kuberuntime/kuberuntime_manager.go, kuberuntime_termination_order.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from kube.api import meta
from kube.api.meta import Object
from kubelet.pod.restarts import (
    ephemeral_containers,
    has_failed_for_good,
    init_containers,
    is_sidecar,
    next_attempt,
    restarts,
)
from kubelet.pod.state import PodState

GRACE_SECONDS_DEFAULT = 30
# What is stopped when the grace is used up, by those stopped before it, still gets so long.
GRACE_SECONDS_MIN = 2


class Life(Enum):
    """Where the pod is: SYNC (make it run), TERMINATING (make it end), TERMINATED (nothing of it runs)."""

    SYNC = auto()
    TERMINATING = auto()
    TERMINATED = auto()


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
    grace_seconds: float
    message: str


@dataclass(frozen=True, slots=True)
class StopSandbox:
    """Nothing runs any more: give the address back."""


@dataclass(frozen=True, slots=True)
class BackOff:
    """A container that keeps failing waits until then."""

    name: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Wait:
    """A container that could not be started is tried again then."""

    name: str
    until: datetime


Action = RunSandbox | StartContainer | StopContainer | StopSandbox | BackOff | Wait


def plan(pod: Object, state: PodState, now: datetime) -> list[Action]:
    """The actions that can be done now, in order; the worker asks again after doing them."""
    match life(pod, state):
        case Life.SYNC:
            has_place = state.sandbox is not None and state.sandbox.ready
            return _start(pod, state, now) if has_place else _run_sandbox(pod, state)
        case Life.TERMINATING:
            return _stop(pod, state, now)
        case Life.TERMINATED:
            return [StopSandbox()] if state.sandbox and state.sandbox.ready else []


def life(pod: Object, state: PodState) -> Life:
    """SYNC until deletion is asked for or the pod has finished; then TERMINATING while something runs."""
    if not meta.is_terminating(pod) and not has_finished(pod, state):
        return Life.SYNC
    return Life.TERMINATING if state.running else Life.TERMINATED


def has_finished(pod: Object, state: PodState) -> bool:
    """True when no container will ever start again; a pod that the API calls finished stays so."""
    if state.is_overdue or meta.get(pod, "status", "phase") in ("Succeeded", "Failed"):
        return True
    inits = init_containers(pod)
    if any(has_failed_for_good(pod, spec, state.latest(spec["name"])) for spec in inits):
        return True
    latest = [(spec, state.latest(spec["name"])) for spec in pod["spec"]["containers"]]
    return all(each and each.is_exited and not restarts(pod, spec, each) for spec, each in latest)


def is_initialized(spec: Object, state: PodState) -> bool:
    """True when the containers after this init container may start."""
    container = state.latest(spec["name"])
    if container is None:
        return False
    if is_sidecar(spec):
        return state.is_started(spec, container)
    return container.is_exited and container.exit_code == 0


def grace_seconds(pod: Object) -> int:
    """How long the pod's containers may take to end: what the deletion said, else what the spec says."""
    spec = pod["spec"].get("terminationGracePeriodSeconds", GRACE_SECONDS_DEFAULT)
    return int(meta.get(pod, "metadata", "deletionGracePeriodSeconds", default=spec))


def _run_sandbox(pod: Object, state: PodState) -> list[Action]:
    """A place for the pod; what still runs in one that died is cut off from its network, and ends first."""
    why = "Pod sandbox changed, it will be killed and re-created."
    stops = [StopContainer(each.id, each.name, grace_seconds(pod), why) for each in state.running]
    return [*stops] if stops else [RunSandbox()]


def _start(pod: Object, state: PodState, now: datetime) -> list[Action]:
    actions: list[Action] = []
    for spec in ephemeral_containers(pod):
        latest = state.latest(spec["name"])
        if latest is None or not (latest.is_running or latest.is_exited):
            actions += _start_container(pod, state, spec, now)
    has_begun = any(state.latest(spec["name"]) for spec in pod["spec"]["containers"])
    for spec in init_containers(pod):
        if is_sidecar(spec):
            actions += _keep_running(pod, state, spec, now)
        elif not has_begun and not is_initialized(spec, state):
            return actions + _start_container(pod, state, spec, now)
        if not has_begun and not is_initialized(spec, state):
            return actions
    for spec in pod["spec"]["containers"]:
        actions += _keep_running(pod, state, spec, now)
    return actions


def _keep_running(pod: Object, state: PodState, spec: Object, now: datetime) -> list[Action]:
    """End it where it must become another; start it where it does not run and shall."""
    latest = state.latest(spec["name"])
    if latest is None or not latest.is_running:
        is_over = latest is not None and latest.is_exited and not restarts(pod, spec, latest)
        return [] if is_over else _start_container(pod, state, spec, now)
    if latest.image != spec["image"]:
        why = f"Container {latest.name} definition changed, will be restarted"
        return [StopContainer(latest.id, latest.name, grace_seconds(pod), why)]
    probe = state.health_of(spec, latest).failed
    if not probe:
        return []
    why = f"Container {latest.name} failed {probe} probe"
    if pod["spec"].get("restartPolicy") != "Never" or is_sidecar(spec):
        why += ", will be restarted"
    grace = meta.get(spec, f"{probe}Probe", "terminationGracePeriodSeconds", default=grace_seconds(pod))
    return [StopContainer(latest.id, latest.name, grace, why)]


def _start_container(pod: Object, state: PodState, spec: Object, now: datetime) -> list[Action]:
    name, latest = spec["name"], state.latest(spec["name"])
    if latest is not None and latest.is_running:
        return []
    waiting = state.waiting_of(spec)
    if waiting is not None and waiting.until > now:
        return [Wait(name, waiting.until)]
    if latest is None or latest.image != spec["image"]:
        return [StartContainer(spec, next_attempt(pod, name, latest))]
    if not latest.is_exited:
        # The kubelet ended, or the runtime failed, between making it and starting it.
        return [StartContainer(spec, latest.attempt, latest.id)]
    until = state.backoff_ends_at(latest)
    return [BackOff(name, until)] if until > now else [StartContainer(spec, latest.attempt + 1)]


def _stop(pod: Object, state: PodState, now: datetime) -> list[Action]:
    """End the containers together; the sidecars then, one by one."""
    order = [spec["name"] for spec in init_containers(pod) if is_sidecar(spec)]
    sidecars = sorted(
        (each for each in state.running if each.name in order), key=lambda c: order.index(c.name)
    )
    first = [each for each in state.running if each.name not in order] or sidecars[-1:]
    grace = _grace_left(pod, state, now)
    return [StopContainer(each.id, each.name, grace, f"Stopping container {each.name}") for each in first]


def _grace_left(pod: Object, state: PodState, now: datetime) -> float:
    grace = grace_seconds(pod)
    if state.ending_since is None or grace == 0:
        return grace
    return max(grace - (now - state.ending_since).total_seconds(), min(grace, GRACE_SECONDS_MIN))
