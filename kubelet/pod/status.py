"""Core: what the kubelet reports of a pod: phase, conditions, container statuses, addresses.

    Pending    not every container has started yet
    Running    one runs, or will be started again
    Succeeded  all ended with 0 and none will start again;  Failed  so, but one with something else

Sees: the pod, its sandbox and containers, the node's address, now. Says: the kubelet's part of the status.
Invariants: conditions of others (readiness gates, DisruptionTarget) are read, never written; a finished pod
keeps its phase; the same input gives the same status, so that nothing is sent when nothing changed.
After: k8s pkg/kubelet/kubelet_pods.go (generateAPIPodStatus, getPhase), pkg/kubelet/status/generate.go.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from kube.api import conditions, meta
from kube.api.meta import Object
from kubelet.pod.plan import (
    PodState,
    backoff_ends_at,
    has_finished,
    init_containers,
    is_initialized,
    is_sidecar,
)
from kubelet.pod.qos import qos_class
from kubelet.runtime.interface import Container

# The conditions that are the kubelet's to say, in the order users see them.
CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")


def build(pod: Object, state: PodState, node_ip: str, runtime_name: str, now: datetime) -> Object:
    """The status of the pod as it is now."""
    containers = [
        _container_status(pod, spec, state, runtime_name, now) for spec in pod["spec"]["containers"]
    ]
    inits = [_container_status(pod, spec, state, runtime_name, now) for spec in init_containers(pod)]
    phase = _phase(pod, state)
    status: Object = {
        "phase": phase,
        "conditions": _conditions(pod, state, phase, containers, now),
        "hostIP": node_ip,
        "hostIPs": [{"ip": node_ip}],
        "startTime": meta.get(pod, "status", "startTime") or meta.format_time(now),
        "qosClass": meta.get(pod, "status", "qosClass") or qos_class(pod),
        "containerStatuses": containers,
    }
    if inits:
        status["initContainerStatuses"] = inits
    if state.sandbox:
        status |= {"podIP": state.sandbox.ip, "podIPs": [{"ip": state.sandbox.ip}]}
    if meta.generation(pod):
        status["observedGeneration"] = meta.generation(pod)
    return status


def patch(pod: Object, status: Object, version: int) -> Object:
    """The strategic merge patch that makes the status so: a condition's old reason goes when it has none now.

    It holds for this version of the pod only: an API server that was paused carries it out when it goes on,
    and must not put an old status over the one that another server has written since.
    """
    nothing = {"reason": None, "message": None}
    written = [{**nothing, **condition} for condition in status["conditions"]]
    order = [{"type": condition["type"]} for condition in written]
    changed = {**status, "conditions": written, "$setElementOrder/conditions": order}
    return {"metadata": {"uid": meta.uid(pod), "resourceVersion": str(version)}, "status": changed}


def overlay(status: Object, sent: Object) -> Object:
    """The status with what was sent but has perhaps not come back yet; conditions of others as they are."""
    sent_conditions = [each for each in sent.get("conditions") or () if each["type"] in CONDITIONS]
    others = [each for each in status.get("conditions") or () if each["type"] not in CONDITIONS]
    return {**status, **sent, "conditions": [*sent_conditions, *others]}


def agrees(status: Object, sent: Object) -> bool:
    """True when the status shows the kubelet's conditions as they were sent."""
    shown = {each["type"]: each.get("status") for each in status.get("conditions") or ()}
    said = [each for each in sent.get("conditions") or () if each["type"] in CONDITIONS]
    return all(shown.get(each["type"]) == each.get("status") for each in said)


def is_ready(spec: Object, container: Container | None, now: datetime) -> bool:
    """True when the container takes traffic; a readiness probe succeeds after its initial delay."""
    return container is not None and container.is_running and ready_at(spec, container) <= now


def ready_at(spec: Object, container: Container) -> datetime:
    """From when on a running container is ready."""
    assert container.started_at is not None
    delay = meta.get(spec, "readinessProbe", "initialDelaySeconds", default=0)
    return container.started_at + timedelta(seconds=delay)


def _phase(pod: Object, state: PodState) -> str:
    known = str(meta.get(pod, "status", "phase", default="Pending"))
    if known in ("Succeeded", "Failed"):
        return known
    latest = [state.latest(spec["name"]) for spec in pod["spec"]["containers"]]
    if has_finished(pod, state) or (latest and _all_ended(pod, latest)):
        return "Succeeded" if all(each and each.exit_code == 0 for each in latest) else "Failed"
    return "Running" if all(each and each.started_at for each in latest) else "Pending"


def _all_ended(pod: Object, latest: list[Container | None]) -> bool:
    """A pod being deleted starts nothing again: once all containers have ended, it has finished."""
    return meta.is_terminating(pod) and all(each is not None and each.is_exited for each in latest)


