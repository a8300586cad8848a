"""Core: a process that the launcher keeps running, shown as a static pod is: what its mirror says.

    {"name": "apiserver-0", "component": "kube-apiserver", "state": "Running", "pid": 7, "restarts": 1, ..}
        --> kube-system/apiserver-0-node1: Running, one container, its restarts, Ready by its health URL

The kubelet neither starts nor ends such a process: who deletes the mirror gets it back.

After: what kubeadm makes: static pods in kube-system with labels component and tier
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kube.api import conditions, meta
from kube.api.meta import Object
from kubelet.node_status import KUBELET_VERSION
from kubelet.pod.static import static_pod

NAMESPACE = "kube-system"
PRIORITY_CLASS = "system-node-critical"
RUNNING = "Running"
CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
# These say whether the process answers.
ANSWERING = ("Ready", "ContainersReady")


def pod_of(shown: Mapping[str, Any], node_name: str) -> Object:
    """The static pod of a process."""
    component = shown["component"]
    pod = {
        "metadata": {
            "name": shown["name"],
            "namespace": NAMESPACE,
            "labels": {"component": component, "tier": "control-plane"},
        },
        "spec": {
            "containers": [
                {
                    "name": component,
                    "image": f"kubelite/{component}:{KUBELET_VERSION}",
                    "imagePullPolicy": "Never",
                    "command": shown["command"],
                }
            ],
            "hostNetwork": True,
            "priorityClassName": PRIORITY_CLASS,
            "restartPolicy": "Always",
        },
    }
    return static_pod(pod, shown["name"], node_name)


def status_of(
    pod: Object, shown: Mapping[str, Any], known: Object, node_ip: str, now: datetime, *, answers: bool
) -> Object:
    """How the process fares; known: the status before, for the times of its conditions."""
    told = known.get("conditions") or []
    for condition in (_condition(kind, pod, answers=answers) for kind in CONDITIONS):
        told = conditions.set_condition(told, condition, now)
    return {
        "phase": RUNNING,
        "conditions": told,
        "hostIP": node_ip,
        "hostIPs": [{"ip": node_ip}],
        "podIP": node_ip,
        "podIPs": [{"ip": node_ip}],
        "qosClass": "BestEffort",
        "startTime": known.get("startTime") or shown["startedAt"] or meta.format_time(now),
        "containerStatuses": [_container(pod, shown, known, now, answers=answers)],
    }


def _condition(kind: str, pod: Object, *, answers: bool) -> Object:
    if answers or kind not in ANSWERING:
        return {"type": kind, "status": "True", "reason": None, "message": None}
    name = pod["spec"]["containers"][0]["name"]
    message = f"containers with unready status: [{name}]"
    return {"type": kind, "status": "False", "reason": "ContainersNotReady", "message": message}


def _container(
    pod: Object, shown: Mapping[str, Any], known: Object, now: datetime, *, answers: bool
) -> Object:
    spec, is_running = pod["spec"]["containers"][0], shown["pid"] is not None
    before: Object = (known.get("containerStatuses") or [{}])[0]
    ended = _ended(before, shown, now)
    if is_running:
        state: Object = {"running": {"startedAt": shown["startedAt"]}}
    else:
        state = {"terminated": ended} if ended else {"waiting": {"reason": "ContainerCreating"}}
    last = ended if is_running and ended and shown["restarts"] else None
    return {
        "name": spec["name"],
        "image": spec["image"],
        "imageID": "",
        "containerID": f"process://{shown['pid']}" if is_running else before.get("containerID", ""),
        "ready": answers,
        "started": is_running,
        "restartCount": shown["restarts"],
        # Null takes away what a state was before.
        "state": {"running": None, "terminated": None, "waiting": None} | state,
        "lastState": {"terminated": last},
    }


def _ended(before: Object, shown: Mapping[str, Any], now: datetime) -> Object | None:
    """How the process's life before this one ended, or this one; None before the first has."""
    ends = (meta.get(before, key, "terminated") for key in ("state", "lastState"))
    known: Object | None = next((each for each in ends if each), None)
    was_running: Object | None = meta.get(before, "state", "running")
    is_another = was_running is not None and was_running["startedAt"] != shown["startedAt"]
    if was_running is None or (shown["pid"] is not None and not is_another):
        return known
    code = shown["lastExitCode"] if shown["lastExitCode"] is not None else 137
    # A signal's number, as shells tell it.
    code = 128 - code if code < 0 else code
    return {
        "exitCode": code,
        "reason": "Completed" if code == 0 else "Error",
        "startedAt": was_running["startedAt"],
        "finishedAt": meta.format_time(now),
        "containerID": before["containerID"],
    }
