"""Core: a Pod's row; its Status cell sums up the phase, the init containers and the containers in one word.

After: k8s pkg/printers/internalversion/printers.go, printPod.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from apiserver.printers.cells import age_of
from kube.api import conditions, meta
from kube.api.meta import Object
from kube.api.table import AGE, NAME, NONE, Column, age

COLUMNS = (
    NAME,
    Column("Ready", description="The aggregate readiness state of this pod for accepting traffic."),
    Column("Status", description="The aggregate status of the containers in this pod."),
    Column("Restarts", description="The number of times the containers in this pod have been restarted."),
    AGE,
    Column("IP", priority=1, description="IP address allocated to the pod."),
    Column("Node", priority=1, description="Name of the node that runs the pod."),
    Column("Nominated Node", priority=1, description="Node on which room is being made for the pod."),
    Column("Readiness Gates", priority=1, description="Conditions that the pod's readiness waits for."),
)

Status = Mapping[str, Any]


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one pod."""
    statuses = meta.get(o, "status", "containerStatuses", default=[])
    total = len(meta.get(o, "spec", "containers", default=[]))
    sidecars = sidecar_names(o)
    ready = sum(1 for status in statuses if status.get("ready") and "running" in (status.get("state") or {}))
    for status in meta.get(o, "status", "initContainerStatuses", default=[]):
        if status.get("name") in sidecars:
            ready += bool(status.get("ready") and status.get("started"))
    ips = meta.get(o, "status", "podIPs", default=[])
    return [
        meta.name(o),
        f"{ready}/{total + len(sidecars)}",
        reason(o),
        restarts(o, now),
        age_of(o, now),
        (ips[0].get("ip") if ips else meta.get(o, "status", "podIP")) or NONE,
        meta.get(o, "spec", "nodeName") or NONE,
        meta.get(o, "status", "nominatedNodeName") or NONE,
        readiness_gates(o),
    ]


def row_conditions(o: Object) -> list[dict[str, str]]:
    """A pod that has ended says so; `kubectl get` may leave it out."""
    phase = meta.get(o, "status", "phase")
    if phase not in ("Succeeded", "Failed"):
        return []
    text = {"Succeeded": "The pod has completed successfully.", "Failed": "The pod failed."}[phase]
    return [{"type": "Completed", "status": "True", "reason": phase, "message": text}]


def sidecar_names(o: Object) -> set[str]:
    """Init containers that go on running beside the others."""
    init = meta.get(o, "spec", "initContainers", default=[])
    return {each["name"] for each in init if each.get("restartPolicy") == "Always"}


def reason(o: Object) -> str:
    """The Status cell."""
    text = meta.get(o, "status", "reason") or meta.get(o, "status", "phase", default="")
    scheduled = conditions.find(o, "PodScheduled")
    if scheduled and scheduled.get("reason") == "SchedulingGated":
        text = "SchedulingGated"
    initializing = init_reason(o)
    if initializing and not conditions.is_true(o, "Initialized"):
        text = initializing
    else:
        text = container_reason(o, text)
    if meta.is_terminating(o):
        if meta.get(o, "status", "reason") == "NodeLost":
            return "Unknown"
        if meta.get(o, "status", "phase") not in ("Succeeded", "Failed"):
            return "Terminating"
    return str(text)


def init_reason(o: Object) -> str:
    """What the first unfinished init container is doing, or empty when all are done."""
    sidecars = sidecar_names(o)
    statuses = meta.get(o, "status", "initContainerStatuses", default=[])
    for i, status in enumerate(statuses):
        state = status.get("state") or {}
        terminated, waiting = state.get("terminated"), state.get("waiting")
        if terminated is not None and terminated.get("exitCode", 0) == 0:
            continue
        if status.get("name") in sidecars and status.get("started"):
            continue
        if terminated is not None:
            return "Init:" + terminated_reason(terminated)
        if waiting is not None and waiting.get("reason", "") not in ("", "PodInitializing"):
            return f"Init:{waiting['reason']}"
        return f"Init:{i}/{len(meta.get(o, 'spec', 'initContainers', default=[]))}"
    return ""


def terminated_reason(terminated: Status) -> str:
    """Why a container ended."""
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def container_reason(o: Object, text: str) -> str:
    """What the first container that is not simply running is doing, else `text`."""
    has_running = False
    for status in reversed(meta.get(o, "status", "containerStatuses", default=[])):
        state = status.get("state") or {}
        if meta.get(state, "waiting", "reason"):
            text = state["waiting"]["reason"]
        elif state.get("terminated") is not None:
            text = terminated_reason(state["terminated"])
        elif status.get("ready") and state.get("running") is not None:
            has_running = True
    if text == "Completed" and has_running:
        return "Running" if conditions.is_true(o, "Ready") else "NotReady"
    return text


def restarts(o: Object, now: datetime) -> str:
    """How often containers were restarted, and when last."""
    statuses = [
        *meta.get(o, "status", "initContainerStatuses", default=[]),
        *meta.get(o, "status", "containerStatuses", default=[]),
    ]
    count = sum(status.get("restartCount", 0) for status in statuses)
    ends = [meta.get(status, "lastState", "terminated", "finishedAt") for status in statuses]
    last = max((end for end in ends if end), default=None)
    return f"{count} ({age(last, now)} ago)" if count and last else str(count)


def readiness_gates(o: Object) -> str:
    """How many of the pod's readiness gates are open."""
    gates = meta.get(o, "spec", "readinessGates", default=[])
    if not gates:
        return NONE
    is_open = sum(1 for gate in gates if conditions.is_true(o, gate["conditionType"]))
    return f"{is_open}/{len(gates)}"