def _container_status(pod: Object, spec: Object, state: PodState, runtime_name: str, now: datetime) -> Object:
    latest = state.latest(spec["name"])
    previous = state.previous(spec["name"])
    backs_off = latest is not None and _backs_off(pod, spec, state, latest, now)
    last = latest if backs_off else previous
    is_init = spec in init_containers(pod) and not is_sidecar(spec)
    ready = is_initialized(spec, latest) if is_init else is_ready(spec, latest, now)
    status: Object = {
        "name": spec["name"],
        "state": _waiting(pod, state, spec, latest)
        if backs_off or latest is None
        else _state(latest, runtime_name),
        "lastState": _state(last, runtime_name) if last else {},
        "ready": ready,
        "restartCount": latest.attempt if latest else 0,
        "image": spec["image"],
        "imageID": f"{runtime_name}://{spec['image']}" if latest else "",
        "started": latest is not None and latest.is_running,
    }
    if latest:
        status["containerID"] = f"{runtime_name}://{latest.id}"
    return status


def _backs_off(pod: Object, spec: Object, state: PodState, latest: Container, now: datetime) -> bool:
    """True while an exited container waits for its next start."""
    if not latest.is_exited or latest.image != spec["image"]:
        return False
    if meta.is_terminating(pod) or has_finished(pod, state):
        return False
    policy = pod["spec"].get("restartPolicy", "Always")
    restarts = is_sidecar(spec) or policy == "Always" or (policy == "OnFailure" and latest.exit_code != 0)
    completed_init = spec in init_containers(pod) and is_initialized(spec, latest)
    return restarts and not completed_init and backoff_ends_at(latest) > now


def _waiting(pod: Object, state: PodState, spec: Object, latest: Container | None) -> Object:
    if latest is None:
        initialized = all(is_initialized(each, state.latest(each["name"])) for each in init_containers(pod))
        reason = "ContainerCreating" if initialized else "PodInitializing"
        return {"waiting": {"reason": reason}}
    return {"waiting": {"reason": "CrashLoopBackOff", "message": backoff_message(pod, spec["name"], latest)}}


def backoff_message(pod: Object, name: str, container: Container) -> str:
    """`back-off 10s restarting failed container=web pod=web-1_default(uid)`."""
    assert container.finished_at is not None
    seconds = int((backoff_ends_at(container) - container.finished_at).total_seconds())
    delay = f"{seconds // 60}m{seconds % 60}s" if seconds >= 60 else f"{seconds}s"
    return f"back-off {delay} restarting failed container={name} pod={full_name(pod)}"


def full_name(pod: Object) -> str:
    """`name_namespace(uid)`, as the kubelet writes a pod in messages."""
    return f"{meta.name(pod)}_{meta.namespace(pod)}({meta.uid(pod)})"


def _state(container: Container, runtime_name: str) -> Object:
    if container.started_at is None:
        return {"waiting": {"reason": "ContainerCreating"}}
    started_at = meta.format_time(container.started_at)
    if container.is_running:
        return {"running": {"startedAt": started_at}}
    assert container.finished_at is not None
    return {
        "terminated": {
            "exitCode": container.exit_code,
            "reason": container.reason,
            "startedAt": started_at,
            "finishedAt": meta.format_time(container.finished_at),
            "containerID": f"{runtime_name}://{container.id}",
        }
    }


def _conditions(
    pod: Object, state: PodState, phase: str, containers: list[Object], now: datetime
) -> list[dict[str, Any]]:
    known: list[dict[str, Any]] = meta.get(pod, "status", "conditions", default=[])
    uninitialized = [
        spec["name"]
        for spec in init_containers(pod)
        if not _has_initialized(spec, state.latest(spec["name"]))
    ]
    unready = [status["name"] for status in containers if not status["ready"]]
    has_place = state.sandbox is not None and state.sandbox.ready
    found = (
        _condition("PodReadyToStartContainers", has_place),
        _condition(
            "Initialized",
            not uninitialized,
            "ContainersNotInitialized",
            f"containers with incomplete status: [{' '.join(uninitialized)}]",
        ),
        _ready_condition("Ready", phase, unready, pod),
        _ready_condition("ContainersReady", phase, unready, None),
        _condition("PodScheduled", True),
    )
    for condition in found:
        if meta.generation(pod):
            condition["observedGeneration"] = meta.generation(pod)
        known = conditions.set_condition(known, condition, now)
    return [each for kind in CONDITIONS for each in known if each["type"] == kind]


def _has_initialized(spec: Object, container: Container | None) -> bool:
    """A sidecar counts as initialized once it has started, whatever became of it."""
    return is_initialized(spec, container) or (is_sidecar(spec) and container is not None)


def _ready_condition(kind: str, phase: str, unready: list[str], pod: Object | None) -> Object:
    if phase == "Succeeded":
        return _condition(kind, False, "PodCompleted")
    if phase == "Failed":
        return _condition(kind, False, "PodFailed")
    if unready:
        message = f"containers with unready status: [{' '.join(unready)}]"
        return _condition(kind, False, "ContainersNotReady", message)
    gates = [gate["conditionType"] for gate in (pod or {}).get("spec", {}).get("readinessGates") or ()]
    missing = [gate for gate in gates if not conditions.is_true(pod or {}, gate)]
    if missing:
        message = f'corresponding condition of pod readiness gate "{missing[0]}" does not exist.'
        return _condition(kind, False, "ReadinessGatesNotReady", message)
    return _condition(kind, True)


def _condition(kind: str, is_true: bool, reason: str = "", message: str = "") -> Object:
    condition: Object = {"type": kind, "status": "True" if is_true else "False"}
    if not is_true:
        condition |= {key: text for key, text in (("reason", reason), ("message", message)) if text}
    return condition
