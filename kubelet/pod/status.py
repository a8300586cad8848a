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

from datetime import datetime
from typing import Any

from kube.api import conditions, meta
from kube.api.meta import Object
from kubelet.pod.container_status import container_status
from kubelet.pod.deadline import OVERDUE_MESSAGE, OVERDUE_REASON
from kubelet.pod.plan import has_finished, is_initialized
from kubelet.pod.qos import qos_class
from kubelet.pod.restarts import ephemeral_containers, init_containers, is_sidecar
from kubelet.pod.state import PodState
from kubelet.runtime.interface import Container

# The conditions that are the kubelet's to say, in the order users see them.
CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")


def build(pod: Object, state: PodState, node_ip: str, runtime_name: str, now: datetime) -> Object:
    """The status of the pod as it is now."""

    def statuses(specs: list[Object]) -> list[Object]:
        return [container_status(pod, spec, state, runtime_name, now) for spec in specs]

    containers = statuses(pod["spec"]["containers"])
    inits = statuses(init_containers(pod))
    phase = _phase(pod, state)
    status: Object = {
        "phase": phase,
        **_why_failed(pod, state, phase),
        "conditions": _conditions(pod, state, phase, containers, inits, now),
        "hostIP": node_ip,
        "hostIPs": [{"ip": node_ip}],
        "startTime": meta.get(pod, "status", "startTime") or meta.format_time(now),
        "qosClass": meta.get(pod, "status", "qosClass") or qos_class(pod),
        "containerStatuses": containers,
    }
    if inits:
        status["initContainerStatuses"] = inits
    if ephemeral := statuses(ephemeral_containers(pod)):
        status["ephemeralContainerStatuses"] = ephemeral
    # A sandbox that died before anybody looked has none.
    if state.sandbox and state.sandbox.ip:
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
    if "podIPs" in status:
        # A new sandbox may have another address, which takes the place of the old one.
        changed["podIPs"] = [*status["podIPs"], {"$patch": "replace"}]
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


def _phase(pod: Object, state: PodState) -> str:
    known = str(meta.get(pod, "status", "phase", default="Pending"))
    if known in ("Succeeded", "Failed"):
        return known
    latest = [state.latest(spec["name"]) for spec in pod["spec"]["containers"]]
    if state.is_overdue and not state.running:
        return "Failed"
    if has_finished(pod, state) and not state.is_overdue and not state.running:
        return _outcome(latest)
    if latest and not state.running and _all_ended(pod, latest):
        return _outcome(latest)
    return "Running" if all(each and each.started_at for each in latest) else "Pending"


def _outcome(latest: list[Container | None]) -> str:
    return "Succeeded" if all(each and each.exit_code == 0 for each in latest) else "Failed"


def _why_failed(pod: Object, state: PodState, phase: str) -> Object:
    """The pod's own reason and message: once said, they stay."""
    if phase != "Failed":
        return {}
    if state.is_overdue:
        return {"reason": OVERDUE_REASON, "message": OVERDUE_MESSAGE}
    known = pod.get("status") or {}
    return {key: known[key] for key in ("reason", "message") if known.get(key)}


def _all_ended(pod: Object, latest: list[Container | None]) -> bool:
    """A pod being deleted starts nothing again: once all containers have ended, it has finished."""
    return meta.is_terminating(pod) and all(each is not None and each.is_exited for each in latest)


def _conditions(
    pod: Object,
    state: PodState,
    phase: str,
    containers: list[Object],
    inits: list[Object],
    now: datetime,
) -> list[dict[str, Any]]:
    known: list[dict[str, Any]] = meta.get(pod, "status", "conditions", default=[])
    unready = [status["name"] for status in [*_sidecars(pod, inits), *containers] if not status["ready"]]
    has_place = state.sandbox is not None and state.sandbox.ready
    found = (
        _condition("PodReadyToStartContainers", has_place),
        _initialized_condition(pod, state, phase),
        _ready_condition("Ready", phase, unready, pod),
        _ready_condition("ContainersReady", phase, unready, None),
        _condition("PodScheduled", True),
    )
    for condition in found:
        if meta.generation(pod):
            condition["observedGeneration"] = meta.generation(pod)
        known = conditions.set_condition(known, condition, now)
    return [each for kind in CONDITIONS for each in known if each["type"] == kind]


def _sidecars(pod: Object, inits: list[Object]) -> list[Object]:
    names = {spec["name"] for spec in init_containers(pod) if is_sidecar(spec)}
    return [each for each in inits if each["name"] in names]


def _initialized_condition(pod: Object, state: PodState, phase: str) -> Object:
    has_begun = any(state.latest(spec["name"]) for spec in pod["spec"]["containers"])
    missing = [spec["name"] for spec in init_containers(pod) if not is_initialized(spec, state)]
    if phase == "Succeeded":
        return {**_condition("Initialized", True), "reason": "PodCompleted"}
    if not missing or has_begun:
        return _condition("Initialized", True)
    message = f"containers with incomplete status: [{' '.join(missing)}]"
    return _condition("Initialized", False, "ContainersNotInitialized", message)


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
