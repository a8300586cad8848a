"""Core: what the kubelet reports of one container: its state and the one before, ready, started, restarts.

    waiting     not there yet, could not be started (the reason says why), or backs off after a crash
    running     since when;    terminated  how it ended

What the runtime has forgotten stays as the status has it.
After: k8s pkg/kubelet/kubelet_pods.go, convertToAPIContainerStatuses; pkg/kubelet/container/sync_result.go.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from kube.api import meta
from kube.api.meta import Object
from kubelet.pod.plan import has_finished, is_initialized
from kubelet.pod.restarts import ephemeral_containers, init_containers, is_sidecar, restarts, status_of
from kubelet.pod.state import PodState
from kubelet.runtime.interface import Container


def container_status(pod: Object, spec: Object, state: PodState, runtime_name: str, now: datetime) -> Object:
    """The entry of `containerStatuses`, or of that of init or ephemeral containers."""
    latest = state.latest(spec["name"])
    if latest is None:
        return _without_container(pod, spec, state)
    waiting = _waiting(pod, spec, state, latest, now)
    last = latest if waiting and latest.is_exited else state.previous(spec["name"])
    last_state = _state(last, runtime_name) if last else status_of(pod, spec["name"]).get("lastState") or {}
    status: Object = {
        "name": spec["name"],
        "state": {"waiting": waiting} if waiting else _state(latest, runtime_name),
        "lastState": last_state,
        "ready": _is_ready(pod, spec, state),
        "restartCount": latest.attempt,
        "image": spec["image"],
        "imageID": latest.image_id or f"{runtime_name}://{spec['image']}",
        "containerID": f"{runtime_name}://{latest.id}",
        "started": state.is_started(spec, latest),
    }
    if spec not in ephemeral_containers(pod):
        status |= _allocated(spec)
    if mounts := [_mount(each) for each in spec.get("volumeMounts") or ()]:
        status["volumeMounts"] = mounts
    return status


def backoff_message(pod: Object, name: str, state: PodState, container: Container) -> str:
    """`back-off 10s restarting failed container=web pod=web-1_default(uid)`."""
    assert container.finished_at is not None
    delay = go_duration(state.backoff_ends_at(container) - container.finished_at)
    return f"back-off {delay} restarting failed container={name} pod={full_name(pod)}"


def full_name(pod: Object) -> str:
    """`name_namespace(uid)`, as the kubelet writes a pod in messages."""
    return f"{meta.name(pod)}_{meta.namespace(pod)}({meta.uid(pod)})"


def go_duration(delay: timedelta) -> str:
    """`300ms`, `10s`, `2m40s`."""
    seconds = delay.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    return f"{int(seconds) // 60}m{seconds % 60:g}s" if seconds >= 60 else f"{seconds:g}s"


def _without_container(pod: Object, spec: Object, state: PodState) -> Object:
    """Of a container that the runtime does not know: not made yet, or forgotten."""
    known = status_of(pod, spec["name"])
    waiting = state.waiting_of(spec)
    if known.get("containerID") and not waiting and has_finished(pod, state):
        return {
            **known,
            "ready": known.get("ready", False) and spec in init_containers(pod),
            "started": False,
        }
    reason = "PodInitializing" if _comes_later(pod, spec, state) else "ContainerCreating"
    described = {"reason": waiting.reason, "message": waiting.message} if waiting else {"reason": reason}
    return {
        "name": spec["name"],
        "state": {"waiting": described},
        "lastState": known.get("lastState") or {},
        "ready": False,
        "restartCount": known.get("restartCount", 0),
        "image": spec["image"],
        "imageID": "",
        "started": False,
    }


def _comes_later(pod: Object, spec: Object, state: PodState) -> bool:
    """True while init containers have still to do their work."""
    if spec in ephemeral_containers(pod):
        return False
    return not all(is_initialized(each, state) for each in init_containers(pod))


def _waiting(pod: Object, spec: Object, state: PodState, latest: Container, now: datetime) -> Object | None:
    """What an ended container waits for before its next start; None for one that runs or is done."""
    if latest.is_running:
        return None
    failed = state.waiting_of(spec)
    if latest.image != spec["image"]:
        return {"reason": failed.reason, "message": failed.message} if failed else None
    if not latest.is_exited:
        return {"reason": failed.reason, "message": failed.message} if failed else None
    if meta.is_terminating(pod) or has_finished(pod, state) or not _starts_again(pod, spec, latest):
        return None
    if failed and failed.until > now:
        return {"reason": failed.reason, "message": failed.message}
    if state.backoff_ends_at(latest) <= now:
        return None
    return {"reason": "CrashLoopBackOff", "message": backoff_message(pod, spec["name"], state, latest)}


def _starts_again(pod: Object, spec: Object, latest: Container) -> bool:
    if spec in ephemeral_containers(pod):
        return False
    is_done = spec in init_containers(pod) and not is_sidecar(spec) and latest.exit_code == 0
    return not is_done and restarts(pod, spec, latest)


def _is_ready(pod: Object, spec: Object, state: PodState) -> bool:
    if spec in ephemeral_containers(pod):
        return False
    if spec in init_containers(pod) and not is_sidecar(spec):
        return is_initialized(spec, state)
    return state.is_ready(spec, state.latest(spec["name"]))


def _state(container: Container, runtime_name: str) -> Object:
    if container.started_at is None and not container.is_exited:
        return {"waiting": {"reason": "ContainerCreating"}}
    started_at = meta.format_time(container.started_at or container.created_at)
    if container.is_running:
        return {"running": {"startedAt": started_at}}
    assert container.finished_at is not None
    terminated: Object = {"exitCode": container.exit_code}
    if container.reason:
        terminated["reason"] = container.reason
    if container.message:
        terminated["message"] = container.message
    return {
        "terminated": {
            **terminated,
            "startedAt": started_at,
            "finishedAt": meta.format_time(container.finished_at),
            "containerID": f"{runtime_name}://{container.id}",
        }
    }


def _allocated(spec: Object) -> Object:
    """What the node has set aside for it, and what it got."""
    resources = spec.get("resources") or {}
    found: Object = {
        "resources": {key: resources[key] for key in ("limits", "requests") if resources.get(key)}
    }
    if resources.get("requests"):
        found["allocatedResources"] = resources["requests"]
    return found


def _mount(mount: Object) -> Object:
    shown: Object = {"name": mount["name"], "mountPath": mount["mountPath"]}
    return shown | ({"readOnly": True, "recursiveReadOnly": "Disabled"} if mount.get("readOnly") else {})
